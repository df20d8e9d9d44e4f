"""List the recordings that a command was given."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol
from warnings import warn

from photism.errors import InputError, RecordingWarning
from photism.manifest.entry import Entry
from photism.manifest.files import SingleListing, is_url
from photism.manifest.folders import FolderListing, GlobListing
from photism.manifest.lists import ListListing
from photism.output_files import STANDARD_INPUT


class Listing(Protocol):
    """One argument that stands for any number of recordings."""

    def entries(self) -> Iterator[Entry]:
        """Yield an entry for each recording, in the same order each time."""
        ...

    def count(self) -> int | None:
        """Return the number of entries; None if it is not known without reading recordings."""
        ...


@dataclass(frozen=True)
class Manifest:
    """The recordings that a command was given, which are listed while it works.

    It can be iterated any number of times. A recording that cannot be read, such as a missing file of a list, is an
    entry with a `problem`. A recording or segment that is listed twice is yielded once, which a warning says.

    Attributes:
        listings: the arguments.
        is_collection: whether an argument is more than a file, a URL or standard input.
    """

    listings: Sequence[Listing]
    is_collection: bool

    def __iter__(self) -> Iterator[Entry]:
        seen: set[str] = set()
        repeated: list[str] = []
        # The recordings of a single folder are distinct: no need to remember them.
        is_distinct = len(self.listings) == 1 and isinstance(self.listings[0], SingleListing | FolderListing)
        for listing in self.listings:
            for entry in listing.entries():
                if not is_distinct:
                    count = len(seen)
                    seen.add(entry.key)
                    if len(seen) == count:
                        repeated.append(entry.location)
                        continue
                yield entry
        if repeated:
            warn(f"{repeated[0]}: listed more than once", RecordingWarning, stacklevel=2)

    @cached_property
    def count(self) -> int | None:
        """Number of entries, before those that are listed twice are dropped; None if it is not known."""
        total = 0
        for listing in self.listings:
            count = listing.count()
            if count is None:
                return None
            total += count
        return total


def read_manifest(given: Sequence[str]) -> Manifest:
    """Return the recordings of paths, URLs, folders, patterns and lists, after checking that they are there.

    Args:
        given: files, URLs, - for standard input, folders, patterns such as ``sounds/**/*.wav``, and lists as
            ``@list.txt``. A file with such a name is that file.

    Raises:
        InputError: a file or folder is missing, a folder has no recordings, a pattern matches none, or standard input
            is given twice.
    """
    if list(given).count(STANDARD_INPUT) > 1:
        raise InputError("- is given twice; standard input can be read once")
    has_several_folders = sum(os.path.isdir(each) for each in given) > 1
    listings = [_listing_of(each, is_named=has_several_folders) for each in given]
    return Manifest(listings, not all(isinstance(each, SingleListing) for each in listings))


def _listing_of(given: str, *, is_named: bool) -> Listing:
    """Return the recordings of one argument.

    Args:
        given: the argument.
        is_named: whether the names of the recordings in a folder begin with that of the folder.
    """
    if given == STANDARD_INPUT or is_url(given):
        return SingleListing(given)
    if os.path.isdir(given):
        prefix = f"{os.path.basename(os.path.abspath(given))}/" if is_named else ""
        return _checked(FolderListing(given, prefix), f"{given}: no recordings in this folder")
    if os.path.lexists(given):
        return SingleListing(given)
    if given.startswith("@"):
        if not os.path.isfile(given[1:]):
            raise InputError(f"{given}: no such file as {given[1:]}; give @ and a text file with a path or URL a line")
        return _checked(ListListing(given[1:]), f"{given}: the list is empty")
    if any(each in given for each in "*?["):
        return _checked(GlobListing(given), f"{given}: no recording matches this pattern")
    raise InputError(f"{given}: no such file")


def _checked(listing: Listing, problem: str) -> Listing:
    """Return a listing that is not empty.

    Raises:
        InputError: it is empty, or nothing of it can be read.
    """
    first = next(listing.entries(), None)
    if first is None:
        raise InputError(problem)
    return listing
