"""Soundtrack of a film: the audio of the recording on its time axis, exact to the sample.

AAC, ALAC and FLAC keep their length when FFmpeg 8 copies their packets to an MP4 file (stream copy). MP3 and Opus
decode to up to 2,127 samples more, because MP4 loses the encoder delay that their own files state, and newly encoded
AAC is padded to whole packets of 1024 samples. Players treat holes and late starts in different ways. So packets are
copied if they decode to the same samples without a hole, which is checked for each recording; all other audio is
encoded with a lossless codec, and begins at 0.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from photism.audio.container_clock import frame_samples, time_zero_s
from photism.audio.decoding import decoded_blocks, decoded_frames, open_sound
from photism.audio.sources import SoundFile
from photism.errors import InputError, is_disk_full

if TYPE_CHECKING:
    from av import AudioFrame, AudioStream
    from av.audio.layout import AudioLayout
    from av.container import InputContainer, OutputContainer

COPIED = frozenset({"aac", "alac", "flac"})
LOSSLESS = ("flac", "alac")  # Chrome and Firefox play FLAC in MP4; ALAC is tried if FLAC fails
SAMPLE_FORMATS = {"flac": ("s16", "s32"), "alac": ("s16p", "s32p")}  # of 16 and 24 bits
PLANAR_FORMATS = {"u1": "u8p", "i2": "s16p", "i4": "s32p", "f4": "fltp", "f8": "dblp"}  # by NumPy's types


class _Content(NamedTuple):
    """Summary of decoded audio, by which two files are compared."""

    sampling_rates: tuple[float, ...]  # several if the rate changes within the file
    channels: int
    sample_count: int
    checksum: int  # of all samples in order


class _SourceFormat(NamedTuple):
    """Format in which a recording is encoded."""

    codec: str  # FFmpeg's name
    is_lossy: bool
    layout: AudioLayout


def write_soundtrack(sound: SoundFile, target: Path) -> None:
    """Write the audio of a recording to an MP4 file with one stream, at its own sampling rate and channel count.

    The file decodes to exactly as many samples as the recording. They are equal, except that samples of more than 24
    bits are rounded to 24, and those of lossy codecs that are not copied to 16.

    Args:
        sound: the recording.
        target: file that ends in .mp4; an existing one is replaced.

    Raises:
        InputError: the recording cannot be read, its rate or channels change within the file, or MP4 cannot hold its
            channels.
    """
    expected = _content(_placed_blocks(sound))
    source = _source_format(sound)
    if len(expected.sampling_rates) == 1:
        has_holes = source.codec not in COPIED or _content(_frame_blocks(sound)) != expected
        copying: list[Callable[[SoundFile, Path], None]] = [] if has_holes else [_copy]
        for write in [*copying, *(partial(_encode, source=source, codec=codec) for codec in LOSSLESS)]:
            if _try(write, sound, target):
                written = SoundFile.of(target)
                content = _content(_placed_blocks(written))
                if content == expected or (write is not _copy and content[:3] == expected[:3]):
                    return
    rates = ", ".join(f"{rate} Hz" for rate in expected.sampling_rates)
    raise InputError(
        f"{sound.name}: its audio ({expected.channels} channels, {rates}) cannot be stored exactly in an MP4 file; "
        "convert it to stereo with one sampling rate"
    )


def _open(sound: SoundFile) -> AbstractContextManager[tuple[InputContainer, AudioStream]]:
    return open_sound(sound.open(), sound.name, track=sound.reading.track)


def _content(blocks: Iterator[tuple[float, NDArray[Any]]]) -> _Content:
    rates: dict[float, None] = {}
    channels = sample_count = checksum = 0
    for rate, samples in blocks:
        rates[rate] = None
        channels = max(channels, len(samples))
        sample_count += samples.shape[1]
        checksum = zlib.crc32(samples.T.tobytes(), checksum)  # (C, T) -> (T, C), independent of block boundaries
    return _Content(tuple(rates), channels, sample_count, checksum)


def _placed_blocks(sound: SoundFile) -> Iterator[tuple[float, NDArray[Any]]]:
    return decoded_blocks(sound.open(), sound.name, track=sound.reading.track)


def _frame_blocks(sound: SoundFile) -> Iterator[tuple[float, NDArray[Any]]]:
    """Decode a recording one frame after the other, as players do that know nothing of holes."""
    with _open(sound) as (container, stream):
        for frame in decoded_frames(container, stream, sound.name):
            yield frame.sample_rate, frame_samples(frame)


def _source_format(sound: SoundFile) -> _SourceFormat:
    with _open(sound) as (_, stream):
        context = stream.codec_context
        return _SourceFormat(context.codec.name, context.codec.lossy, context.layout)


def _try(write: Callable[[SoundFile, Path], None], sound: SoundFile, target: Path) -> bool:
    """Return whether FFmpeg could write the file: it has no list of the rates and layouts that an encoder accepts."""
    from av.error import FFmpegError

    try:
        write(sound, target)
    except (FFmpegError, ValueError, IndexError) as error:  # IndexError of PyAV for planes of more than 8 channels
        if is_disk_full(error):
            raise
        return False
    return True


def _copy(sound: SoundFile, target: Path) -> None:
    import av

    with _open(sound) as (source, stream), av.open(str(target), "w", format="mp4") as container:
        copied = container.add_stream_from_template(stream)
        zero_s = time_zero_s(source) or 0.0
        for packet in source.demux(stream):
            if packet.pts is not None and packet.dts is not None:
                zero = round(zero_s / packet.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts - zero, packet.dts - zero, copied
                container.mux(packet)


def _encode(sound: SoundFile, target: Path, *, source: _SourceFormat, codec: str) -> None:
    import av

    with av.open(str(target), "w", format="mp4") as container:
        encoder: AudioStream | None = None
        for frame in _resampled(sound, source, codec):
            if encoder is None:
                encoder = _add_stream(container, frame, codec)
            container.mux(encoder.encode(frame))
        if encoder is not None:
            container.mux(encoder.encode(None))


def _resampled(sound: SoundFile, source: _SourceFormat, codec: str) -> Iterator[AudioFrame]:
    """Decode a recording to frames in a sample format of a codec, with PTS counted in samples."""
    import av

    format_16, format_24 = SAMPLE_FORMATS[codec]
    resampler: av.AudioResampler | None = None
    count = 0
    for rate, samples in _placed_blocks(sound):
        if samples.dtype == np.int64:
            samples = (samples >> 32).astype(np.int32)  # FFmpeg has frames of 64 bits, but PyAV makes none
        kind = samples.dtype.str[1:]
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples), format=PLANAR_FORMATS[kind], layout=source.layout.name
        )
        frame.sample_rate, frame.pts, frame.time_base = int(rate), count, Fraction(1, int(rate))
        count += frame.samples
        if resampler is None:
            is_16_bit = kind in ("u1", "i2") or (source.is_lossy and kind == "f4")
            resampler = av.AudioResampler(
                format=format_16 if is_16_bit else format_24, layout=frame.layout, rate=frame.sample_rate
            )
        yield from resampler.resample(frame)
    if resampler is not None:
        yield from resampler.resample(None)


def _add_stream(container: OutputContainer, frame: AudioFrame, codec: str) -> AudioStream:
    stream = cast("AudioStream", container.add_stream(codec, rate=frame.sample_rate))
    stream.codec_context.format = frame.format
    stream.codec_context.layout = frame.layout
    return stream
