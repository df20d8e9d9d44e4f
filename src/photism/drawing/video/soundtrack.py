"""Soundtrack of a film: the audio of the recording on its time axis, as AAC or exact to the sample.

AAC, ALAC and FLAC keep their length when FFmpeg 8 copies their packets to an MP4 file (stream copy). MP3 and Opus
decode to up to 2,127 samples more, because MP4 loses the encoder delay that their own files state. Players treat holes
and late starts in different ways. So packets are copied if they decode to the same samples without a hole, which is
checked for each recording. Other audio is encoded, and begins at 0: as AAC, whose encoder delay the edit list of the
file skips, and which is padded at its end to whole packets of 1024 samples; or with a lossless codec.
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
SAMPLE_FORMATS = {"flac": ("s16", "s32"), "alac": ("s16p", "s32p"), "aac": ("fltp", "fltp")}  # of 16 and 24 bits
AAC_RATES = (7350, 8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000)
AAC_CHANNEL_BITS = 96_000  # per second, at 44.1 kHz and above; less in proportion at lower rates
USUAL_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}  # by channel count
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


class _Encoding(NamedTuple):
    """How audio is encoded; None for the rate and channels of the recording."""

    codec: str
    rate: int | None = None
    layout: str | None = None
    bit_rate: int | None = None


def write_soundtrack(
    sound: SoundFile, target: Path, audio: str = "copy", *, span_s: tuple[float, float] | None = None
) -> None:
    """Write the audio of a recording to an MP4 file with one stream.

    Args:
        sound: the recording.
        target: file that ends in .mp4; an existing one is replaced.
        audio: "copy" keeps the sampling rate, the channels and every sample: the file decodes to exactly as many. They
            are equal, except that samples of more than 24 bits are rounded to 24, and those of lossy codecs that are
            not copied to 16. "aac" encodes other audio than AAC at 96 kbit/s a channel, at its own rate and with its
            own channels if AAC has them, or else at the next rate and in stereo.
        span_s: start and end in seconds of the part that is written; by default all. A part is never copied. It is
            silent after the end of the recording.

    Raises:
        InputError: the recording cannot be read, its rate or channels change within the file, or MP4 cannot hold its
            channels.
    """
    expected = _content(_placed_blocks(sound, span_s))
    source = _source_format(sound)
    if len(expected.sampling_rates) == 1:
        # Each way to write it, and how many fields of the content have to be equal.
        writers: list[tuple[Callable[[SoundFile, Path], None], int]] = []
        is_copied = span_s is None and source.codec in (COPIED if audio == "copy" else {"aac"})
        if is_copied and _content(_frame_blocks(sound)) == expected:
            writers.append((_copy, 4))
        encodings = _aac_encodings(source, expected) if audio == "aac" else map(_Encoding, LOSSLESS)
        for encoding in encodings:
            write = partial(_encode, source=source, encoding=encoding, span_s=span_s)
            writers.append((write, 0 if audio == "aac" else 3))
        for write, fields in writers:
            if _try(write, sound, target):
                content = _content(_placed_blocks(SoundFile.of(target))) if fields else expected
                if content[:fields] == expected[:fields]:
                    return
    rates = ", ".join(f"{rate} Hz" for rate in expected.sampling_rates)
    raise InputError(
        f"{sound.name}: its audio ({expected.channels} channels, {rates}) cannot be stored exactly in an MP4 file; "
        "convert it to stereo with one sampling rate"
    )


def _aac_encodings(source: _SourceFormat, content: _Content) -> Iterator[_Encoding]:
    """Yield the ways to encode as AAC: with the channels of the recording, and in stereo."""
    rate = next((rate for rate in AAC_RATES if rate >= content.sampling_rates[0]), AAC_RATES[-1])
    # The channels of a WAV file often have no names; the usual ones for their number are meant.
    own = source.layout.name if "channels" not in source.layout.name else USUAL_LAYOUTS.get(content.channels, "stereo")
    for layout, channels in ((own, content.channels), ("stereo", 2)):
        bits = channels * min(AAC_CHANNEL_BITS, AAC_CHANNEL_BITS * rate // 44_100)
        yield _Encoding("aac", rate=rate, layout=layout, bit_rate=bits)


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


def _placed_blocks(sound: SoundFile, span_s: tuple[float, float] | None = None) -> Iterator[tuple[float, NDArray[Any]]]:
    blocks = decoded_blocks(sound.open(), sound.name, track=sound.reading.track)
    return blocks if span_s is None else _within(blocks, *span_s)


def _within(
    blocks: Iterator[tuple[float, NDArray[Any]]], start_s: float, stop_s: float
) -> Iterator[tuple[float, NDArray[Any]]]:
    """Yield the samples (C, T) between two times, and silence after the last."""
    count = 0
    last: tuple[float, NDArray[Any]] | None = None
    for rate, samples in blocks:
        start, stop = round(start_s * rate) - count, round(stop_s * rate) - count
        count += samples.shape[1]
        if stop <= 0:
            return
        if start < samples.shape[1]:
            yield rate, samples[:, max(start, 0) : stop]
        last = rate, samples
    if last is not None:
        rate, samples = last
        missing = round(stop_s * rate) - max(count, round(start_s * rate))
        if missing > 0:
            silence = 128 if samples.dtype == np.uint8 else 0
            yield rate, np.full((len(samples), missing), silence, samples.dtype)


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


def _encode(
    sound: SoundFile, target: Path, *, source: _SourceFormat, encoding: _Encoding, span_s: tuple[float, float] | None
) -> None:
    import av

    with av.open(str(target), "w", format="mp4") as container:
        encoder: AudioStream | None = None
        for frame in _resampled(_placed_blocks(sound, span_s), source, encoding):
            if encoder is None:
                encoder = _add_stream(container, frame, encoding)
            container.mux(encoder.encode(frame))
        if encoder is not None:
            container.mux(encoder.encode(None))


def _resampled(
    blocks: Iterator[tuple[float, NDArray[Any]]], source: _SourceFormat, encoding: _Encoding
) -> Iterator[AudioFrame]:
    """Convert samples to frames in a sample format of a codec, with PTS counted in samples."""
    import av

    format_16, format_24 = SAMPLE_FORMATS[encoding.codec]
    resampler: av.AudioResampler | None = None
    count = 0
    for rate, samples in blocks:
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
                format=format_16 if is_16_bit else format_24,
                layout=encoding.layout or frame.layout,
                rate=encoding.rate or frame.sample_rate,
            )
        yield from resampler.resample(frame)
    if resampler is not None:
        yield from resampler.resample(None)


def _add_stream(container: OutputContainer, frame: AudioFrame, encoding: _Encoding) -> AudioStream:
    stream = cast("AudioStream", container.add_stream(encoding.codec, rate=frame.sample_rate))
    stream.codec_context.format = frame.format
    stream.codec_context.layout = frame.layout
    if encoding.bit_rate is not None:
        stream.codec_context.bit_rate = encoding.bit_rate
    return stream
