"""The folder that a training writes to: whether it may."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from photism.errors import InputError
from photism.training.checkpoint import last_checkpoint
from photism.training.settings import differences, read_settings


def check_output(settings: Any, *, file: str, running: frozenset[str], resume: bool) -> None:
    """That nothing is overwritten, and that a training goes on as it was begun.

    Args:
        settings: of the training; `output` is the folder.
        file: in which the output keeps the settings that it was begun with.
        running: fields that may differ when it is resumed.
        resume: go on from the last checkpoint in the output, where there is one.

    Raises:
        InputError: the folder is a file, holds a model, other files or a training that is not to be resumed, or one of
            other settings.
    """
    output = Path(settings.output)
    if output.exists() and not output.is_dir():
        raise InputError(f"output must be a folder; {output} is a file")
    if last_checkpoint(output / "checkpoints") is None:
        if not resume and (output / "config.json").exists():
            raise InputError(f"output {output} holds a model; take another folder, or delete it")
        found = sorted(path.name for path in output.glob("[!.]*") if path.is_file())
        if found and file not in found:
            raise InputError(f"output {output} holds other files, such as {found[0]}; take a new or empty folder")
        return
    if not resume:
        raise InputError(f"output {output} holds a training; resume it, or take another folder")
    path = output / file
    changed = differences(read_settings(type(settings), path, {}), settings, running=running)
    if changed:
        raise InputError(f"a resumed training must have the settings of {path}; these differ: {'; '.join(changed)}")
