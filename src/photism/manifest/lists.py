"""Lists of recordings: text files with a path or URL a line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from photism.audio.object_storage import is_object, is_url
from photism.errors import InputError
from photism.manifest.entry import Entry
from photism.manifest.files import file_name, folder_of, place_entry, relative_name, resolved
from photism.manifest.folders import FolderListing
from photism.manifest.object_folder import ObjectFolderListing, object_listing
from photism.manifest.recognition import has_sound_suffix
from photism.manifest.tables import read_lines


@dataclass(frozen=True)
class ListListing:
    """Recordings that a text file lists, a path or URL a line; empty lines are skipped.

    Attributes:
        path: path of the list.
        allow_private_urls: accept loopback, private and link-local addresses.
    """

    path: str
    allow_private_urls: bool = False

    def entries(self) -> Iterator[Entry]:
        """Yield an entry for each line, or for a folder, or a pattern of object storage, one for each recording."""
        for place, name in self._places():
            folder = _folder(place, name, allow_private_urls=self.allow_private_urls)
            if folder is None:
                yield place_entry(place, name, allow_private_urls=self.allow_private_urls)
            else:
                yield from _folder_entries(folder, name)

    def count(self) -> int | None:
        """Return the number of entries; None if folders of object storage would have to be listed."""
        total = 0
        for place, name in self._places():
            if _may_be_object_folder(place):
                return None
            folder = _folder(place, name, allow_private_urls=self.allow_private_urls)
            total += 1 if folder is None else max(folder.count(), 1)
        return total

    def _places(self) -> Iterator[tuple[str, str]]:
        """Yield the path or URL of each line, and the name of its entry. Spaces around it count if a file has them."""
        folder = folder_of(self.path)
        for line in read_lines(self.path, allow_private_urls=self.allow_private_urls):
            written = line.strip()
            if written and not is_url(written) and os.path.lexists(resolved(line, folder)):
                written = line
            if written:
                yield resolved(written, folder), relative_name(written)


def _may_be_object_folder(place: str) -> bool:
    """Return whether a line is the URL of a folder or pattern of object storage, which is not asked for a recording."""
    return is_object(place) and ("*" in place or "[" in place or has_sound_suffix(file_name(place)) is not True)


def _folder(place: str, name: str, *, allow_private_urls: bool) -> FolderListing | ObjectFolderListing | None:
    """Return the folder or pattern that a line names; None for a file."""
    if is_url(place):
        if not _may_be_object_folder(place):
            return None
        return object_listing(place, prefix=f"{name}/", allow_private_urls=allow_private_urls)
    return FolderListing(place, f"{name}/") if os.path.isdir(place) else None


def _folder_entries(folder: FolderListing | ObjectFolderListing, name: str) -> Iterator[Entry]:
    """Yield the recordings of a folder or pattern, or one entry with a problem if there are none."""
    is_empty = True
    try:
        for entry in folder.entries():
            is_empty = False
            yield entry
        problem = f"{folder.location}: no recordings" if is_empty else ""
    except InputError as error:  # of object storage
        problem = str(error)
    if problem:
        yield Entry(folder.location, "", name, problem=problem)
