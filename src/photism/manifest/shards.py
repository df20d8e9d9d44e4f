"""Recordings in WebDataset shards: files of one key in a tar file are one recording and what is known of it."""

from __future__ import annotations

import glob
import json
import os
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, BinaryIO, cast

from photism.audio.object_storage import file_system, is_object, is_url, object_errors
from photism.audio.ogg_chain import FileSection
from photism.audio.sources import open_source
from photism.errors import InputError, is_fault_of_input
from photism.extras import missing
from photism.manifest.entry import Entry
from photism.manifest.files import file_name, place_entry, relative_name
from photism.manifest.recognition import HEADER_BYTES, has_sound_header, has_sound_suffix
from photism.manifest.tables import checked_row, open_list
from photism.output_files import without_credentials

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")
TEXT_SUFFIXES = ("txt", "text", "caption")
MAX_TEXT_BYTES = 2**20


def expand_shards(pattern: str, *, allow_private_urls: bool = False) -> list[str]:
    """Return the paths or URLs of a pattern with * or {000..099}.

    Raises:
        InputError: webdataset is not installed.
    """
    try:
        from webdataset.shardlists import expand_urls
    except ImportError:
        raise missing("webdataset", "reading WebDataset shards", "collection") from None
    if "*" in pattern and is_object(pattern):
        system, path = file_system(pattern, allow_private_urls=allow_private_urls)
        with object_errors(pattern, "cannot be listed"):
            return sorted(map(system.unstrip_protocol, system.glob(path)))
    return sorted(glob.glob(pattern)) if "*" in pattern else expand_urls(pattern)


