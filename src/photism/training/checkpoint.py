"""What a training needs to go on after a kill: written whole or not at all.

checkpoints/step-00001200/    weights, average and optimizer, as safetensors; state.json
best.safetensors              the weights that were measured best; in its header the step and what was measured
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from photism.errors import InputError
from photism.files import OLD, PART, atomic_folder, atomic_path


@dataclass(frozen=True)
class Best:
    """Of the weights that were measured best: after which step, and what was measured."""

    step: int
    measures: Mapping[str, float]


def write_folder(folder: Path, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]) -> None:
    """A folder of safetensors and `state.json`, in place of what there is under its name.

    Args:
        folder: to come to be.
        tensors: of each file, by its name without suffix.
        state: what is no tensor.
    """
    with atomic_folder(folder) as part:
        for name, each in tensors.items():
            save_file(dict(each), part / f"{name}.safetensors")
        (part / "state.json").write_text(json.dumps(state), encoding="utf8")


def read_folder(folder: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """What `write_folder` wrote.

    Raises:
        InputError: it is damaged.
    """
    try:
        tensors = {path.stem: load_file(path) for path in sorted(folder.glob("*.safetensors"))}
        return tensors, json.loads((folder / "state.json").read_text(encoding="utf8"))
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(
            f"checkpoint {folder} cannot be read: {error}; delete it to go on from the one before"
        ) from None


def write_best(path: Path, weights: Mapping[str, Tensor], *, step: int, measures: Mapping[str, float]) -> None:
    """The weights that were measured best so far, in place of those before, in one move."""
    with atomic_path(path, sole_writer=True) as part:
        save_file(dict(weights), part, metadata={"step": str(step), "measures": json.dumps(measures)})


def read_best(path: Path) -> Best | None:
    """What `write_best` wrote, without the weights; None where nothing has been measured yet.

    Raises:
        InputError: it is damaged.
    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata()
    except SafetensorError as error:
        raise InputError(f"{path} cannot be read: {error}; delete it") from None
    return Best(int(about["step"]), json.loads(about["measures"]))


def last_checkpoint(folder: Path) -> Path | None:
    """The latest of a folder's checkpoints."""
    found = sorted(path for path in folder.glob("step-*") if path.suffix not in (PART, OLD))
    return found[-1] if found else None


def checkpoint_name(step: int) -> str:
    """By which checkpoints are in the order of their steps."""
    return f"step-{step:08}"


def keep_last(folder: Path, count: int) -> None:
    """Deletes all checkpoints but the last, and what was not finished."""
    found = sorted(path for path in folder.glob("step-*") if not path.suffix)
    for path in [*found[:-count], *folder.glob("step-*.*")]:
        shutil.rmtree(path, ignore_errors=True)
