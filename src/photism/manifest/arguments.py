"""What an argument stands for: a recording, a folder, a pattern, a list, a table, shards or a data set."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from photism.audio.object_storage import is_object, is_url
from photism.audio.sources import path_of_file_url
from photism.errors import InputError
from photism.manifest.entry import Entry
from photism.manifest.files import SingleListing, file_name
from photism.manifest.folders import FolderListing, GlobListing
from photism.manifest.hf_dataset import check_hub, is_dataset_folder, is_saved_dataset, parse_dataset
from photism.manifest.lists import ListListing
from photism.manifest.object_folder import ObjectFolderListing, object_listing
from photism.manifest.recognition import suffix_of
from photism.manifest.shards import TAR_SUFFIXES, ShardListing, expand_shards
from photism.manifest.table_listing import TABLE_SUFFIXES, TableListing
from photism.output_files import STANDARD_INPUT, without_credentials


class Listing(Protocol):
    """One argument that stands for any number of recordings."""

    def entries(self) -> Iterator[Entry]:
        """Yield an entry for each recording, in the same order each time."""
        ...

    def count(self) -> int | None:
        """Return the number of entries; None if it is not known without reading recordings."""
        ...


def listing_of(given: str, *, is_named: bool = False, allow_private_urls: bool = False) -> Listing:
    """Return the recordings of one argument. A file or folder of that name comes before any other meaning.

    Args:
        given: the argument.
        is_named: whether the names of the recordings in a folder begin with that of the folder.
        allow_private_urls: accept loopback, private and link-local addresses.

    Raises:
        InputError: it is a folder or data set without recordings, a pattern that matches none, or a list or table that
            cannot be used. A file that is missing is a problem of its entry.
    """
    if given == STANDARD_INPUT:
        return SingleListing(given)
    if given.lower().startswith("file://"):
        path = path_of_file_url(given)
        listing = (
            listing_of(path, is_named=is_named, allow_private_urls=allow_private_urls)
            if os.path.exists(path)
            else SingleListing(given)
        )
        return SingleListing(given) if isinstance(listing, SingleListing) else listing
    if os.path.isdir(given):
        return _folder(given, is_named=is_named)
    if os.path.lexists(given):
        return _file(given, allow_private_urls=allow_private_urls)
    if given.startswith("@"):
        return _list(given, allow_private_urls=allow_private_urls)
    if given.lower().endswith(TAR_SUFFIXES) and any(each in given for each in "*{"):
        return _checked(
            ShardListing(expand_shards(given, allow_private_urls=allow_private_urls), allow_private_urls),
            f"{without_credentials(given)}: no shard matches this pattern",
        )
    if is_url(given):
        if not is_object(given):
            return _file(given, allow_private_urls=allow_private_urls)
        return _object(given, is_named=is_named, allow_private_urls=allow_private_urls)
    if any(each in given for each in "*?["):
        return _checked(GlobListing(given), f"{given}: no recording matches this pattern")
    return _dataset(given) or SingleListing(given)


def _folder(folder: str, *, is_named: bool) -> Listing:
    prefix = f"{os.path.basename(os.path.abspath(folder))}/" if is_named else ""
    listing = FolderListing(folder, prefix)
    first = None if is_saved_dataset(Path(folder)) else next(listing.entries(), None)
    if first is None and is_dataset_folder(Path(folder)):
        return _dataset(folder) or listing
    return _checked(listing, f"{folder}: no recordings in this folder")


def _file(place: str, *, allow_private_urls: bool) -> Listing:
    """Return the recordings that a file lists or contains, or else the file itself."""
    if place.lower().endswith(TAR_SUFFIXES):
        return ShardListing([place], allow_private_urls)
    if suffix_of(file_name(place)) in TABLE_SUFFIXES:
        table = TableListing(place, allow_private_urls)
        table.check()
        return table
    return SingleListing(place, allow_private_urls=allow_private_urls)


def _list(given: str, *, allow_private_urls: bool) -> Listing:
    path = given[1:]
    if not is_url(path) and not os.path.isfile(path):
        raise InputError(f"{given}: no such file as {path}; give @ and a text file with a path or URL a line")
    return _checked(ListListing(path, allow_private_urls), f"{given}: the list is empty")


def _object(url: str, *, is_named: bool, allow_private_urls: bool) -> Listing:
    prefix = f"{file_name(url.rstrip('/'))}/" if is_named else ""
    listing = object_listing(url, prefix=prefix, allow_private_urls=allow_private_urls)
    if listing is None:
        return _file(url, allow_private_urls=allow_private_urls)
    problem = "no recording matches this pattern" if listing.is_pattern else "no recordings in this folder"
    return _checked(listing, f"{listing.location}: {problem}")


def _dataset(given: str) -> Listing | None:
    """Return the recordings of a data set; None if the argument cannot be the name of one.

    Raises:
        InputError: it may be one, and cannot be loaded.
    """
    listing = parse_dataset(given)
    if listing is None:
        return None
    try:
        if not os.path.exists(listing.data):
            check_hub(listing.data)
        return _checked(listing, f"{given}: the data set is empty")
    except InputError as error:
        if os.path.exists(listing.data):
            raise
        raise InputError(f"{given}: no such file or folder, and no data set of this name: {error}") from None


def _checked(listing: Listing, problem: str) -> Listing:
    """Return a listing that is not empty.

    Raises:
        InputError: it is empty, or the folder that was given cannot be read.
    """
    first = next(listing.entries(), None)
    if first is None:
        raise InputError(problem)
    is_folder = isinstance(listing, FolderListing | ObjectFolderListing)
    if is_folder and first.problem and first.location == listing.location:
        raise InputError(first.problem)
    return listing
