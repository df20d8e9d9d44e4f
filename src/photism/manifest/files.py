"""Entries of single recordings: local files, URLs and standard input."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from photism.errors import os_error_message
from photism.manifest.entry import Entry
from photism.output_files import STANDARD_INPUT, without_credentials

URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


@dataclass(frozen=True)
class SingleListing:
    """One recording that was given itself.

    Attributes:
        place: path, URL, or - for standard input.
    """

    place: str

    def entries(self) -> Iterator[Entry]:
        """Yield the entry."""
        yield place_entry(self.place, file_name(self.place))

    def count(self) -> int:
        """Return the number of entries."""
        return 1


def is_url(place: str) -> bool:
    """Return whether a text is a URL rather than a path."""
    return URL.match(place) is not None


def place_entry(place: str, name: str) -> Entry:
    """Return the entry of a path, a URL or standard input; a missing file is a problem of the entry.

    Args:
        place: path, URL, or - for standard input.
        name: `Entry.name`.
    """
    if place == STANDARD_INPUT:
        return Entry(place, "", name)
    if not is_url(place):
        return file_entry(place, name)
    if place.lower().startswith("file://"):
        entry = file_entry(url2pathname(urlsplit(place).path), name)
        return Entry(place, entry.version, name, problem=entry.problem)
    return Entry(without_credentials(place), "", name, source=place)


def file_entry(path: str, name: str) -> Entry:
    """Return the entry of a local file; a missing file is a problem of the entry."""
    try:
        return Entry(path, file_version(os.stat(path)), name)
    except FileNotFoundError:
        return Entry(path, "", name, problem=f"{path}: no such file")
    except (OSError, ValueError) as error:  # a ValueError for a path with NUL
        reason = os_error_message(error) if isinstance(error, OSError) else f"{path!r}: {error}"
        return Entry(path, "", name, problem=reason)


def file_version(status: os.stat_result) -> str:
    """Return the version of a local file: its size in bytes and its time of modification in nanoseconds."""
    return f"{status.st_size}-{status.st_mtime_ns}"


def file_name(place: str) -> str:
    """Return the name of a file without its folders; for a URL the last part of its path, unquoted."""
    if place == STANDARD_INPUT:
        return "stdin"
    path = unquote(re.split("[?#]", place.partition("://")[2])[0]).replace("\0", "") if is_url(place) else place
    name = PurePath(path).name
    return name if name not in ("", "..") else "sound"


def relative_name(written: str) -> str:
    """Return `Entry.name` for a path or URL in a list: the path itself if it stays in the list's folder."""
    parts = PurePath(written).parts
    is_within = bool(parts) and not is_url(written) and not PurePath(written).is_absolute() and ".." not in parts
    return PurePath(written).as_posix() if is_within else file_name(written)
