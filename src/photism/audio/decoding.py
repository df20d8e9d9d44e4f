"""Decode the audio of an open file through PyAV, which includes FFmpeg."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from io import SEEK_END
from typing import TYPE_CHECKING, Any, BinaryIO

from numpy.typing import NDArray

from photism.errors import InputError

if TYPE_CHECKING:
    from av import AudioFrame, AudioStream
    from av.container import InputContainer


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
