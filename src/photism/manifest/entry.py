"""A listed recording, of which nothing is read yet."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from photism.audio.reading_settings import ReadingSettings
from photism.audio.sources import SoundFile
from photism.errors import InputError
from photism.output_files import STANDARD_INPUT

Source: TypeAlias = "str | Path | bytes | Callable[[], BinaryIO]"
"""What a `SoundFile` opens: a path or URL, the bytes of a file, or a picklable function that opens it."""


@dataclass(frozen=True)
class Entry:
    """A recording, or a segment of one, that was listed; nothing of it is read yet. It can be pickled.

    Attributes:
        location: path or URL as it was given or found, without credentials; "shard-000.tar#key" in a shard, and
            "dataset/split/17" in a data set.
        version: text that changes with the content: size and modification time, ETag, or checksum. Empty where it
            is not known.
        name: relative path for files that are written for this recording; never absolute, without "..".
        start_s: start of the segment in seconds.
        end_s: end of the segment; None for the end of the recording.
        columns: other columns of the row that lists the recording.
        source: what is opened; None for `absolute_location`.
        problem: why the recording cannot be read, as a sentence that begins with its location; empty if it can be.
        absolute_location: the location, independent of the working folder.
        identity: what distinguishes recordings in place of `absolute_location`, which hides parameters of a URL that
            may be secrets, and contains the time of its signature; empty if they do not differ.
    """

    location: str
    version: str
    name: str
    start_s: float = 0.0
    end_s: float | None = None
    columns: Mapping[str, Any] = field(default_factory=dict[str, Any])
    source: Source | None = field(default=None, repr=False)
    problem: str = ""
    absolute_location: str = ""
    identity: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        # At once: the working folder may be another one later, or in another process.
        if not self.absolute_location:
            is_path = "://" not in self.location and self.location != STANDARD_INPUT
            absolute = os.path.abspath(self.location) if is_path else self.location
            object.__setattr__(self, "absolute_location", absolute)

    @cached_property
    def key(self) -> str:
        """24 hex digits: 16 of the recording's place and the segment, and 8 of the version."""
        place = f"{self.identity or self.absolute_location}\0{self.start_s!r}\0{self.end_s!r}"
        return _digest(place, 8) + _digest(self.version, 4)

    def sound(self, reading: ReadingSettings) -> SoundFile:
        """Return the recording, or its segment, to be opened when it is needed.

        Raises:
            InputError: the recording cannot be read, as `problem` says.
        """
        if self.problem:
            raise InputError(self.problem)
        source: Any = self.absolute_location if self.source is None else self.source
        if self.location == STANDARD_INPUT:
            if sys.stdin is None:
                raise InputError("- is standard input, which is closed; give a file")
            source = sys.stdin.buffer
        return SoundFile(source, self.location, reading, self.start_s, self.end_s)


def _digest(text: str, size: int) -> str:
    return blake2b(text.encode("utf8", "surrogateescape"), digest_size=size).hexdigest()
