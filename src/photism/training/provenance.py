"""How a result came to be, and where it is published."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from photism.errors import InputError
from photism.training.settings import write_settings

PACKAGES = (
    "photism",
    "torch",
    "transformers",
    "diffusers",
    "accelerate",
    "peft",
    "datasets",
    "jiwer",
    "numpy",
    "soxr",
    "av",
)


def write_provenance(folder: Path, settings: Any, *, file: str) -> None:
    """The settings, with which the same can be done again, under the name `file`, and `versions.json`."""
    write_settings(settings, folder / file)
    versions: dict[str, str | None] = {"python": platform.python_version(), "git": _git_revision()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    (folder / "versions.json").write_text(json.dumps(versions, indent=1) + "\n", encoding="utf8")


def check_hub(hub_id: str) -> None:
    """That the result can be published, before it is trained; makes the repository.

    Raises:
        InputError: it cannot.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError

    try:
        HfApi().create_repo(hub_id, exist_ok=True, private=True)
    except (HFValidationError, OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"push_to_hub must be a repository that you may write to; {hub_id}: {reason}") from None


def push_to_hub(folder: Path, hub_id: str, published: Sequence[str]) -> None:
    """Uploads the files of a folder that are named in `published`, where they are there."""
    from huggingface_hub import HfApi

    HfApi().upload_folder(repo_id=hub_id, folder_path=folder, allow_patterns=list(published))


def _git_revision() -> str | None:
    """Of the code that trains, where it is a working copy; with + where it differs from it."""
    where = Path(__file__).parent
    try:
        revision = _git(where, "rev-parse", "HEAD")
        return revision + ("+" if _git(where, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(folder: Path, *command: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *command], capture_output=True, text=True, check=True)
    return done.stdout.strip()
