"""Append to files so that a failed write leaves nothing behind."""

from __future__ import annotations

import os
from io import FileIO
from pathlib import Path

from photism.errors import name_full_disk


def append(file: FileIO, data: bytes, path: Path) -> None:
    """Append bytes to an unbuffered file: all of them, or none if that fails.

    Raises:
        OSError: they cannot be written, such as on a full disk.
    """
    start = file.seek(0, os.SEEK_END)
    rest = memoryview(data)
    try:
        with name_full_disk(path):
            while rest:
                rest = rest[file.write(rest) :]
    except BaseException:
        file.truncate(start)
        raise