def row_of_files(files: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the columns in the files of one key, by their suffixes: fields of .json, text of .txt, label of .cls.

    Raises:
        ValueError: a file is not UTF-8 or JSON.
    """
    row: dict[str, Any] = {}
    for suffix, content in files.items():
        if suffix in TEXT_SUFFIXES:
            row["text"] = content.decode("utf8").strip()
        elif suffix == "cls":
            row["label"] = content.decode("utf8").strip()
        elif suffix == "json":
            row = {**checked_row(json.loads(content)), **row}
    return row


@dataclass(frozen=True)
class FilePart:
    """Part of a file that is opened as a file of its own, such as a member of a shard.

    Attributes:
        path: path or URL of the file.
        start: position of the first byte.
        size: number of bytes.
        allow_private_urls: accept loopback, private and link-local addresses.
    """

    path: str
    start: int
    size: int
    allow_private_urls: bool = False

    def __call__(self) -> BinaryIO:
        """Open the part."""
        name = without_credentials(self.path)
        file = open_source(self.path, name, allow_private_urls=self.allow_private_urls)
        return cast("BinaryIO", _OwnSection(file, self.start, self.start + self.size))


class _OwnSection(FileSection):
    """Part of a file, which is closed with it."""

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._file.close()
        super().close()


@dataclass(frozen=True)
class ShardListing:
    """Recordings in shards, at locations such as "shard-000.tar#key".

    The shards are read in the order of their names, and of a recording only its place: it is opened when it is needed.
    Those in a shard that is compressed or read by http(s), which has no parts, are held in memory one at a time.

    Attributes:
        shards: paths or URLs of the shards.
        allow_private_urls: accept loopback, private and link-local addresses.
    """

    shards: Sequence[str]
    allow_private_urls: bool = False

    def entries(self) -> Iterator[Entry]:
        """Yield an entry for each recording, and one with a problem for each shard that is damaged or missing."""
        for shard in self.shards:
            yield from _entries(shard, allow_private_urls=self.allow_private_urls)

    def count(self) -> int | None:
        """Return the number of entries; None if they are not all in local shards that are not compressed."""
        is_quick = all(not is_url(shard) and shard.endswith(".tar") for shard in self.shards)
        return sum(1 for _ in self.entries()) if is_quick else None


@dataclass(frozen=True)
class _Member:
    """File in a shard.

    Attributes:
        name: its path in the shard.
        version: what changes with it: the time, position and size that its header says.
        source: what opens it.
        content: all of a text, and the first bytes of any other file.
    """

    name: str
    version: str
    source: FilePart | bytes
    content: bytes

    @property
    def key(self) -> str:
        """The path up to the first dot of the name, which is the same for all files of a recording."""
        folder, slash, name = self.name.rpartition("/")
        return f"{folder}{slash}{name.partition('.')[0]}"

    @property
    def suffix(self) -> str:
        """Part of the name that follows the key, in lower case."""
        return self.name[len(self.key) + 1 :].lower()

    @property
    def is_sound(self) -> bool:
        """True if it is a recording, by its suffix or its first bytes."""
        by_suffix = has_sound_suffix(self.name)
        return has_sound_header(self.content) if by_suffix is None else by_suffix


class _CheckedHeader(tarfile.TarInfo):
    """Header of a member. A damaged one is an error, where tarfile takes it for the end of the shard."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _CheckedHeader:
        """Parse a header, or raise the exception for the end of the shard."""
        try:
            return super().frombuf(buf, encoding, errors)  # pyright: ignore[reportReturnType]
        except tarfile.HeaderError as error:
            if len(buf) == tarfile.BLOCKSIZE and not any(buf):
                raise
            raise InputError(f"damaged or truncated: {error}") from None


def _entries(shard: str, *, allow_private_urls: bool) -> Iterator[Entry]:
    """Yield the recordings of a shard; then, if it is damaged, an entry with this problem."""
    whole = place_entry(shard, _stem(shard), allow_private_urls=allow_private_urls)
    if whole.problem:
        yield whole
        return
    last = ""
    try:
        with closing(open_list(shard, allow_private_urls=allow_private_urls)) as file:
            for key, group in groupby(
                _members(file, shard, allow_private_urls=allow_private_urls), lambda member: member.key
            ):
                for entry in _group_entries(list(group), whole):
                    last = key
                    yield entry
    except Exception as error:  # tarfile, zlib and file systems have errors of their own
        if not is_fault_of_input(error):
            raise
        reason = str(error).partition("\n")[0]
        where = f"after {last} " if last else ""
        yield replace(whole, version="", problem=f"{whole.location}: cannot be read {where}({reason})")
        return
    if not last:
        yield replace(whole, problem=f"{whole.location}: no recordings in this shard")


def _members(file: BinaryIO, shard: str, *, allow_private_urls: bool) -> Iterator[_Member]:
    """Yield the files in a shard in their order, without hidden ones."""
    with tarfile.open(fileobj=file, tarinfo=_CheckedHeader) as tar:
        # A compressed shard is read once, from its beginning to its end, and one of http(s) is downloaded once.
        is_held = tar.fileobj is not file or re.match("https?://", shard, re.IGNORECASE) is not None
        while (header := tar.next()) is not None:
            tar.members.clear()  # pyright: ignore[reportAttributeAccessIssue]  # it would keep them all
            name = header.name.removeprefix("./")
            if not header.isreg() or name.rpartition("/")[2].startswith("."):
                continue
            is_text = name.rpartition(".")[2].lower() in ("json", "cls", *TEXT_SUFFIXES)
            opened = cast("BinaryIO", tar.extractfile(header))
            content = opened.read() if is_held else opened.read(MAX_TEXT_BYTES if is_text else HEADER_BYTES)
            part = FilePart(
                shard if is_url(shard) else os.path.abspath(shard), header.offset_data, header.size, allow_private_urls
            )
            version = f"{header.mtime}-{header.offset_data}-{header.size}"
            yield _Member(name, version, content if is_held else part, content)


def _group_entries(members: Sequence[_Member], shard: Entry) -> Iterator[Entry]:
    """Yield the recordings among the files of one key."""
    sounds = [member for member in members if member.is_sound]
    problem = ""
    try:
        columns = row_of_files({member.suffix: member.content for member in members if not member.is_sound})
    except ValueError as error:  # of UTF-8 and of JSON
        columns, problem = {}, f"its text or JSON cannot be read: {error}"
    for sound in sounds:
        # Several recordings of one key are distinguished by their suffixes, and so are those with two dots in
        # their names.
        is_only = len(sounds) == 1 and "." not in sound.suffix
        inside = sound.key if is_only else sound.name
        place = f"{shard.location}#{inside}"
        yield Entry(
            place,
            f"{shard.version}-{sound.version}",
            f"{shard.name}/{relative_name(sound.name)}",
            columns=columns,
            source=sound.source,
            problem=problem and f"{place}: {problem}",
            identity=shard.identity and f"{shard.identity}#{inside}",
        )


def _stem(shard: str) -> str:
    """Return the name of a shard without its suffix."""
    return re.sub(r"\.(tar|tar\.gz|tgz)$", "", file_name(shard), flags=re.IGNORECASE)
