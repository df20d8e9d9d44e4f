"""Open a recording from a path, URL, bytes or file object."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import unquote_to_bytes, urlsplit

from photism.audio.object_storage import is_object, open_object
from photism.audio.reading_settings import ReadingSettings
from photism.errors import InputError, is_fault_of_input
from photism.output_files import without_credentials

if TYPE_CHECKING:
    from photism.audio.waveform import Waveform

READ_BYTES = 2**20  # read at a time, so that the size limit stops reading within a megabyte
MAX_DOWNLOAD_BYTES = 256 * 2**20
MAX_DOWNLOAD_S = 600.0
TIMEOUT_S = 30.0


@dataclass(eq=False)
class SoundFile:
    """An audio or video file that is opened when it is needed, and can then be read any number of times.

    What can be read only once, such as a URL, a pipe or a file object, is read into memory when it is first opened.

    Args:
        source: path, ``http(s)://``, ``file://`` or fsspec URL such as ``s3://bucket/a.wav``, the bytes of a file, a
            binary file object, or a function that opens one.
        name: name in error messages and files; by default that of the source.
        reading: how the recording is read.
        start_s: start of the segment to read, in seconds.
        end_s: end of the segment; None for the end of the recording.
        decoded: samples of the segment, if another process has decoded them.

    Raises:
        InputError: the segment starts before 0 s, or does not end after its start.

    Attributes:
        measured_s: duration in seconds, if another process has read the recording to its end.
        warnings: what is missing, once the recording was read to its end.
        download_warnings: what is missing of a download, once the file was opened.
    """

    source: str | Path | bytes | BinaryIO | Callable[[], BinaryIO]
    name: str = ""
    reading: ReadingSettings = field(default_factory=ReadingSettings)
    start_s: float = 0.0
    end_s: float | None = None
    decoded: Waveform | None = field(default=None, repr=False)
    measured_s: float | None = field(default=None, init=False)
    warnings: tuple[str, ...] = field(default=(), init=False)
    download_warnings: tuple[str, ...] = field(default=(), init=False)
    _held: bytes | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self.name = self.name or source_name(self.source)
        check_segment(self.start_s, self.end_s, self.name)

    @classmethod
    def of(cls, source: SoundFile | str | Path | bytes) -> SoundFile:
        """Return a file that was opened once, so that an error is raised early.

        Raises:
            InputError: the source is missing or unreachable, or a download is larger than 256 MiB.
        """
        sound = source if isinstance(source, SoundFile) else cls(source)
        sound.open().close()
        return sound

    def open(self) -> BinaryIO:
        """Open the file at its beginning.

        Raises:
            InputError: as in ``open_source``.
        """
        if self._held is not None:
            return BytesIO(self._held)
        warnings: list[str] = []
        allowed = self.reading.allow_private_urls
        file = open_source(self.source, self.name, allow_private_urls=allowed, warnings=warnings)
        self.download_warnings = tuple(warnings)
        self.warnings = self.warnings or self.download_warnings
        if isinstance(file, BytesIO):
            self._held = file.getvalue()
        return file

    def decoded_within(self, limit_s: float) -> Waveform | None:
        """Return the samples that were decoded before, and report what is missing, as reading the file would do.

        Args:
            limit_s: longest duration; samples that are longer are not returned, so that reading the file reports it.
        """
        if self.decoded is None or self.decoded.duration_s > limit_s:
            return None
        self.warnings = self.decoded.warnings
        self.reading.report(self.name, self.warnings)
        return self.decoded

    def release(self) -> None:
        """Free the memory of a file that was read into it. A pipe and a file object cannot be read again then."""
        self._held = None


def check_segment(start_s: float, end_s: float | None, name: str) -> None:
    """Check the start and the end of a segment in seconds.

    Args:
        start_s: start of the segment.
        end_s: its end; None for the end of the recording.
        name: name of the recording in the error message.

    Raises:
        InputError: the segment starts before 0 s, or does not end after its start.
    """
    if not 0 <= start_s < (math.inf if end_s is None else end_s):
        given = f"{start_s:g} s" if end_s is None else f"{start_s:g} to {end_s:g} s"
        raise InputError(f"{name}: a segment must start at 0 s or later and end after its start; got {given}")


def source_name(source: object) -> str:
    """Return the name of a source in error messages: the path, the URL without its secrets, or a type."""
    if isinstance(source, SoundFile):
        return source.name
    if isinstance(source, str):
        return without_credentials(source)
    return str(source) if isinstance(source, Path) else f"source ({type(source).__name__})"


def open_source(
    source: object,
    name: str,
    *,
    max_download_bytes: int = MAX_DOWNLOAD_BYTES,
    timeout_s: float = TIMEOUT_S,
    max_download_s: float = MAX_DOWNLOAD_S,
    allow_private_urls: bool = False,
    warnings: list[str] | None = None,
) -> BinaryIO:
    """Open a path, URL, bytes, binary file object, function that opens one, or ``SoundFile`` for reading and seeking.

    Args:
        source: as in ``load_waveform``.
        name: name of the source in error messages.
        max_download_bytes: most bytes that are read from a URL, pipe or file object.
        timeout_s: longest time in seconds without an answer from a server.
        max_download_s: longest time in seconds of a whole download.
        allow_private_urls: accept URLs of loopback, private and link-local addresses.
        warnings: list to which is appended what is missing of a download.

    Raises:
        InputError: the source is none of these, missing, a folder, unreachable or larger than allowed.
    """
    if isinstance(source, SoundFile):
        file = source.open()
        if warnings is not None:
            warnings += source.download_warnings
        return file
    if isinstance(source, bytes | bytearray | memoryview):
        return BytesIO(source)
    if isinstance(source, str) and is_object(source):
        return _seekable(open_object(source, name, allow_private_urls=allow_private_urls), name, max_download_bytes)
    if isinstance(source, str) and "://" in source and not source.lower().startswith("file://"):
        from photism.audio.download import download

        return download(
            source,
            name,
            max_bytes=max_download_bytes,
            timeout_s=timeout_s,
            max_download_s=max_download_s,
            allow_private_urls=allow_private_urls,
            warnings=[] if warnings is None else warnings,
        )
    if isinstance(source, str | Path):
        return _seekable(_open_path(source, name), name, max_download_bytes)
    if hasattr(source, "read"):
        held = _read(source, name, max_download_bytes)
        can_seek = getattr(source, "seekable", None)
        if not held.tell() and can_seek is not None and can_seek():
            raise InputError(f"{name}: the file is empty; call seek(0) first on a file object that was just written")
        return held
    if callable(source):
        return cast("BinaryIO", source())
    raise InputError(
        f"{name} must be a path, URL, bytes, binary file object, array, tensor, list of floats, mapping or Waveform"
    )


def path_of_file_url(url: str) -> str:
    """Return the path of a ``file://`` URL, in which a name that is not UTF-8 is percent-encoded."""
    path = urlsplit(url).path
    if os.name != "nt":
        return os.fsdecode(unquote_to_bytes(path))
    from urllib.request import url2pathname

    return url2pathname(path)


