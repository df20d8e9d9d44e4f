"""Where what is prepared once is kept, and that only one process prepares it."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


def cache_folder() -> Path:
    """Where corpora and targets are kept: $PHOTISM_CACHE, or ~/.cache/photism."""
    return Path(os.environ.get("PHOTISM_CACHE") or Path.home() / ".cache" / "photism")


@contextmanager
def lock(path: Path) -> Generator[None]:
    """Held by the process that comes first, while the others wait."""
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path):
        yield
