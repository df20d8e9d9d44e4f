"""Lists of recordings: text files with a path or URL a line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from photism.audio.object_storage import is_url
from photism.manifest.entry import Entry
from photism.manifest.files import folder_of, place_entry, relative_name, resolved
from photism.manifest.folders import FolderListing
from photism.manifest.tables import read_lines


@dataclass(frozen=True)
class ListListing:
    """Recordings that a text file lists, a path or URL a line; empty lines are skipped.

    Attributes:
        path: path of the list.
    """

    path: str

    def entries(self) -> Iterator[Entry]:
        """Yield an entry for each line, or for a folder one for each recording in it."""
        for line in self._lines():
            place, name = resolved(line, folder_of(self.path)), relative_name(line)
            if not is_url(place) and os.path.isdir(place):
                yield from FolderListing(place, f"{name}/").entries()
            else:
                yield place_entry(place, name)

    def count(self) -> int:
        """Return the number of lines."""
        return sum(1 for _ in self._lines())

    def _lines(self) -> Iterator[str]:
        return (line for line in read_lines(self.path) if line.strip())
