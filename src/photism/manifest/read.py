"""List the recordings that a command was given."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol
from warnings import warn

from photism.audio.object_storage import is_object, is_url, object_status
from photism.audio.sources import path_of_file_url
from photism.errors import InputError, RecordingWarning
from photism.manifest.entry import Entry
from photism.manifest.files import SingleListing, file_name
from photism.manifest.folders import FolderListing, GlobListing
from photism.manifest.lists import ListListing
from photism.manifest.object_folder import WILDCARD, ObjectFolderListing
from photism.manifest.recognition import suffix_of
from photism.manifest.table_listing import TABLE_SUFFIXES, TableListing
from photism.output_files import CHAIN, STANDARD_INPUT, without_credentials


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
    """

    listings: Sequence[Listing]

    @property
    def is_collection(self) -> bool:
        """Whether an argument is more than a file, a URL or standard input."""
        return not all(isinstance(each, SingleListing) for each in self.listings)

    @property
    def folders(self) -> tuple[str, ...]:
        """Absolute paths and URLs of the folders that were given."""
        folders = [each for each in self.listings if isinstance(each, FolderListing | ObjectFolderListing)]
        return tuple(each.location if is_url(each.location) else os.path.abspath(each.location) for each in folders)

    def __iter__(self) -> Iterator[Entry]:
        seen: set[str] = set()
        repeated = 0
        first_repeated = ""
        # The recordings of a single folder are distinct: no need to remember them.
        is_distinct = len(self.listings) == 1 and isinstance(self.listings[0], SingleListing | FolderListing)
        for listing in self.listings:
            for entry in listing.entries():
                if is_distinct or entry.problem:
                    yield entry
                elif entry.key in seen:
                    repeated += 1
                    first_repeated = first_repeated or entry.location
                else:
                    seen.add(entry.key)
                    yield entry
        if repeated:
            others = f", and {repeated - 1} more recordings" if repeated > 1 else ""
            warn(f"{first_repeated}: listed more than once{others}; read once", RecordingWarning, stacklevel=2)

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


def read_manifest(given: Sequence[str], *, allow_missing: bool = False) -> Manifest:
    """Return the recordings of paths, URLs, folders, patterns, lists and tables, after checking that they are there.

    Args:
        given: files, URLs, - for standard input, folders, patterns such as ``sounds/**/*.wav``, lists as ``@list.txt``,
            and tables that end in one of `TABLE_SUFFIXES`. Folders and patterns may be URLs of object storage. A file
            with such a name is that file.
        allow_missing: accept that none of the files is there, as their entries say.

    Raises:
        InputError: none of the files is there and that is not allowed, a folder has no recordings, a pattern matches
            none, a list or table cannot be used, or standard input is given twice.
    """
    if list(given).count(STANDARD_INPUT) > 1:
        raise InputError("- is given twice; standard input can be read once")
    has_several = len(given) > 1
    listings = [_listing_of(each, is_named=has_several) for each in given]
    if allow_missing:
        return Manifest(listings)
    missing = [
        entry.problem
        for listing in listings
        if isinstance(listing, SingleListing)
        for entry in listing.entries()
        if entry.problem
    ]
    if listings and len(missing) == len(listings):
        raise InputError(missing[0])
    return Manifest(listings)


def _listing_of(given: str, *, is_named: bool) -> Listing:
    """Return the recordings of one argument.

    Args:
        given: the argument.
        is_named: whether the names of the recordings in a folder begin with that of the folder.
    """
    if given == STANDARD_INPUT:
        return SingleListing(given)
    if is_url(given):
        return _listing_of_url(given, is_named=is_named)
    if os.path.isdir(given):
        prefix = f"{os.path.basename(os.path.abspath(given))}/" if is_named else ""
        return _checked(FolderListing(given, prefix), f"{given}: no recordings in this folder")
    if os.path.lexists(given):
        return _listing_of_file(given)
    if given.startswith("@"):
        if not is_url(given[1:]) and not os.path.isfile(given[1:]):
            raise InputError(f"{given}: no such file as {given[1:]}; give @ and a text file with a path or URL a line")
        return _checked(ListListing(given[1:]), f"{given}: the list is empty")
    if any(each in given for each in "*?["):
        return _checked(GlobListing(given), f"{given}: no recording matches this pattern")
    return SingleListing(given)


def _listing_of_file(place: str) -> Listing:
    """Return the recordings that a file lists, or else the file itself."""
    if suffix_of(file_name(place)) in TABLE_SUFFIXES:
        table = TableListing(path_of_file_url(place) if place.lower().startswith("file://") else place)
        table.check()
        return table
    return SingleListing(place)


def _listing_of_url(url: str, *, is_named: bool) -> Listing:
    if not is_object(url):
        return _listing_of_file(url)
    name = without_credentials(url)
    try:
        is_folder = object_status(url)["type"] == "directory"
    except InputError:
        if not WILDCARD.search(CHAIN.split(url)[0]):
            return SingleListing(url)  # its entry says why it cannot be read
        return _checked(ObjectFolderListing(url, is_pattern=True), f"{name}: no recording matches this pattern")
    if not is_folder:
        return _listing_of_file(url)
    prefix = f"{file_name(url.rstrip('/'))}/" if is_named else ""
    return _checked(ObjectFolderListing(url, prefix=prefix), f"{name}: no recordings in this folder")


def _checked(listing: Listing, problem: str) -> Listing:
    """Return a listing that is not empty.

    Raises:
        InputError: it is empty, or the folder that was given cannot be read.
    """
    first = next(listing.entries(), None)
    if first is None:
        raise InputError(problem)
    if (
        isinstance(listing, FolderListing | ObjectFolderListing)
        and first.problem
        and first.location == listing.location
    ):
        raise InputError(first.problem)
    return listing
