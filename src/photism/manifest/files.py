"""Entries of single recordings: local files, URLs, objects of object storage and standard input."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import PurePath
from time import time_ns
from urllib.parse import unquote

from photism.audio.object_storage import is_object, is_url, object_status, object_version
from photism.audio.sources import path_of_file_url
from photism.errors import InputError, os_error_message
from photism.manifest.entry import Entry
from photism.output_files import CHAIN, STANDARD_INPUT, without_credentials, without_signature


@dataclass(frozen=True)
class SingleListing:
    """One recording that was given itself.

    Attributes:
        place: path, URL, or - for standard input.
        stdin_version: version of standard input, whose content nobody knows before: another one in each manifest.
        allow_private_urls: accept loopback, private and link-local addresses.
    """

    place: str
    stdin_version: str = field(default_factory=lambda: str(time_ns()))
    allow_private_urls: bool = False

    def entries(self) -> Iterator[Entry]:
        """Yield the entry."""
        if self.place == STANDARD_INPUT:
            yield Entry(self.place, self.stdin_version, "stdin")
        else:
            yield place_entry(self.place, file_name(self.place), allow_private_urls=self.allow_private_urls)

    def count(self) -> int:
        """Return the number of entries."""
        return 1


def place_entry(place: str, name: str, *, allow_private_urls: bool = False) -> Entry:
    """Return the entry of a path or a URL; a missing file is a problem of the entry, but for an http(s) URL.

    Args:
        place: path or URL.
        name: `Entry.name`.
        allow_private_urls: accept loopback, private and link-local addresses.
    """
    if not is_url(place):
        return file_entry(place, name)
    if place.lower().startswith("file://"):
        entry = file_entry(path_of_file_url(place), name)
        return Entry(place, entry.version, name, problem=entry.problem)
    location = without_credentials(place)
    if not is_object(place):
        return Entry(location, "", name, source=place, identity=url_identity(place))
    try:
        version = object_version(object_status(place, allow_private_urls=allow_private_urls))
    except InputError as error:
        return Entry(location, "", name, source=place, problem=str(error), identity=url_identity(place))
    return Entry(location, version, name, source=place, identity=url_identity(place))


def url_identity(url: str) -> str:
    """Return `Entry.identity` of a URL: a digest, since it may contain a secret; empty for a path."""
    plain = without_signature(url)
    is_location = not is_url(url) or plain == without_credentials(url)
    return "" if is_location else blake2b(plain.encode("utf8", "surrogateescape"), digest_size=16).hexdigest()


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
    path = unquote(re.split("[?#]", place.partition("://")[2])[0]).replace("\0", "") if is_url(place) else place
    name = PurePath(path).name
    return name if name not in ("", "..") else "sound"


def folder_of(place: str) -> str:
    """Return the folder of a file, or the URL of the one that a URL is in."""
    if not is_url(place):
        return os.path.dirname(place)
    first, *rest = CHAIN.split(place)
    scheme, _, path = first.partition("://")
    return "::".join([f"{scheme}://{re.split('[?#]', path)[0].rpartition('/')[0]}", *rest])


def resolved(place: str, folder: str) -> str:
    """Return where a path in a list is: relative to the folder of the list, or else to the working folder.

    Args:
        place: path or URL.
        folder: folder of the list, or its URL.
    """
    if is_url(place):
        return place
    if is_url(folder):
        first, *rest = CHAIN.split(folder)
        return "::".join([f"{first.rstrip('/')}/{place.lstrip('/')}", *rest])
    beside_list = os.path.join(folder, place)
    return beside_list if os.path.exists(beside_list) or not os.path.exists(place) else place


def relative_name(written: str) -> str:
    """Return `Entry.name` for a path or URL in a list: the path itself if it stays in the list's folder."""
    parts = PurePath(written).parts
    is_within = bool(parts) and not is_url(written) and not PurePath(written).is_absolute() and ".." not in parts
    return PurePath(written).as_posix() if is_within else file_name(written)
