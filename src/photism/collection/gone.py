"""Find the recordings of an index that are gone from the folders in which they were found."""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from photism.collection.index_rows import stored_location
from photism.collection.locations import container, local_path

if TYPE_CHECKING:
    from photism.manifest.entry import Entry

FEW = 10
"""Number of recordings that may be gone without a doubt."""
MAX_GONE = 0.5
"""Fraction of the rows of a folder above which a missing disk is more likely than that so much was deleted."""


class ListedRecordings:
    """Recordings of a manifest, which are remembered as they are listed, in eight bytes each.

    Attributes:
        containers: the shards, tables and data sets in which recordings were listed.
        is_complete: whether the manifest was listed to its end.
        unreadable: locations below which nothing could be listed.
    """

    def __init__(self, manifest: Iterable[Entry]) -> None:
        self._manifest = manifest
        self._digests = array("Q")
        self.containers, self.is_complete, self.unreadable = set[str](), False, list[str]()

    @property
    def count(self) -> int | None:
        """Number of recordings; None if it is not known."""
        return getattr(self._manifest, "count", None)

    def __iter__(self) -> Iterator[Entry]:
        self._digests, self.containers, self.is_complete, self.unreadable = array("Q"), set(), False, []
        for entry in self._manifest:
            location = stored_location(entry.absolute_location)
            self._digests.append(_digest(location))
            if (inside := container(location)) is not None:
                self.containers.add(inside)
            if entry.problem:
                self.unreadable.append(entry.absolute_location)
            yield entry
        self._digests = array("Q", sorted(self._digests))
        self.is_complete = True

    def __contains__(self, location: str) -> bool:
        """Return whether a stored location was listed; to be asked when all are."""
        digest = _digest(location)
        index = bisect_left(self._digests, digest)
        return index < len(self._digests) and self._digests[index] == digest


@dataclass
class GoneRecordings:
    """Stored locations of recordings that are gone.

    Attributes:
        removable: those that are neither listed any more nor doubtful.
        doubtful: those of folders that look as if a disk is not mounted.
    """

    removable: list[str] = field(default_factory=list[str])
    doubtful: list[str] = field(default_factory=list[str])


def find_gone(locations: Iterable[str], listed: ListedRecordings, folders: Sequence[str]) -> GoneRecordings:
    """Return which recordings of some folders were not listed there any more, and do not exist.

    A file that exists may not be listed, as a hidden one, which is indexed only by its name; nor is a recording in a
    shard, a table or a data set unless that is given.

    Args:
        locations: the stored locations of all rows.
        listed: the recordings that there are.
        folders: absolute paths or URLs of the folders that were listed.
    """
    roots = [_as_prefix(folder) for folder in folders]
    kept = tuple(_as_prefix(folder) for folder in listed.unreadable)
    rows: Counter[str] = Counter()
    gone_rows: Counter[str] = Counter()
    gone: defaultdict[str, set[str]] = defaultdict(set)
    for location in locations:
        path = _path(location)
        root = next((each for each in roots if path.startswith(each)), None)
        if root is None:
            continue
        rows[root] += 1
        if location not in listed and not path.startswith(kept) and not _may_exist(location, listed.containers):
            gone_rows[root] += 1
            gone[root].add(location)
    found = GoneRecordings()
    for root, missing in gone.items():
        if len(missing) > FEW and gone_rows[root] > MAX_GONE * rows[root]:
            found.doubtful += sorted(missing)
        else:
            _divide(missing, found)
    return found


def _may_exist(location: str, containers: Collection[str]) -> bool:
    """Return whether a recording that was not listed exists, or is in a container that was not looked into."""
    inside = container(location)
    if inside is not None:
        return inside not in containers and ("://" in inside or os.path.exists(inside))
    path = local_path(location)
    return path is not None and path.exists()


def _divide(missing: set[str], found: GoneRecordings) -> None:
    """Add recordings to those that are gone; those of an empty folder, as of a missing disk, are doubtful if many."""
    by_folder: defaultdict[str, list[str]] = defaultdict(list)
    for location in sorted(missing):
        by_folder[os.path.dirname(_path(location))].append(location)
    by_existing: defaultdict[str, list[str]] = defaultdict(list)
    for folder, locations in by_folder.items():
        by_existing[_existing(folder)] += locations
    for folder, locations in by_existing.items():
        is_doubtful = len(locations) > FEW and _is_empty(folder)
        (found.doubtful if is_doubtful else found.removable).extend(locations)


def _existing(folder: str) -> str:
    """Return a folder, or the nearest one above it that exists; a URL as it is."""
    while "://" not in folder and not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return folder


def _is_empty(folder: str) -> bool:
    return os.path.isdir(folder) and next(Path(folder).iterdir(), None) is None


def _path(location: str) -> str:
    """Return a stored location as a path, if it is one that is not UTF-8."""
    path = local_path(location) if location.startswith("file://") else None
    return location if path is None else str(path)


def _as_prefix(folder: str) -> str:
    return folder.rstrip("/") + "/"


def _digest(location: str) -> int:
    return int.from_bytes(blake2b(location.encode(), digest_size=8).digest(), "little")
