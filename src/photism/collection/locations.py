"""Where the recordings of an index are: their files, how they are linked, and how they are shown."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes, urlsplit

from photism.audio.object_storage import is_url
from photism.files import as_utf8
from photism.manifest.hf_dataset import parse_dataset
from photism.manifest.places import INSIDE
from photism.output_files import printable

FILE_SCHEME = "file://"


def local_path(location: str) -> Path | None:
    """Return the path of a recording in a file of its own; None for a URL or what is in a shard, table or data set.

    A name that is not UTF-8 is in a table as the URI of its file.
    """
    if location.lower().startswith(FILE_SCHEME):
        return Path(os.fsdecode(unquote_to_bytes(urlsplit(location).path)))
    path = Path(location)
    is_inside = INSIDE.fullmatch(location) is not None or path.name.isdecimal()
    return None if "://" in location or (is_inside and not path.exists()) else path


def container(location: str) -> str | None:
    """Return the shard, table or data set that a recording is in; None if it is in a file of its own."""
    inside = INSIDE.fullmatch(location)
    if inside is not None:
        return None if os.path.exists(location) else inside["container"]
    folder, _, name = location.rpartition("/")
    is_row = name.isdecimal() and not is_url(location) and not os.path.exists(location)
    return folder if is_row and parse_dataset(folder) is not None else None


def link(location: str, folder: Path) -> str | None:
    """Return the URL by which a file in a folder refers to a recording; None if it has none of its own.

    A file is linked relative to the folder, so that both can be moved together.
    """
    if location.lower().startswith(("http://", "https://")):
        return location
    path = local_path(location)
    if path is None:
        return None
    try:
        relative = os.path.relpath(path.absolute(), folder.absolute())
    except ValueError:  # on another drive of Windows
        return path.absolute().as_uri()
    return quote(os.fsencode(relative.replace(os.sep, "/")), safe="/")


def shown(location: str) -> str:
    """Return a location for a line of text: printable, and in UTF-8."""
    path = local_path(location)
    return printable(as_utf8(location if path is None else str(path)))


def is_missing(location: str) -> bool:
    """Return whether the file of a recording, if it has one on this machine, does not exist."""
    path = local_path(location)
    return path is not None and not path.is_file()


def clock(seconds: float) -> str:
    """Return a time as a person reads it: 3.2 s, 1:02.5 or 1:00:03."""
    if round(seconds, 2) < 60:
        return f"{round(seconds, 2):g} s"
    minutes, rest = divmod(round(seconds, 1), 60)
    if minutes < 60:
        return f"{minutes:.0f}:{rest:04.1f}"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
