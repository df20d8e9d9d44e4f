"""Recordings that were listed before, in eight bytes each."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from photism.manifest.entry import Entry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RECENT = 2**16  # digests in a set, which takes ten times the memory of an array, before they are sorted into this


class SeenEntries:
    """Which recordings, segments and problems were listed, as sorted digests of 64 bits."""

    def __init__(self) -> None:
        import numpy as np

        self._recent: set[int] = set()
        self._sorted: NDArray[np.uint64] = np.empty(0, np.uint64)

    def add(self, entry: Entry) -> bool:
        """Add an entry, and return whether it is new."""
        import numpy as np

        text = f"{entry.key}{entry.problem}".encode("utf8", "surrogateescape")
        digest = int.from_bytes(blake2b(text, digest_size=8).digest(), "big")
        place = int(self._sorted.searchsorted(np.uint64(digest)))
        if digest in self._recent or (place < len(self._sorted) and self._sorted[place] == digest):
            return False
        self._recent.add(digest)
        if len(self._recent) == RECENT:
            self._sorted = np.sort(np.concatenate([self._sorted, np.array(list(self._recent), np.uint64)]))
            self._recent.clear()
        return True
