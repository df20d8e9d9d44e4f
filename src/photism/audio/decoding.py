"""Decode the audio of an open file through PyAV, which includes FFmpeg."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from errno import EINVAL
from io import SEEK_END, SEEK_SET
from itertools import groupby
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from photism.audio import ogg_chain
from photism.audio.container_clock import is_joined, time_zero_s, timed_frames
from photism.audio.declared_length import DeclaredLength, read_declared_length
from photism.audio.losses import Losses
from photism.audio.segment import Skip
from photism.audio.time_axis import LONGEST_OVERLAP_S, place_frames
from photism.cancellation import check_cancelled
from photism.errors import InputError, as_input_error, is_fault_of_input

if TYPE_CHECKING:
    from av import AudioFrame, AudioStream, Packet
    from av.container import InputContainer

Frame = TypeVar("Frame")

MAX_READ_BYTES = 2**20  # Python allocates what it is asked to read, and damaged headers ask for gigabytes
JOINED_OVERLAP_S = 0.1  # longest overlap in a format whose timestamps may start again; as in the ffmpeg program


def decoded_blocks(
    file: BinaryIO,
    name: str,
    *,
    track: int | str | None = None,
    skip: Skip | None = None,
    warnings: list[str] | None = None,
) -> Iterator[tuple[float, NDArray[Any]]]:
    """Decode the audio of an open file block by block, place it on the file's time axis, and close the file.

    Holes and a late start become silence, and frames that overlap are cut.

    Args:
        file: file of any format.
        name: name of the file in error messages.
        track: audio track to decode, as its number from 1 or its language; by default FFmpeg's choice.
        skip: beginning of the recording that is not needed; what of it is not decoded is noted there.
        warnings: list to which what is missing is added, at the end.

    Yields:
        the sampling rate in Hz, and samples (C, T) in the type that the codec decodes to.

    Raises:
        InputError: the file is empty, FFmpeg does not know its format, it has no such track, or no audio can be
            decoded.
    """
    found: list[str] = [] if warnings is None else warnings
    with file:
        with as_input_error(f"{name}: reading was interrupted"):
            size, links = file.seek(0, SEEK_END), ogg_chain.links(file)
        for number, (start, end) in enumerate(links):
            section = ogg_chain.FileSection(file, start, end)
            with as_input_error(f"{name}: reading was interrupted"):
                declared = read_declared_length(section, min(end, size) - start)
            try:
                with open_sound(section, name, track=track) as (container, stream):
                    if skip is not None and len(links) == 1:
                        _seek(container, stream, skip)
                    skipped_s = 0.0 if skip is None or number else skip.skipped_s
                    yield from _joined(_placed_blocks(container, stream, name, declared, found, skipped_s))
            except InputError:
                if not number:
                    raise
                found.append(f"link {number + 1} of the chained Ogg file cannot be decoded")


@contextmanager
def open_sound(
    file: BinaryIO | ogg_chain.FileSection, name: str, *, track: int | str | None = None
) -> "Generator[tuple[InputContainer, AudioStream]]":
    """Open a media file and choose an audio stream; close both at the end of the block.

    Args:
        file: file of any format.
        name: name of the file in error messages.
        track: audio track to choose, as its number from 1 or its language; by default FFmpeg's choice.

    Raises:
        InputError: the file is empty, FFmpeg does not know its format, or it has no such audio stream.
    """
    with file:
        if file.seek(0, SEEK_END) == 0:
            raise InputError(f"{name}: the file is empty")
        file.seek(0)
        media = _MediaFile(file)
        try:
            with ffmpeg_errors(f"{name}: not an audio or video file that FFmpeg can read"):
                # A playlist could send FFmpeg to other files and servers: only the open file is read.
                container = open_container(media, container_options={"protocol_whitelist": "none"})
            with container:
                yield container, audio_stream(container, name, track=track)
        except InputError:
            media.check(name)
            raise
        media.check(name)


def open_container(file: Any, **settings: Any) -> "InputContainer":
    """Open a media file to read it. Tags in an old encoding are no reason to reject it.

    Args:
        file: path or file object.
        settings: further arguments of `av.open`.
    """
    import av

    # From 19 on, PyAV accepts such tags without being asked.
    if int(av.__version__.partition(".")[0]) < 19:
        settings["metadata_errors"] = "ignore"
    return cast("InputContainer", av.open(file, "r", **settings))


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


def audio_stream(container: "InputContainer", name: str, *, track: int | str | None = None) -> "AudioStream":
    """Return an audio stream of a container.

    Args:
        container: container of the streams.
        name: name of the file in error messages.
        track: number of the stream among those of audio, from 1, or its language; by default FFmpeg's choice.

    Raises:
        InputError: there is no such audio stream, or FFmpeg does not support its codec.
    """
    with ffmpeg_errors(f"{name}: its streams cannot be read"):
        streams = container.streams.audio
        if not streams:
            raise InputError(f"{name}: no audio stream; give a recording, or a video with audio", code="no-audio")
        if track is None:
            stream = cast("AudioStream | None", container.streams.best("audio"))
        else:
            stream = next(
                (each for number, each in enumerate(streams, 1) if str(track) in (str(number), _language(each))), None
            )
            if stream is None:
                problem = f"there is no audio track {track}; it has {_described_tracks(container)}"
                raise InputError(f"{name}: {problem}", code="no-track")
        # PyAV has no type for a stream without a decoder, and FFmpeg does not choose one that it cannot decode.
        if stream is None or not stream.codec_context:
            first = stream or streams[0]
            codec = first.codec_context.name if first.codec_context else "unknown"
            raise InputError(
                f"{name}: the codec of its audio ({codec}) is not supported in this file format; convert it to WAV or "
                "FLAC"
            )
        return stream


def _language(stream: "AudioStream") -> str | None:
    return stream.metadata.get("language")


def _described_tracks(container: "InputContainer") -> str:
    """Return the numbers, languages and titles of the audio tracks of a container."""
    return ", ".join(
        " ".join(filter(None, (str(number), _language(each), each.metadata.get("title"))))
        for number, each in enumerate(container.streams.audio, 1)
    )


def _seek(container: "InputContainer", stream: "AudioStream", skip: Skip) -> None:
    """Begin to decode shortly before the end of what is skipped, where that gives the same samples.

    This is so for PCM and FLAC in formats that count samples. What other codecs decode depends on what came before, and
    most other formats know the time of a packet only roughly, so that they are decoded from the beginning.
    """
    codec = stream.codec_context.name
    is_exact = (codec.startswith("pcm_") or codec == "flac") and time_zero_s(container) is None
    if not skip.duration_s or not is_exact or not stream.time_base or not stream.rate:
        return
    offset, position = int(skip.duration_s / stream.time_base), None
    with suppress(InputError, StopIteration), ffmpeg_errors("cannot seek"):
        container.seek(offset, stream=stream)
        packet = next(container.demux(stream))
        if packet.pts is not None:
            position = packet.pts * stream.time_base * stream.rate
    if position is None or position.denominator != 1 or not 0 <= position <= skip.duration_s * stream.rate:
        container.seek(0, stream=stream)
        return
    container.seek(offset, stream=stream)  # again, since a packet was read
    skip.add(stream.rate, int(position))


def _placed_blocks(
    container: "InputContainer",
    stream: "AudioStream",
    name: str,
    declared: DeclaredLength,
    warnings: list[str],
    skipped_s: float,
) -> Iterator[tuple[float, NDArray[Any]]]:
    """Decode an audio stream, place it on the time axis of its container, and add what is missing to the warnings.

    What was skipped before, `skipped_s`, is not missing.
    """
    losses = Losses(container, stream, declared)
    frames = timed_frames(container, losses.watched(_packets(container, stream)))
    placed_s = skipped_s
    for rate, samples in place_frames(
        _not_empty(frames, name),
        longest_overlap_s=JOINED_OVERLAP_S if is_joined(container) else LONGEST_OVERLAP_S,
        on_shift=losses.add_shift,
    ):
        placed_s += samples.shape[1] / rate
        yield rate, samples
    warnings += losses.describe(placed_s)


def _joined(blocks: Iterator[tuple[float, NDArray[Any]]]) -> Iterator[tuple[float, NDArray[Any]]]:
    """Join frames of the same kind to blocks of about a second: the steps that follow cost as much for a short one."""
    for (rate, _, _), group in groupby(blocks, key=lambda block: (block[0], len(block[1]), block[1].dtype)):
        held: list[NDArray[Any]] = []
        count = 0
        for _, samples in group:
            held.append(samples)
            count += samples.shape[1]
            if count >= rate:
                yield rate, np.concatenate(held, axis=1)
                held, count = [], 0
        if held:
            yield rate, np.concatenate(held, axis=1)


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
            check_cancelled()
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
            return self._file.read(min(count, MAX_READ_BYTES))
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
