"""List the recordings that a command was given."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from warnings import warn

from photism.audio.object_storage import is_object, is_url
from photism.audio.reading_settings import ReadingSettings
from photism.errors import InputError, RecordingWarning
from photism.manifest.arguments import Listing, listing_of
from photism.manifest.entry import Entry
from photism.manifest.files import SingleListing
from photism.manifest.folders import FolderListing
from photism.manifest.object_folder import ObjectFolderListing
from photism.manifest.seen import SeenEntries
from photism.output_files import STANDARD_INPUT


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
        """True if an argument is more than a file, a URL or standard input."""
        return not all(isinstance(each, SingleListing) for each in self.listings)

    @property
    def folders(self) -> tuple[str, ...]:
        """Absolute paths and URLs of the folders that were given."""
        folders = [each for each in self.listings if isinstance(each, FolderListing | ObjectFolderListing)]
        return tuple(each.location if is_url(each.location) else os.path.abspath(each.location) for each in folders)

    def __iter__(self) -> Iterator[Entry]:
        seen = SeenEntries()
        repeated = 0
        first_repeated = ""
        # The recordings of a single folder are distinct: no need to remember them.
        is_distinct = len(self.listings) == 1 and isinstance(self.listings[0], SingleListing | FolderListing)
        for listing in self.listings:
            for entry in listing.entries():
                if is_distinct or seen.add(entry):
                    yield entry
                else:
                    repeated += 1
                    first_repeated = first_repeated or entry.location
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


def read_manifest(
    given: Sequence[str], *, allow_missing: bool = False, reading: ReadingSettings | None = None
) -> Manifest:
    """Return the recordings of the arguments of a command, after checking that they are there.

    Args:
        given: files, URLs and - for standard input; folders; patterns such as ``sounds/**/*.wav``; lists as
            ``@list.txt``; tables that end in one of `TABLE_SUFFIXES`; WebDataset shards that end in one of
            `TAR_SUFFIXES`, with {000..099} or *; and data sets: a folder of `datasets`, owner/name, owner/name/split or
            owner/name:configuration. Any of them but the last may be a URL of object storage.
        allow_missing: accept that none of the files is there, as their entries say.
        reading: whether private addresses are accepted also for lists, tables, shards and folders.

    Raises:
        InputError: none of the files is there and that is not allowed, a folder has no recordings, a pattern matches
            none, a list, table or data set cannot be used, or standard input is given twice.
    """
    if list(given).count(STANDARD_INPUT) > 1:
        raise InputError("- is given twice; standard input can be read once")
    has_several_folders = sum(os.path.isdir(each) or is_object(each) for each in given) > 1
    allow_private_urls = reading is not None and reading.allow_private_urls
    listings = [listing_of(each, is_named=has_several_folders, allow_private_urls=allow_private_urls) for each in given]
    if not allow_missing and all(isinstance(each, SingleListing) for each in listings):
        problems = [entry.problem for listing in listings for entry in listing.entries()]
        if problems and all(problems):
            raise InputError(problems[0])
    return Manifest(listings)
