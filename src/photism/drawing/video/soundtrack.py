"""Soundtrack of a film: the audio of the recording, exact to the sample.

AAC, ALAC and FLAC keep their length when FFmpeg 8 copies their packets to an MP4 file (stream copy). MP3 and Opus
decode to up to 2,127 samples more, because MP4 loses the encoder delay that their own files state, and newly encoded
AAC is padded to whole packets of 1024 samples. So packets are copied if they decode to the same samples, which is
checked for each recording; all other audio is encoded with a lossless codec.
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
LOSSLESS = ("flac", "alac")  # Chrome and Firefox play FLAC in MP4; ALAC is tried if FLAC fails
LOSSY_FLOATS = frozenset({"fltp", "flt"})
SAMPLE_FORMATS = {"flac": ("s16", "s32"), "alac": ("s16p", "s32p")}  # of 16 and 24 bits
SHORT_FORMATS = frozenset({"u8", "u8p", "s16", "s16p"})


class _Content(NamedTuple):
    """Summary of decoded audio, by which two files are compared."""

    sampling_rates: tuple[int, ...]  # several if the rate changes within the file
    channels: int
    sample_count: int
    checksum: int  # of all samples in order


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
        f"{sound.name}: its audio ({expected.channels} channels, {rates}) cannot be stored exactly in an MP4 file; "
        "convert it to stereo with one sampling rate"
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
            checksum = zlib.crc32(samples.T.tobytes(), checksum)  # (C, T) -> (T, C), independent of frame boundaries
    return _Content(tuple(rates), channels, sample_count, checksum)


def _codec(sound: SoundFile) -> str:
    with open_sound(sound.open(), sound.name) as (_, stream):
        return stream.codec_context.codec.name


def _try(write: Callable[[SoundFile, Path], None], sound: SoundFile, target: Path) -> bool:
    """Return whether FFmpeg could write the file: it has no list of the rates and layouts that an encoder accepts."""
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
    """Convert frames to a sample format of the codec, with PTS counted in samples."""
    import av

    format_16, format_24 = SAMPLE_FORMATS[codec]
    resampler: av.AudioResampler | None = None
    count = 0
    for frame in frames:
        if resampler is None:
            lossy = stream.codec_context.codec.lossy
            is_16_bit = frame.format.name in SHORT_FORMATS or (lossy and frame.format.name in LOSSY_FLOATS)
            resampler = av.AudioResampler(
                format=format_16 if is_16_bit else format_24, layout=frame.layout, rate=frame.sample_rate
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
