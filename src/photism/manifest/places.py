"""Open recordings by their location alone, as the rows of an index have it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from photism.audio.object_storage import is_url
from photism.audio.sources import SoundFile, open_source
from photism.errors import InputError
from photism.manifest.entry import Entry
from photism.manifest.files import folder_of, place_entry, resolved
from photism.manifest.hf_dataset import entry_of_row
from photism.manifest.parquet import parquet_row
from photism.manifest.shards import ShardListing
from photism.manifest.table_listing import row_entry
from photism.output_files import without_credentials

INSIDE = re.compile(r"(?P<container>.+?\.(?:tar|tar\.gz|tgz|parquet))#(?P<member>.+)", re.IGNORECASE | re.DOTALL)


def sound_at(location: str, *, folder: str | Path = "") -> SoundFile:
    """Return the recording at the location of an `Entry`, which is looked up when it is opened.

    Args:
        location: path or URL, "shard.tar#key", "table.parquet#17" or "data set/split/17". A file of that name comes
            first.
        folder: folder that a relative path is relative to; where there is no such file, it is the working folder.
    """
    place = resolved(location, str(folder))
    is_row = not is_url(place) and Path(place).name.isdecimal()
    is_inside = not os.path.exists(place) and (is_row or INSIDE.fullmatch(place) is not None)
    source = _Inside(location, str(folder)) if is_inside else place
    return SoundFile(source, location)


def entry_at(location: str) -> Entry | None:
    """Return the entry of a recording as it is now; None if there is none in its shard, table or data set.

    Args:
        location: as in `sound_at`. A missing file is a problem of the entry.
    """
    source = sound_at(location).source
    return source.entry() if isinstance(source, _Inside) else place_entry(str(source), "")


@dataclass(frozen=True)
class _Inside:
    """A recording in a shard, a table or a data set, which is looked up when it is opened."""

    location: str
    folder: str

    def __call__(self) -> BinaryIO:
        """Open the recording.

        Raises:
            InputError: there is none at this location.
        """
        entry = self.entry()
        if entry is None or entry.problem:
            raise InputError(entry.problem if entry else f"{self.location}: no such recording")
        return open_source(entry.absolute_location if entry.source is None else entry.source, self.location)

    def entry(self) -> Entry | None:
        """Return the entry of the recording; None if there is none at this location."""
        inside = INSIDE.fullmatch(self.location)
        if inside is None:
            places = (os.path.join(self.folder, self.location), self.location)
            return next(filter(None, map(entry_of_row, places)), None)
        container, member = resolved(inside["container"], self.folder), inside["member"]
        if not container.lower().endswith(".parquet"):
            return _shard_entries(container, place_entry(container, "").version).get(member)
        row = parquet_row(container, int(member)) if member.isdecimal() else None
        return None if row is None else row_entry(row, self.location, "", folder_of(container))


@lru_cache(maxsize=8)
def _shard_entries(shard: str, version: str) -> Mapping[str, Entry]:
    """Return the recordings of a shard in its present version by what follows "#" in their location."""
    return {
        entry.location.removeprefix(f"{without_credentials(shard)}#"): entry
        for entry in ShardListing([shard]).entries()
    }
