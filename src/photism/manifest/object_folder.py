"""List the recordings in a folder of object storage, and those that match a pattern."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from photism.audio.object_storage import file_system, object_errors, object_status, object_version
from photism.errors import InputError
from photism.manifest.entry import Entry
from photism.manifest.files import url_identity
from photism.manifest.recognition import DATA_SET_SUFFIXES, HEADER_BYTES, has_sound_header, has_sound_suffix
from photism.output_files import CHAIN, without_credentials

WILDCARD = re.compile(r"[*\[]")  # a question mark begins the query of a URL


def object_listing(url: str, *, prefix: str = "", allow_private_urls: bool = False) -> ObjectFolderListing | None:
    """Return the recordings of a folder of object storage or of a pattern; None for anything else.

    Args:
        url: URL. A file or folder of that name comes before a pattern.
        prefix: as in `ObjectFolderListing`, for a folder.
        allow_private_urls: accept loopback, private and link-local addresses.
    """
    try:
        is_folder = object_status(url, allow_private_urls=allow_private_urls)["type"] == "directory"
    except InputError:
        is_pattern = WILDCARD.search(CHAIN.split(url)[0]) is not None
        return ObjectFolderListing(url, is_pattern=True, allow_private_urls=allow_private_urls) if is_pattern else None
    return ObjectFolderListing(url, prefix=prefix, allow_private_urls=allow_private_urls) if is_folder else None


@dataclass(frozen=True)
class ObjectFolderListing:
    """Recordings in a folder of object storage and in the folders in it, in the order of their names.

    Attributes:
        url: URL of the folder, or a pattern with * or [...].
        is_pattern: whether it is a pattern.
        prefix: beginning of each `Entry.name`: empty, or the name of the folder and a slash.
        allow_private_urls: accept loopback, private and link-local addresses.
    """

    url: str
    is_pattern: bool = False
    prefix: str = ""
    allow_private_urls: bool = False

    def entries(self) -> Iterator[Entry]:
        """Yield an entry for each recording, and one with a problem for each folder that cannot be read."""
        system, path = file_system(self.url, allow_private_urls=self.allow_private_urls)
        if not self.is_pattern:
            yield from self._in_folder(system, path, root=path)
            return
        with object_errors(self.url, "cannot be listed"):
            found = cast("dict[str, Mapping[str, Any]]", system.glob(path, detail=True))
        root = WILDCARD.split(path)[0].rpartition("/")[0]
        for each in sorted(found):
            is_hidden = any(part.startswith(".") for part in self._name(each, root).split("/"))
            if not is_hidden and found[each]["type"] != "directory" and self._is_recording(system, each):
                yield self._entry(system, found[each], root)

    @property
    def location(self) -> str:
        """The URL of the folder, without credentials."""
        return without_credentials(self.url)

    def count(self) -> int:
        """Return the number of entries."""
        return sum(1 for _ in self.entries())

    def _in_folder(self, system: Any, folder: str, *, root: str) -> Iterator[Entry]:
        url = self._url(system, folder)
        try:
            with object_errors(url, "cannot be listed"):
                found = cast("list[Mapping[str, Any]]", system.ls(folder, detail=True))
        except InputError as error:
            yield Entry(without_credentials(url), "", self._name(folder, root), problem=str(error))
            return
        for status in sorted(found, key=lambda each: each["name"]):
            path = status["name"].rstrip("/")
            if path == folder.rstrip("/") or path.rpartition("/")[2].startswith("."):
                continue  # object storage may list a folder in itself
            if status["type"] != "directory":
                if self._is_recording(system, path):
                    yield self._entry(system, status, root)
            elif not path.endswith(DATA_SET_SUFFIXES):
                yield from self._in_folder(system, path, root=root)

    def _entry(self, system: Any, status: Mapping[str, Any], root: str) -> Entry:
        url = self._url(system, status["name"])
        name = self._name(status["name"], root)
        return Entry(without_credentials(url), object_version(status), name, source=url, identity=url_identity(url))

    def _name(self, path: str, root: str) -> str:
        return self.prefix + path.strip("/").removeprefix(root.strip("/")).lstrip("/")

    def _url(self, system: Any, path: str) -> str:
        """Return the URL of a path, with the credentials and the rest of the chain that the folder's URL has."""
        first, *rest = CHAIN.split(self.url)
        given, root = first, file_system(self.url, allow_private_urls=self.allow_private_urls)[1]
        if self.is_pattern:
            given, root = WILDCARD.split(given)[0], WILDCARD.split(root)[0]
        root = root.strip("/")
        if not given.rstrip("/").endswith(root):
            return cast("str", system.unstrip_protocol(path))
        start = given.rstrip("/").removesuffix(root) if root else given if given.endswith("/") else f"{given}/"
        return "::".join([start + path.strip("/"), *rest])

    def _is_recording(self, system: Any, path: str) -> bool:
        is_sound = has_sound_suffix(path.rpartition("/")[2])
        if is_sound is not None:
            return is_sound
        with object_errors(self.url, "cannot be read"):
            return has_sound_header(cast("bytes", system.cat_file(path, end=HEADER_BYTES)))
