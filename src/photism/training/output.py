"""Output folder of a training: whether it may be written to, how the result was made, and its publication."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from photism.errors import InputError
from photism.files import check_folder
from photism.hub_errors import describe_hub_error
from photism.settings import differences, read_settings, write_settings
from photism.training.checkpoint import BEST, CHECKPOINTS, last_checkpoint
from photism.training.settings import RESUMABLE_CHANGES, TrainingSettings

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
MODEL = "config.json"
"""File of a finished model."""


def check_output(settings: TrainingSettings, *, resume: bool) -> None:
    """Raise InputError if a training must not write to its output folder. Nothing is changed.

    An unfinished training may be resumed with the settings that it was started with, except for `RESUMABLE_CHANGES`. A
    folder with other files, with a finished model, or with best weights whose checkpoints are gone is never touched.

    Args:
        settings: settings of the training, with the folder as `output`.
        resume: continue from the last checkpoint in the folder, if there is one.
    """
    output, begun = Path(settings.output), Path(settings.output, settings.file)
    if output.exists() and not output.is_dir():
        raise InputError(f"output {output} is a file; choose a folder")
    check_folder(output, "output")
    files = sorted(path.name for path in output.glob("[!.]*") if path.is_file())
    # Before its first checkpoint a training leaves best weights next to an empty folder of checkpoints.
    is_begun = BEST in files and MODEL not in files and (output / CHECKPOINTS).is_dir()
    if is_begun or last_checkpoint(output / CHECKPOINTS) is not None:
        if not resume:
            if MODEL in files:
                raise InputError(f"output {output} holds a finished model; choose another folder")
            raise InputError(f"output {output} holds an unfinished training; resume it, or choose another folder")
    elif MODEL in files:
        advice = "there is no checkpoint to resume from; " if resume else ""
        raise InputError(f"output {output} holds a finished model; {advice}choose another folder")
    elif BEST in files:
        raise InputError(
            f"output {output} holds {BEST} of a training whose checkpoints are gone; choose another folder, or move "
            "that file away to start again"
        )
    elif files and settings.file not in files:
        raise InputError(
            f"output {output} is not empty and was not created by this command (it holds {files[0]}); choose a new or "
            "empty folder"
        )
    else:
        return  # nothing that a new training could lose
    if not begun.is_file():
        raise InputError(f"{begun} is missing, which holds the settings of the training; it cannot be resumed")
    changed = differences(read_settings(type(settings), begun, {}), settings, ignored=RESUMABLE_CHANGES)
    if changed:
        raise InputError(f"a resumed training must keep the settings of {begun}; these differ: {'; '.join(changed)}")


def write_provenance(folder: Path, settings: TrainingSettings) -> None:
    """Write the settings, with which the training can be repeated, and `versions.json`."""
    write_settings(settings, folder / settings.file)
    versions: dict[str, str | None] = {"python": platform.python_version(), "git": _git_revision()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    (folder / "versions.json").write_text(json.dumps(versions, indent=1) + "\n", encoding="utf8")


def create_repository(hub_id: str) -> None:
    """Create the hub repository of the result, before the training, so that it does not fail afterwards.

    Raises:
        InputError: the hub refuses.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError

    try:
        HfApi().create_repo(hub_id, exist_ok=True, private=True)
    except (HFValidationError, OSError, ValueError) as error:
        reason = describe_hub_error(error, hub_id) or str(error).partition("\n")[0]
        raise InputError(f"push_to_hub must be a repository that you may write to; {hub_id}: {reason}") from error


def push_to_hub(folder: Path, hub_id: str, files: Sequence[str]) -> None:
    """Upload those files of a folder, and none in the folders within it, whose names match one of the patterns."""
    from huggingface_hub import HfApi

    # The hub's * matches slashes: *.json alone would match the state.json of each checkpoint.
    HfApi().upload_folder(repo_id=hub_id, folder_path=folder, allow_patterns=list(files), ignore_patterns=["*/*"])


def _git_revision() -> str | None:
    """Return the commit of the code in a working copy, with + if it was changed since; None outside of one."""
    folder = Path(__file__).parent
    try:
        revision = _git(folder, "rev-parse", "HEAD")
        return revision + ("+" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(folder: Path, *command: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *command], capture_output=True, text=True, check=True)
    return done.stdout.strip()
