"""The recordings whose rows an output has, in twelve bytes each."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

ROW_ID = re.compile(
    r"(?P<run>[0-9a-f]{8})-(?P<place>[0-9a-f]{16})(?P<version>[0-9a-f]{8})(?:-(?P<window>[0-9]+)of(?P<windows>[0-9]+))?"
)
"""Id of a row: the run, the key of the recording (`photism.manifest.entry`), and the window if it has one."""
PLACE_DIGITS = 16
"""Digits of a key that say which recording, or segment of one, it is; the others say in which version."""


class RowId(NamedTuple):
    """An id in its parts.

    Attributes:
        run: eight hex digits of the provenance.
        key: key of the recording.
        window: number of the window, from 1; 1 where the recording has a single row.
        windows: number of windows of the recording.
    """

    run: str
    key: str
    window: int
    windows: int


def parse_id(text: object) -> RowId | None:
    """Return an id in its parts, or None if this is none."""
    found = ROW_ID.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    return RowId(found["run"], found["place"] + found["version"], int(found["window"] or 1), int(found["windows"] or 1))


def window_ids(row_id: str, windows: int) -> list[str]:
    """Return the ids of the rows of a recording that has a row per window."""
    return [f"{row_id}-{number}of{windows}" for number in range(1, windows + 1)]


class DoneRows:
    """Keys of the recordings whose rows an output has.

    Keys are added, and looked up after `sort`. A recording has one version: the one that was added last.
    """

    def __init__(self) -> None:
        self._places, self._versions = array("Q"), array("I")
        self._sorted_count = 0
        self._discarded: set[int] = set()
        self.has_superseded = False
        """Whether the output may have rows of versions that another one replaced."""

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: str) -> bool:
        """Return whether the recording was done, in this version, when the keys were sorted last."""
        return self._version_of(key) == int(key[PLACE_DIGITS:], 16)

    def has_other_version(self, key: str) -> bool:
        """Return whether the recording was done in another version when the keys were sorted last."""
        return self._version_of(key) not in (None, int(key[PLACE_DIGITS:], 16))

    def has_place(self, key: str) -> bool:
        """Return whether the recording was done in any version when the keys were sorted last."""
        return self._version_of(key) is not None

    def add(self, key: str) -> None:
        """Add a recording, which replaces its other versions."""
        self.has_superseded |= self.has_other_version(key)
        self._places.append(int(key[:PLACE_DIGITS], 16))
        self._versions.append(int(key[PLACE_DIGITS:], 16))

    def add_rows(self, ids: Iterable[object]) -> None:
        """Add the recordings of rows, in the order of the rows; a recording may have several in sequence.

        Args:
            ids: ids of the rows; what is no id is ignored.
        """
        last = None
        for row_id in map(parse_id, ids):
            if row_id is not None and row_id.key != last:
                last = row_id.key
                self.add(last)

    def discard(self, key: str) -> None:
        """Remove a recording in all versions, at the next `sort`."""
        if self.has_place(key):
            self.has_superseded = True
            self._discarded.add(int(key[:PLACE_DIGITS], 16))

    def sort(self) -> None:
        """Sort the keys, so that they can be looked up, and keep the last version of each recording."""
        import numpy as np

        places = np.frombuffer(self._places, np.uint64)
        order = np.argsort(places, kind="stable")
        places = places[order]
        is_last = np.append(places[1:] != places[:-1], True)[: len(places)]
        self.has_superseded |= not is_last.all()
        if self._discarded:
            is_last &= ~np.isin(places, np.array(list(self._discarded), np.uint64))
            self._discarded.clear()
        versions = np.frombuffer(self._versions, np.uint32)[order]
        self._places, self._versions = array("Q"), array("I")
        self._places.frombytes(places[is_last].tobytes())
        self._versions.frombytes(versions[is_last].tobytes())
        self._sorted_count = len(self._places)

    def _version_of(self, key: str) -> int | None:
        place = int(key[:PLACE_DIGITS], 16)
        index = bisect_left(self._places, place, hi=self._sorted_count)
        is_found = index < self._sorted_count and self._places[index] == place
        return self._versions[index] if is_found else None
