"""Decode audio from a path, URL, bytes or file object, through PyAV, which includes FFmpeg."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from io import SEEK_END, BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from numpy.typing import NDArray

from photism.errors import InputError

if TYPE_CHECKING:
    from av import AudioFrame, AudioStream
    from av.container import InputContainer

READ_BYTES = 2**20  # read at a time, so that the size limit stops a download within a megabyte


def open_source(source: object, name: str, *, max_download_bytes: int, timeout_s: float) -> BinaryIO:
    """Open a path, URL, bytes or binary file object for reading and seeking.

    Args:
        source: as in ``load_waveform``.
        name: name of the source in error messages.
        max_download_bytes: most bytes that are read from a URL, pipe or file object.
        timeout_s: longest time in seconds without an answer from a server.

    Raises:
        InputError: the source is none of these, missing, a folder, unreachable or larger than allowed.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return BytesIO(source)
    if isinstance(source, str) and "://" in source and not source.lower().startswith("file://"):
        return _download(source, name, max_download_bytes, timeout_s)
    if isinstance(source, str | Path):
        file = _open_path(source, name)
        if file.seekable():
            return file
        with file:
            return _read(file, name, max_download_bytes)
    if hasattr(source, "read"):
        return _read(source, name, max_download_bytes)
    raise InputError(
        f"{name} must be a path, URL, bytes, binary file object, array, tensor, list of floats, mapping or Waveform"
    )


def decoded_blocks(file: BinaryIO, name: str) -> Iterator[tuple[float, NDArray[Any]]]:
    """Decode the audio of an open file, frame by frame, and close the file.

    Yields:
        the sampling rate in Hz, and the samples (C, T) of a frame in the type that its codec decodes to.

    Raises:
        InputError: the file is empty, FFmpeg does not know its format, or no audio can be decoded.
    """
    with open_sound(file, name) as (container, stream):
        for frame in decoded_frames(container, stream, name):
            yield frame.sample_rate, frame_samples(frame)


@contextmanager
def open_sound(file: BinaryIO, name: str) -> "Generator[tuple[InputContainer, AudioStream]]":
    """Open a media file and choose its best audio stream; close both at the end of the block.

    Raises:
        InputError: the file is empty, FFmpeg does not know its format, or it has no audio stream.
    """
    import av
    from av.error import FFmpegError

    with file:
        if file.seek(0, SEEK_END) == 0:
            raise InputError(f"{name}: the file is empty; call seek(0) first on a file object that was just written")
        file.seek(0)
        try:
            # A playlist could send FFmpeg to other files and servers: only the open file is read. Tags in an old
            # encoding are no reason to reject a recording.
            container = av.open(file, "r", metadata_errors="ignore", container_options={"protocol_whitelist": "none"})
        except FFmpegError as error:
            raise InputError(
                f"{name}: not an audio or video file that FFmpeg can read ({error.strerror}); convert it"
            ) from None
        with container:
            stream = container.streams.best("audio")
            if not isinstance(stream, av.AudioStream):
                raise InputError(f"{name}: no audio stream; give a recording, or a video with audio")
            yield container, stream


def decoded_frames(container: "InputContainer", stream: "AudioStream", name: str) -> "Iterator[AudioFrame]":
    """Decode an audio stream, skipping what is damaged.

    Raises:
        InputError: not a single frame can be decoded.
    """
    frames = _frames(container, stream)
    first = next(frames, None)
    if first is None:
        raise InputError(f"{name}: no audio can be decoded; the file is empty, truncated or damaged")
    yield first
    yield from frames


def frame_samples(frame: "AudioFrame") -> NDArray[Any]:
    """Return the samples (C, T) of a frame in the type that its codec decodes to."""
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T  # (1, T * C) -> (C, T)
    return samples


def _frames(container: "InputContainer", stream: "AudioStream") -> "Iterator[AudioFrame]":
    """Decode all intact packets, as the ffmpeg program does."""
    from av.error import FFmpegError

    if not stream.codec_context:  # a codec that FFmpeg does not know, which PyAV 17 crashes on
        return
    with suppress(FFmpegError):
        for packet in container.demux(stream):
            with suppress(FFmpegError):
                yield from stream.decode(packet)


def _open_path(source: str | Path, name: str) -> BinaryIO:
    path = str(source)
    if path.lower().startswith("file://"):
        from urllib.parse import urlsplit
        from urllib.request import url2pathname

        path = url2pathname(urlsplit(path).path)
    try:
        return open(path, "rb")
    except FileNotFoundError:
        raise InputError(f"{name}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{name}: is a folder; give the files in it") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{name}: cannot be opened ({error}); give the path of a readable file") from None


def _download(url: str, name: str, max_download_bytes: int, timeout_s: float) -> BytesIO:
    from http.client import HTTPException
    from urllib.parse import quote
    from urllib.request import Request, urlopen

    if not url.lower().startswith(("http://", "https://")):
        raise InputError(f"{name}: not an http, https or file URL; download it first")
    try:
        # Spaces and letters outside ASCII are sent as %XX; quoted parts stay as they are.
        request = Request(quote(url, safe="%/:=&?~#+!$,;'@()*[]"), headers={"User-Agent": "photism"})
        response = urlopen(request, timeout=timeout_s)
    except (OSError, HTTPException, ValueError) as error:
        raise InputError(f"{name}: cannot be downloaded ({error}); check the address and the network") from None
    with response:
        return _read(response, name, max_download_bytes)


def _read(stream: Any, name: str, max_bytes: int) -> BytesIO:
    """Read the rest of a stream into memory, since decoding needs to seek and a response or a pipe cannot."""
    from http.client import HTTPException

    held = BytesIO()
    try:
        while data := stream.read(READ_BYTES):
            held.write(data)
            if held.tell() > max_bytes:
                raise InputError(
                    f"{name}: larger than max_download_bytes={max_bytes}; raise the limit if you trust the source"
                )
    except TypeError:
        raise InputError(f"{name}: read() returned text; open the file in binary mode, 'rb'") from None
    except (OSError, HTTPException) as error:
        raise InputError(f"{name}: reading was interrupted ({error}); try again") from None
    return held
