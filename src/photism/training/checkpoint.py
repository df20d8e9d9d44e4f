"""Checkpoints of a training, which are written completely or not at all.

checkpoints/step-00001200/    weights, average (EMA) and optimizer, as safetensors; state.json
best.safetensors              the weights with the best score; its header holds their step and metrics
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

CHECKPOINTS = "checkpoints"
BEST = "best.safetensors"


@dataclass(frozen=True)
class Best:
    """Step and metrics of the best weights."""

    step: int
    metrics: Mapping[str, float]


def write_checkpoint(folder: Path, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]) -> None:
    """Write a folder of safetensors files and `state.json`, in place of one of the same name.

    Args:
        folder: folder to create.
        tensors: tensors of each file, by its name without suffix.
        state: values that are not tensors, for JSON.
    """
    with atomic_folder(folder) as part:
        for name, each in tensors.items():
            save_file(dict(each), part / f"{name}.safetensors")
        (part / "state.json").write_text(json.dumps(state), encoding="utf8")


def read_checkpoint(folder: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Return the tensors and the state that `write_checkpoint` wrote.

    Raises:
        InputError: the checkpoint is damaged.
    """
    try:
        tensors = {path.stem: load_file(path) for path in sorted(folder.glob("*.safetensors"))}
        return tensors, json.loads((folder / "state.json").read_text(encoding="utf8"))
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(f"checkpoint {folder} is damaged: {error}; delete it to resume from the one before") from None


def write_best(path: Path, weights: Mapping[str, Tensor], *, step: int, metrics: Mapping[str, float]) -> None:
    """Replace the best weights so far."""
    with atomic_path(path, sole_writer=True) as part:
        save_file(dict(weights), part, metadata={"step": str(step), "measures": json.dumps(metrics)})


def read_best(path: Path) -> Best | None:
    """Return step and metrics of the best weights; None if there are none yet.

    Raises:
        InputError: the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata()
    except SafetensorError as error:
        raise InputError(f"{path} is damaged: {error}; delete it") from None
    return Best(int(about["step"]), json.loads(about["measures"]))


def last_checkpoint(folder: Path) -> Path | None:
    """Return the latest complete checkpoint in a folder; None if there is none."""
    found = sorted(path for path in folder.glob("step-*") if path.suffix not in (PART, OLD))
    return found[-1] if found else None


def checkpoint_name(step: int) -> str:
    """Return the name of a step's checkpoint. Names sort in the order of steps."""
    return f"step-{step:08}"


def keep_last(folder: Path, count: int) -> None:
    """Delete unfinished checkpoints and all complete ones but the last `count`."""
    found = sorted(path for path in folder.glob("step-*") if not path.suffix)
    for path in [*found[:-count], *folder.glob("step-*.*")]:
        shutil.rmtree(path, ignore_errors=True)
