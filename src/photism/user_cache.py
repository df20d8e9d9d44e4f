"""Files that are computed once and kept between processes, in a folder of the user; without it, they are computed."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from photism.errors import InputError
from photism.files import atomic_path


def cache_folder() -> Path:
    """Return the folder of what is kept: $PHOTISM_CACHE, or ~/.cache/photism."""
    return Path(os.environ.get("PHOTISM_CACHE") or Path.home() / ".cache" / "photism")


def keep(target: Path, write: Callable[[Path], object]) -> None:
    """Write a file of the cache, or none if that is not possible, as in a home folder that is read-only or full.

    Args:
        target: the file, in `cache_folder`.
        write: writes the content to the path that it gets, which is then renamed.
    """
    with suppress(OSError, InputError):
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(target) as unfinished:
            write(unfinished)


def prune(folder: Path, *, max_bytes: int) -> None:
    """Delete the files of a folder that were used longest ago, until the others have at most `max_bytes`."""
    with suppress(OSError):
        files = sorted(
            ((path, path.stat()) for path in folder.iterdir() if path.is_file()),
            key=lambda item: item[1].st_mtime,
            reverse=True,
        )
        total = 0
        for path, status in files:
            total += status.st_size
            if total > max_bytes:
                path.unlink(missing_ok=True)
