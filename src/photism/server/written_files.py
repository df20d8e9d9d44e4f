"""Files that are written when they are first wanted, and then serve other requests until they are removed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from pathlib import Path


class WrittenFiles:
    """Files by what they hold. It is used in the event loop."""

    def __init__(self) -> None:
        self._files: dict[Hashable, asyncio.Future[Path]] = {}

    def __len__(self) -> int:
        return len(self._files)

    async def get(self, key: Hashable, write: Callable[[], Awaitable[Path]]) -> Path:
        """Return the file of a key.

        Args:
            key: what it holds.
            write: writes it, unless another request is doing so, or its file is still there. It goes on when the
                request is cancelled, since others may wait for it.

        Raises:
            Exception: what `write` raises, to all that wait for it.
        """
        if not _is_kept(self._files.get(key)):
            self._files = {each: found for each, found in self._files.items() if _is_kept(found)}
            self._files[key] = asyncio.ensure_future(write())
        return await asyncio.shield(self._files[key])


def _is_kept(file: asyncio.Future[Path] | None) -> bool:
    """Return whether a file is being written, or still there."""
    if file is None or not file.done():
        return file is not None
    return not file.cancelled() and file.exception() is None and file.result().is_file()
