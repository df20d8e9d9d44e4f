"""What is known of all recordings before any is read: a different name for each, and the columns of their manifests."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping
from hashlib import blake2b
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from photism.files import as_utf8
from photism.jobs.rows import manifest_column
from photism.output_files import is_folder

if TYPE_CHECKING:
    from photism.manifest.entry import Entry
    from photism.manifest.read import Manifest

DIGEST_BYTES, MS_PER_S = 8, 1000
SURVEYED_FORMATS = ("csv", "rttm", "ctm")
"""Formats whose files have the columns of manifests, or the names of recordings."""
MAX_COMPONENT_BYTES = 200
"""Longest file or folder name; file systems allow 255 bytes, of which a suffix and a number need some."""
KEY_DIGITS = 8
"""Digits of a recording's key that distinguish it from others of the same name."""


class Survey:
    """Names and columns of listed recordings.

    The name of a recording is its relative path without suffix, such as `birds/owl` of birds/owl.wav. A segment has its
    times in milliseconds (`talk_1500-4000`). Where two recordings would have the same name, they keep their suffix
    (`owl.wav`, `owl.mp3`), and where they have that in common as well, a part of their key follows. A name depends on
    which recordings are listed, not on their order. Eight bytes are held of each while they are listed, and then only
    those of the names that are shared. A part of a path that is too long for a file system ends in a digest of it.

    Args:
        entries: the recordings; none if they cannot be listed cheaply, in which case their names may be the same.
        names: names of recordings by their locations, in place of those.

    Attributes:
        columns: names of the columns of their manifests.
        has_segments: whether some are segments of a recording.
    """

    def __init__(self, entries: Iterable[Entry] = (), *, names: Mapping[str, str] | None = None) -> None:
        self._names = names or {}
        plain, with_suffix = array("Q"), array("Q")
        columns: dict[str, None] = {}
        self.has_segments = False
        for entry in entries:
            plain.append(_digest(_plain(entry)))
            with_suffix.append(_digest(_with_suffix(entry)))
            columns |= dict.fromkeys(entry.columns)
            self.has_segments |= bool(_segment(entry))
        self.columns = tuple(columns)
        self._shared = _repeated(plain)
        # 1.wav keeps its suffix next to 1.mp3, so that it would collide with 1.wav.mp3 without its suffix.
        self._shared_with_suffix = _repeated(with_suffix) | (self._shared and _common(plain, with_suffix))

    def name_of(self, entry: Entry) -> str:
        """Return the name of a recording, with slashes between folders."""
        if entry.location in self._names:
            return self._names[entry.location]
        name = _plain(entry)
        if _digest(name) in self._shared:
            name = _with_suffix(entry)
            if _digest(name) in self._shared_with_suffix:
                name = f"{name}-{entry.key[:KEY_DIGITS]}"
        return "/".join(map(_shortened, name.split("/")))

    def csv_columns(self, columns: Collection[str]) -> dict[str, str]:
        """Return the further columns of CSV, each with the key of the row that has its values.

        Args:
            columns: names of columns that rows of the job may have.
        """
        keys = [manifest_column(name, columns) for name in self.columns]
        times = {"segment_start_s": "start_s", "segment_end_s": "end_s"} if self.has_segments else {}
        return {**{key: key for key in keys}, **times}


def survey_for(output: str | Path | None, format: str | None, recordings: Manifest | Iterable[Entry]) -> Survey:
    """Return what an output needs to know of recordings, which are listed only if it needs anything.

    Args:
        output: file or folder; None to print.
        format: text format; by default the suffix of the file.
        recordings: the recordings.
    """
    suffix = "" if output is None else Path(output).suffix[1:].lower()
    needs_all = (format or suffix) in SURVEYED_FORMATS or (output is not None and is_folder(str(output)))
    if not needs_all or isinstance(recordings, Iterator):
        return Survey()
    # Where counting would read the recordings, as in shards, so would listing them.
    is_cheap = getattr(recordings, "count", 0) is not None
    return Survey(recordings if is_cheap else islice(recordings, 1))


def _plain(entry: Entry) -> str:
    return str(PurePosixPath(entry.name).with_suffix("")) + _segment(entry)


def _with_suffix(entry: Entry) -> str:
    return entry.name + _segment(entry)


def _segment(entry: Entry) -> str:
    """Return the times of a segment in milliseconds, as the end of a name; nothing for a whole recording."""
    if not entry.start_s and entry.end_s is None:
        return ""
    end = "end" if entry.end_s is None else round(entry.end_s * MS_PER_S)
    return f"_{round(entry.start_s * MS_PER_S)}-{end}"


def _shortened(component: str) -> str:
    """Return a component of a path, the end of which is replaced by a digest if it is too long."""
    text = as_utf8(component).encode()
    if len(text) <= MAX_COMPONENT_BYTES:
        return component
    end = f"-{_digest(component):016x}"
    return text[: MAX_COMPONENT_BYTES - len(end)].decode(errors="ignore") + end


def _digest(name: str) -> int:
    return int.from_bytes(blake2b(name.encode("utf8", "surrogateescape"), digest_size=DIGEST_BYTES).digest(), "little")


def _repeated(digests: array[int]) -> frozenset[int]:
    """Return the digests that occur more than once."""
    import numpy as np

    values = np.sort(np.array(digests, np.uint64))
    return frozenset(values[1:][values[1:] == values[:-1]].tolist())


def _common(some: array[int], others: array[int]) -> frozenset[int]:
    """Return the digests that occur in both arrays."""
    import numpy as np

    return frozenset(np.intersect1d(np.array(some, np.uint64), np.array(others, np.uint64)).tolist())
