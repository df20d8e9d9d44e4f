"""Files that are to be written: looked at before the work, and whole or not there after it."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from photism.errors import InputError


def check_writable(path: Path, option: str, *, force: bool) -> None:
    """See whether a file can be written.

    Args:
        path: of the file.
        option: that named it.
        force: a file that is there may be overwritten.

    Raises:
        InputError: its folder is missing or cannot be written to, or it is taken.
    """
    if not path.parent.is_dir():
        raise InputError(f"{option}: the folder {path.parent} does not exist; create it")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise InputError(f"{option}: the folder {path.parent} cannot be written to; name another")
    if path.is_dir() or (path.exists() and not force):
        raise InputError(f"{path} exists; give another name with {option}, or --force to overwrite it")


@contextmanager
def written_beside(target: Path) -> Generator[Path]:
    """A file that takes the name of its target when all is written; none where that breaks off."""
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield unfinished
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def written_whole(target: Path) -> Generator[TextIO]:
    """The same, open to write text to."""
    with written_beside(target) as unfinished, unfinished.open("w", encoding="utf8", newline="") as file:
        yield file