def _open_path(source: str | Path, name: str) -> BinaryIO:
    path = str(source)
    if path.lower().startswith("file://"):
        path = path_of_file_url(path)
    try:
        return open(path, "rb")
    except FileNotFoundError:
        raise InputError(f"{name}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{name}: is a folder; give the files in it") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{name}: cannot be opened ({error}); give the path of a readable file") from None


def _seekable(file: BinaryIO, name: str, max_bytes: int) -> BinaryIO:
    """Return a file as it is if it can seek; otherwise read and close it."""
    if file.seekable():
        return file
    with file:
        return _read(file, name, max_bytes)


def _read(stream: Any, name: str, max_bytes: int) -> BytesIO:
    """Read the rest of a stream into memory, since decoding needs to seek and a response or a pipe cannot."""
    held = BytesIO()
    while data := _read_block(stream, name):
        held.write(data)
        if held.tell() > max_bytes:
            raise InputError(
                f"{name}: larger than max_download_bytes={max_bytes}; save it to a file first, or raise the limit"
            )
    return held


def _read_block(stream: Any, name: str) -> bytes:
    try:
        data = stream.read(READ_BYTES)
    except Exception as error:
        if not is_fault_of_input(error):
            raise
        raise InputError(f"{name}: reading was interrupted ({error}); try again") from error
    if not isinstance(data, bytes | bytearray | memoryview):
        raise InputError(
            f"{name}: read() returned {type(data).__name__}, not bytes; open the file in binary mode, 'rb'"
        )
    return bytes(data)
