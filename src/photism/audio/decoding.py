"""Decode the audio of an open file through PyAV, which includes FFmpeg."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from errno import EINVAL
from io import SEEK_END, SEEK_SET
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

from numpy.typing import NDArray

from photism.audio import ogg_chain
from photism.audio.container_clock import is_joined, timed_frames
from photism.audio.time_axis import LONGEST_OVERLAP_S, place_frames
from photism.errors import InputError, is_fault_of_input

if TYPE_CHECKING:
    from av import AudioFrame, AudioStream, Packet
    from av.container import InputContainer

Frame = TypeVar("Frame")

JOINED_OVERLAP_S = 0.1  # longest overlap in a format whose timestamps may start again; as in the ffmpeg program


def decoded_blocks(file: BinaryIO, name: str) -> Iterator[tuple[float, NDArray[Any]]]:
    """Decode the audio of an open file block by block, place it on the file's time axis, and close the file.

    Holes and a late start become silence, and frames that overlap are cut.

    Yields:
        the sampling rate in Hz, and samples (C, T) in the type that the codec decodes to.

    Raises:
        InputError: the file is empty, FFmpeg does not know its format, or no audio can be decoded.
    """
    with file:
        for start, end in ogg_chain.links(file):
            with open_sound(ogg_chain.FileSection(file, start, end), name) as (container, stream):
                yield from placed_blocks(container, stream, name)


@contextmanager
def open_sound(file: BinaryIO | ogg_chain.FileSection, name: str) -> "Generator[tuple[InputContainer, AudioStream]]":
    """Open a media file and choose its best audio stream; close both at the end of the block.

    Raises:
        InputError: the file is empty, FFmpeg does not know its format, or it has no audio stream.
    """
    import av

    with file:
        if file.seek(0, SEEK_END) == 0:
            raise InputError(f"{name}: the file is empty; call seek(0) first on a file object that was just written")
        file.seek(0)
        media = _MediaFile(file)
        try:
            with ffmpeg_errors(f"{name}: not an audio or video file that FFmpeg can read"):
                # A playlist could send FFmpeg to other files and servers: only the open file is read. Tags in an old
                # encoding are no reason to reject a recording.
                container = av.open(
                    media, "r", metadata_errors="ignore", container_options={"protocol_whitelist": "none"}
                )
            with container:
                yield container, best_audio_stream(container, name)
        except InputError:
            media.check(name)
            raise
        media.check(name)


@contextmanager
def ffmpeg_errors(problem: str) -> Generator[None]:
    """Turn whatever PyAV raises at a file into an InputError.

    Damaged files raise more than FFmpegError: IndexError for a stream that appears late, ValueError, RuntimeError and
    others. FFmpeg's own lack of memory is one of them, since it refuses the absurd sizes of damaged headers so.

    Args:
        problem: sentence such as "a.ogg: not an audio file"; the reason follows.
    """
    from av.error import FFmpegError

    try:
        yield
    except InputError:
        raise
    except FFmpegError as error:
        raise InputError(f"{problem} ({error.strerror}); convert it") from None
    except Exception as error:
        if not is_fault_of_input(error):
            raise
        raise InputError(f"{problem} ({error}); convert it") from error


def best_audio_stream(container: "InputContainer", name: str) -> "AudioStream":
    """Return the audio stream that FFmpeg chooses by default.

    Raises:
        InputError: there is no audio stream, or FFmpeg does not support its codec.
    """
    with ffmpeg_errors(f"{name}: its streams cannot be read"):
        stream = cast("AudioStream | None", container.streams.best("audio"))
        streams = [stream] if stream else container.streams.audio
        if not streams:
            raise InputError(f"{name}: no audio stream; give a recording, or a video with audio")
        # PyAV has no type for a stream without a decoder, and FFmpeg does not choose one that it cannot decode.
        if stream is None or not stream.codec_context:
            codec = streams[0].codec_context.name if streams[0].codec_context else "unknown"
            raise InputError(
                f"{name}: the codec of its audio ({codec}) is not supported in this file format; convert it to WAV or "
                "FLAC"
            )
        return stream


def placed_blocks(
    container: "InputContainer", stream: "AudioStream", name: str
) -> Iterator[tuple[float, NDArray[Any]]]:
    """Decode an audio stream, and place it on the time axis of its container.

    Yields:
        the sampling rate in Hz, and samples (C, T) in the type that the codec decodes to.

    Raises:
        InputError: not a single frame can be decoded.
    """
    frames = _not_empty(timed_frames(container, _packets(container, stream)), name)
    yield from place_frames(frames, longest_overlap_s=JOINED_OVERLAP_S if is_joined(container) else LONGEST_OVERLAP_S)


def decoded_frames(container: "InputContainer", stream: "AudioStream", name: str) -> "Iterator[AudioFrame]":
    """Decode an audio stream, skipping what is damaged.

    Raises:
        InputError: not a single frame can be decoded.
    """
    return _not_empty((frame for _, frames in _packets(container, stream) for frame in frames or ()), name)


def _packets(
    container: "InputContainer", stream: "AudioStream"
) -> "Iterator[tuple[Packet[AudioStream], list[AudioFrame] | None]]":
    """Return all packets with their frames, or with None where they cannot be decoded."""
    with suppress(InputError), ffmpeg_errors("the end of the file is damaged"):
        for packet in container.demux(stream):
            frames = None
            with suppress(InputError), ffmpeg_errors("a packet is damaged"):
                frames = stream.decode(packet)
            yield packet, frames


def _not_empty(frames: Iterator[Frame], name: str) -> Iterator[Frame]:
    first = next(frames, None)
    if first is None:
        raise InputError(f"{name}: no audio can be decoded; the file is empty, truncated or damaged")
    yield first
    yield from frames


class _MediaFile:
    """A file object that raises nothing while FFmpeg reads it.

    What a callback raises, PyAV keeps and raises later, possibly at another file that the same thread opens next. So a
    seek that fails, as damaged headers cause it, returns an error code as FFmpeg's own files do, and a failure to read
    ends the file and is kept until FFmpeg is done.
    """

    def __init__(self, file: BinaryIO | ogg_chain.FileSection) -> None:
        self._file = file
        self._error: Exception | None = None

    def read(self, count: int) -> bytes:
        """Read at most `count` bytes; none at the end of the file, or where reading fails."""
        try:
            return self._file.read(count)
        except Exception as error:
            self._error = error
            return b""

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        """Return the new position, or FFmpeg's code for an invalid one."""
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError, OverflowError):
            return -EINVAL

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def check(self, name: str) -> None:
        """Raise what reading has raised.

        Raises:
            InputError: reading was interrupted.
        """
        if self._error is None:
            return
        if not is_fault_of_input(self._error):
            raise self._error
        raise InputError(f"{name}: reading was interrupted ({self._error}); try again") from self._error
