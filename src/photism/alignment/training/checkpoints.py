"""What a training needs to go on after a kill: written whole or not at all.

checkpoints/step-00001200/    weights, average and optimizer, as safetensors; state.json
best/                         the weights that were measured best, and what was measured
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from photism.errors import InputError

PART = ".part"


def write_folder(folder: Path, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]) -> None:
    """A folder of safetensors and `state.json`, in place of what there is under its name.

    Args:
        folder: to come to be.
        tensors: of each file, by its name without suffix.
        state: what is no tensor.
    """
    part, old = folder.with_name(folder.name + PART), folder.with_name(folder.name + ".old")
    for left in (part, old):
        shutil.rmtree(left, ignore_errors=True)
    part.mkdir(parents=True)
    for name, each in tensors.items():
        save_file(dict(each), part / f"{name}.safetensors")
    (part / "state.json").write_text(json.dumps(state), encoding="utf8")
    for path in part.iterdir():
        with path.open("rb+") as file:
            os.fsync(file.fileno())
    if folder.exists():
        os.replace(folder, old)
    os.replace(part, folder)
    shutil.rmtree(old, ignore_errors=True)


def read_folder(folder: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """What `write_folder` wrote.

    Raises:
        InputError: it is damaged.
    """
    try:
        tensors = {path.stem: load_file(path) for path in sorted(folder.glob("*.safetensors"))}
        return tensors, json.loads((folder / "state.json").read_text(encoding="utf8"))
    except Exception as error:  # safetensors has an error of its own, which is no OSError
        raise InputError(
            f"checkpoint {folder} cannot be read: {error}; delete it to go on from the one before"
        ) from None


def last_checkpoint(folder: Path) -> Path | None:
    """The latest of a folder's checkpoints."""
    found = sorted(path for path in folder.glob("step-*") if path.suffix not in (PART, ".old"))
    return found[-1] if found else None


def checkpoint_name(step: int) -> str:
    """By which checkpoints are in the order of their steps."""
    return f"step-{step:08}"


def keep_last(folder: Path, count: int) -> None:
    """Deletes all checkpoints but the last, and what was not finished."""
    found = sorted(path for path in folder.glob("step-*") if not path.suffix)
    for path in [*found[:-count], *folder.glob("step-*.*")]:
        shutil.rmtree(path, ignore_errors=True)
