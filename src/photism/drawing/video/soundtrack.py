"""The sound of a film: the recording's own, to the very sample.

What FFmpeg 8 decodes of an MP4 file: AAC, ALAC and FLAC keep their length when their packets are copied there. MP3 and
Opus come back up to 2,127 samples longer, because what their own files say to leave out is lost; and newly encoded AAC
comes back filled up to whole packets of 1024. So packets are copied where they decode to the same samples, which is
looked at each time, and anything else is encoded without loss.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from photism.audio.decoding import decoded_frames, frame_samples, open_sound
from photism.audio.streaming import SoundFile
from photism.errors import InputError

if TYPE_CHECKING:
    from av import AudioFrame, AudioStream
    from av.container import OutputContainer

COPIED = frozenset({"aac", "alac", "flac"})
LOSSLESS = ("flac", "alac")  # Chrome and Firefox play the first in MP4; the second is tried where it fails
LOSSY_FLOATS = frozenset({"fltp", "flt"})
DEPTHS = {"flac": ("s16", "s32"), "alac": ("s16p", "s32p")}  # sample formats of 16 and 24 bits
SHORT_FORMATS = frozenset({"u8", "u8p", "s16", "s16p"})


class _Content(NamedTuple):
    """What a sound track decodes to."""

    sampling_rates: tuple[int, ...]  # more than one where it changes on the way
    channels: int
    sample_count: int
    checksum: int  # of all samples in order


def write_soundtrack(sound: SoundFile, target: Path) -> None:
    """Write the sound of a file, at its own rate and with its own channels, to a file of nothing else.

    It decodes to as many samples as the recording itself, and to the same ones but for those of more than 24 bits, and
    of lossy codecs that are not copied, of more than 16.

    Args:
        sound: the recording.
        target: a file that ends in .mp4, which is replaced where it is there.

    Raises:
        InputError: the recording cannot be read, changes its rate or channels on the way, or has more channels than
            MP4 can hold.
    """
    expected = _content(sound)
    if len(expected.sampling_rates) == 1:
        copying: list[Callable[[SoundFile, Path], None]] = [_copy] if _codec(sound) in COPIED else []
        for write in [*copying, *(partial(_encode, codec=codec) for codec in LOSSLESS)]:
            if _try(write, sound, target):
                content = _content(SoundFile.of(target))
                if content == expected or (write is not _copy and content[:3] == expected[:3]):
                    return
    rates = ", ".join(f"{rate} Hz" for rate in expected.sampling_rates)
    raise InputError(
        f"{sound.name}: its sound ({expected.channels} channels, {rates}) cannot be kept in an MP4 file to the sample; "
        "convert it to stereo of one rate"
    )


def _content(sound: SoundFile) -> _Content:
    rates: dict[int, None] = {}
    channels = sample_count = checksum = 0
    with open_sound(sound.open(), sound.name) as (container, stream):
        for frame in decoded_frames(container, stream, sound.name):
            samples = frame_samples(frame)
            rates[frame.sample_rate] = None
            channels = max(channels, len(samples))
            sample_count += samples.shape[1]
            checksum = zlib.crc32(samples.T.tobytes(), checksum)  # (C, T) -> (T, C), however it is cut into frames
    return _Content(tuple(rates), channels, sample_count, checksum)


def _codec(sound: SoundFile) -> str:
    with open_sound(sound.open(), sound.name) as (_, stream):
        return stream.codec_context.codec.name


def _try(write: Callable[[SoundFile, Path], None], sound: SoundFile, target: Path) -> bool:
    """Whether FFmpeg could write it: which rates and layouts an encoder takes, it says by failing."""
    from av.error import FFmpegError

    try:
        write(sound, target)
    except (FFmpegError, ValueError):
        return False
    return True


def _copy(sound: SoundFile, target: Path) -> None:
    import av

    with open_sound(sound.open(), sound.name) as (source, stream), av.open(str(target), "w", format="mp4") as container:
        copied = container.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.stream = copied
                container.mux(packet)


def _encode(sound: SoundFile, target: Path, *, codec: str) -> None:
    import av

    with open_sound(sound.open(), sound.name) as (source, stream), av.open(str(target), "w", format="mp4") as container:
        encoder: AudioStream | None = None
        for frame in _resampled(decoded_frames(source, stream, sound.name), stream, codec):
            if encoder is None:
                encoder = _add_stream(container, frame, codec)
            container.mux(encoder.encode(frame))
        if encoder is not None:
            container.mux(encoder.encode(None))


def _resampled(frames: Iterator[AudioFrame], stream: AudioStream, codec: str) -> Iterator[AudioFrame]:
    """In a sample format that the codec takes, cut into frames of its length, timed by their samples alone."""
    import av

    short, long = DEPTHS[codec]
    resampler: av.AudioResampler | None = None
    count = 0
    for frame in frames:
        if resampler is None:
            lossy = stream.codec_context.codec.lossy
            is_short = frame.format.name in SHORT_FORMATS or (lossy and frame.format.name in LOSSY_FLOATS)
            resampler = av.AudioResampler(
                format=short if is_short else long, layout=frame.layout, rate=frame.sample_rate
            )
        frame.pts, frame.time_base = count, Fraction(1, frame.sample_rate)
        count += frame.samples
        yield from resampler.resample(frame)
    if resampler is not None:
        yield from resampler.resample(None)


def _add_stream(container: OutputContainer, frame: AudioFrame, codec: str) -> AudioStream:
    stream = cast("AudioStream", container.add_stream(codec, rate=frame.sample_rate))
    stream.codec_context.format = frame.format
    stream.codec_context.layout = frame.layout
    return stream
