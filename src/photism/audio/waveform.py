"""Recordings as Photism uses them: mono float32 at 16 kHz, made from any source and checked once."""

import math
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from photism.audio.channels import mixed_down
from photism.audio.level import SignalLevel, measure_level
from photism.audio.reading_settings import ReadingSettings
from photism.audio.sampling import FRAME_SAMPLES, HIGHEST_RATE, LOWEST_RATE, SAMPLING_RATE
from photism.audio.segment import Skip, segment_of, until_end
from photism.audio.sources import MAX_DOWNLOAD_BYTES, MAX_DOWNLOAD_S, TIMEOUT_S, SoundFile, open_source, source_name
from photism.display.short_repr import short_repr
from photism.errors import InputError, as_input_error

if TYPE_CHECKING:
    from torch import Tensor

SAMPLE_TYPES = ("u1", "i2", "i4", "f2", "f4", "f8")  # as in numpy.dtype.str, in either byte order
MAX_CHANNELS = 8  # 7.1; a longer axis is time, or a batch
LARGEST_SAMPLE = 2.0**31  # 32-bit integers that were stored as floats; louder is damage, and overflows in log_mel
SAMPLE_KEYS = ("raw", "array")  # of a mapping, in the order in which transformers' pipelines look for them

AudioSource: TypeAlias = (
    "Waveform | SoundFile | str | Path | bytes | BinaryIO | NDArray[Any] | Tensor | Sequence[Any] | Mapping[str, Any]"
)
"""A recording, in any form that `load_waveform` takes."""


@dataclass(frozen=True, slots=True, eq=False)
class Waveform:
    """A valid mono recording at 16 kHz; the code that receives it need not check it again.

    Attributes:
        samples: (T,) float32, nominally within ±1, at most ±2³¹, at least 400 (25 ms).
        warnings: what is missing in the recording, such as seconds of a truncated file.

    Raises:
        InputError: ``samples`` is anything else. ``load_waveform`` converts it.
    """

    samples: NDArray[np.float32]
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        samples: Any = self.samples
        if not isinstance(samples, np.ndarray) or samples.ndim != 1 or samples.dtype != np.float32:
            given = f"{samples.shape} {samples.dtype}" if isinstance(samples, np.ndarray) else type(samples).__name__
            raise InputError(f"samples must be a (T,) float32 array at 16 kHz, not {given}; load_waveform converts it")
        if len(samples) < FRAME_SAMPLES:
            raise InputError(
                f"samples must be at least {FRAME_SAMPLES} (25 ms at 16 kHz), not {len(samples)}; "
                "give a longer recording",
                code="too-short",
            )
        check_range(samples)

    @property
    def sample_count(self) -> int:
        """Number of samples."""
        return len(self.samples)

    @property
    def duration_s(self) -> float:
        """Duration in seconds."""
        return len(self.samples) / SAMPLING_RATE

    @property
    def level(self) -> SignalLevel:
        """Level of the recording, and whether it holds any sound; measured at each access."""
        return measure_level(self.samples)

    def __repr__(self) -> str:
        return short_repr(self, duration_s=self.duration_s, **({"warnings": self.warnings} if self.warnings else {}))

    def _repr_html_(self) -> str:
        from photism.audio.waveform_html import waveform_html

        return waveform_html(self.samples, SAMPLING_RATE, warnings=self.warnings)


def check_range(samples: NDArray[np.floating]) -> None:
    """Check that samples (T,) are numbers of a plausible size.

    Raises:
        InputError: one is NaN, infinite or beyond ±2³¹.
    """
    if not samples.size:
        return
    low, high = float(samples.min()), float(samples.max())  # NaN if there is one
    if not -math.inf < low <= high < math.inf:
        raise InputError("samples must be finite, but contain NaN or infinity; repair the recording")
    if max(-low, high) > LARGEST_SAMPLE:
        raise InputError(
            f"samples are out of range: they must be within ±1, or integers up to 32 bits as floats, but reach "
            f"{max(-low, high):.3g}; repair the recording"
        )


def load_waveform(
    source: AudioSource,
    *,
    sampling_rate: float | None = None,
    channel_axis: int | None = None,
    track: int | str | None = None,
    channel: int | str | None = None,
    strict: bool = False,
    max_duration_s: float = 3600.0,
    max_download_bytes: int = MAX_DOWNLOAD_BYTES,
    timeout_s: float = TIMEOUT_S,
    max_download_s: float = MAX_DOWNLOAD_S,
    allow_private_urls: bool = False,
) -> Waveform:
    """Load a recording from any source as a mono waveform at 16 kHz.

    FFmpeg decodes files through PyAV (without a system program), including the audio of videos. Samples are placed on
    the time axis of the file, with silence in holes. A truncated or damaged file gives what could be decoded, and a
    ``RecordingWarning`` with the seconds that are missing. Channels are averaged, and soxr resamples with its quality
    HQ.

    Args:
        source: path, ``http(s)://``, ``file://`` or fsspec URL such as ``s3://bucket/a.wav``, the bytes of a file,
            binary file object (read from its current position), array, tensor or list of samples, mapping with
            ``"array"`` or ``"raw"`` and ``"sampling_rate"``, ``SoundFile``, which has its own settings of reading and
            its own segment, anything else that ``recording_in`` accepts, or ``Waveform``, which is returned unchanged.
            Samples are floats within ±1, (T,) or with an axis of at most 8 channels before or after the time; uint8,
            int16 and int32 are scaled to ±1.
        sampling_rate: sampling rate of an array in Hz, 1000 to 768,000. Mappings and files have their own.
        channel_axis: 0 or 1, the axis of an array's channels; needed only if the shape is ambiguous.
        track: audio track of a file, as its number from 1 or its language such as "fra"; by default FFmpeg's choice.
        channel: channel to take, "left", "right" or its number from 1; by default the mean of all channels.
        strict: raise an error if something is missing, rather than warn.
        max_duration_s: longest recording that is accepted; ``math.inf`` for no limit.
        max_download_bytes: most bytes that are read from a URL or file object, by default 256 MiB.
        timeout_s: longest time in seconds without an answer from a server, by default 30.
        max_download_s: longest time in seconds of a whole download, by default 600.
        allow_private_urls: accept URLs of loopback, private and link-local addresses.

    Raises:
        InputError: the source is missing, unreachable, not audio, too long, too short (under 25 ms), not finite, or
            its rate or channels are unknown or out of range; it has no such track or channel; or something is missing
            and ``strict`` is set.

    Examples:
        >>> load_waveform([0.0] * 800, sampling_rate=8000).duration_s
        0.1
    """
    source = recording_in(source)
    if isinstance(source, Waveform):
        return source
    if isinstance(source, SoundFile) and (decoded := source.decoded_within(max_duration_s)) is not None:
        return decoded
    if isinstance(source, SoundFile) and (track is not None or channel is not None or strict or allow_private_urls):
        raise InputError("a SoundFile has its own track, channel, strict and allow_private_urls: give them to it")
    reading = (
        source.reading
        if isinstance(source, SoundFile)
        else ReadingSettings(track=track, channel=channel, strict=strict, allow_private_urls=allow_private_urls)
    )
    warnings: list[str] = []
    open_file = partial(
        open_source,
        max_download_bytes=max_download_bytes,
        timeout_s=timeout_s,
        max_download_s=max_download_s,
        allow_private_urls=reading.allow_private_urls,
    )
    name, skip, blocks = read_blocks(
        source,
        reading,
        warnings,
        sampling_rate=sampling_rate,
        channel_axis=channel_axis,
        open_file=open_file,
    )
    mono = mono_16khz(blocks, name, channel=reading.channel_number, warnings=warnings)
    samples = _concatenate(segment_of(mono, source, skip, SAMPLING_RATE, warnings), name, max_duration_s)
    try:
        waveform = Waveform(samples, tuple(warnings))
    except InputError as error:
        raise error.about(name) from None
    if isinstance(source, SoundFile):
        source.warnings = waveform.warnings
    reading.report(name, warnings)
    return waveform


def load_samples(source: AudioSource, target_rate: int, *, sampling_rate: float | None = None) -> NDArray[np.float32]:
    """Load a recording from any source as mono samples at any rate.

    Args:
        source: source of ``load_waveform``.
        target_rate: sampling rate of the result in Hz.
        sampling_rate: sampling rate of an array in Hz. Mappings and files have their own.

    Returns:
        (T,) float32, of any length and not checked for NaN or infinity.

    Raises:
        InputError: the source cannot be read, as in ``load_waveform``.
    """
    source = recording_in(source)
    if isinstance(source, Waveform):
        if target_rate == SAMPLING_RATE:
            return source.samples
        source, sampling_rate = source.samples, SAMPLING_RATE
    reading = source.reading if isinstance(source, SoundFile) else ReadingSettings()
    warnings: list[str] = []
    name, skip, blocks = read_blocks(source, reading, warnings, sampling_rate=sampling_rate)
    mono = to_mono(blocks, name, target_rate, channel=reading.channel_number, warnings=warnings)
    samples = np.concatenate(list(segment_of(mono, source, skip, target_rate, warnings)))
    reading.report(name, warnings)
    return samples


def recording_in(source: Any) -> Any:
    """Return the recording that a source contains: samples with their rate, or a file.

    This reads a row of a data set with a column ``audio``, a recording of the feature Audio of datasets, decoded or
    not, and a decoder of torchcodec. Samples take precedence over ``"bytes"``, and these over ``"path"``: a decoded
    recording still carries the name of the file that it was read from. Any other source is returned unchanged.
    """
    if isinstance(source, Mapping):
        row = cast("Mapping[str, Any]", source)
        source = row if row.get("audio") is None else row["audio"]
    if isinstance(source, Mapping):
        recording = cast("Mapping[str, Any]", source)
        if any(recording.get(name) is not None for name in SAMPLE_KEYS):
            return recording
        return next((recording[name] for name in ("bytes", "path") if recording.get(name) is not None), recording)
    if hasattr(source, "get_all_samples"):  # a decoder of torchcodec, as datasets 4 has it in a row
        with as_input_error(f"{source_name(source)}: cannot be decoded"):
            samples = source.get_all_samples()
        return {"array": samples.data, "sampling_rate": samples.sample_rate}
    return source


def read_blocks(
    source: Any,
    reading: ReadingSettings,
    warnings: list[str],
    *,
    sampling_rate: float | None = None,
    channel_axis: int | None = None,
    open_file: Callable[..., BinaryIO] = open_source,
) -> tuple[str, Skip, Iterator[tuple[float, NDArray[Any]]]]:
    """Return the name of a source for error messages, what is skipped of it, and its blocks as ``to_mono`` takes them.

    Args:
        source: source of ``load_waveform``, from ``recording_in``, other than a ``Waveform``.
        reading: how a file is read.
        warnings: list to which is added what is missing, at the end of the blocks.
        sampling_rate: as in ``load_waveform``.
        channel_axis: as in ``load_waveform``.
        open_file: opens a file.

    Raises:
        InputError: the source cannot be opened, or it is no recording.
    """
    array, rate = _array_and_rate(source, sampling_rate)
    if array is not None:
        name = f"source {array.dtype} {array.shape}"
        if reading.track is not None:
            raise InputError("track is for files only; omit it, or give the array of one track")
        return name, Skip(0), iter([(rate, _channels_first(array, channel_axis, name))])
    if sampling_rate is not None or channel_axis is not None:
        raise InputError("sampling_rate and channel_axis are for arrays only; omit them, the source has its own")
    from photism.audio.decoding import decoded_blocks

    name = source_name(source)
    file = open_file(source, name, warnings=warnings)
    skip = Skip.before(source)
    blocks = decoded_blocks(file, name, track=reading.track, skip=skip, warnings=warnings)
    return name, skip, until_end(skip.after(blocks), source, skip)


def _array_and_rate(source: object, sampling_rate: float | None) -> tuple[NDArray[Any] | None, float]:
    """Return the samples in memory and their rate; None instead of samples for any kind of file."""
    if isinstance(source, Mapping):
        recording = cast("Mapping[str, Any]", source)
        array = _array(next((recording[key] for key in SAMPLE_KEYS if recording.get(key) is not None), None))
        if array is None or "sampling_rate" not in recording or sampling_rate is not None:
            raise InputError(
                'source as a mapping must have "array" or "raw" and its own "sampling_rate", and no other rate may be '
                f"given; it has {sorted(map(str, recording))}"
            )
        sampling_rate = recording["sampling_rate"]
    else:
        array = _array(source)
    if array is not None and sampling_rate is None:
        raise InputError(
            "sampling_rate is missing: samples need their rate in Hz; give "
            '{"array": samples, "sampling_rate": 16000}, or sampling_rate=16000 to a function that takes it'
        )
    try:
        return array, float(sampling_rate or 0)
    except (TypeError, ValueError):
        raise InputError(f"sampling_rate must be a number in Hz, not {sampling_rate!r}") from None


def _array(source: Any) -> NDArray[Any] | None:
    """Return samples in memory as a NumPy array, or None for anything else."""
    torch = sys.modules.get("torch")  # a tensor can only come from a torch that is already imported
    if torch is not None and isinstance(source, torch.Tensor):
        tensor = source.detach().cpu()
        return (tensor.float() if tensor.is_floating_point() else tensor).numpy()  # NumPy has no bfloat16
    if isinstance(source, list | tuple):
        try:
            return np.asarray(source)
        except ValueError:
            raise InputError(
                "source as a list must be samples, or channels of equal length; give one recording"
            ) from None
    return source if isinstance(source, np.ndarray) else None


def _channels_first(array: NDArray[Any], channel_axis: int | None, name: str) -> NDArray[Any]:
    """Check samples and arrange them: (T,), (C, T) or (T, C) -> (C, T)."""
    if array.dtype.str[1:] not in SAMPLE_TYPES:
        raise InputError(
            f"{name} must be floats within ±1, or uint8, int16 or int32, which are scaled to it; convert it"
        )
    if array.size == 0:
        raise InputError(f"{name} has no samples")
    if array.ndim == 1 and channel_axis is None:
        return array[None]
    if array.ndim != 2 or channel_axis not in (None, 0, 1):
        raise InputError(
            f"{name} with channel_axis={channel_axis} is not one recording: give (T,), or two axes and channel_axis 0 "
            "or 1"
        )
    if channel_axis is None:
        axes = [axis for axis in (0, 1) if array.shape[axis] <= MAX_CHANNELS]
        if len(axes) != 1:
            raise InputError(
                f"{name} is ambiguous: the axis of channels is the one of at most {MAX_CHANNELS}; "
                "give channel_axis=0 or channel_axis=1, or one recording at a time"
            )
        channel_axis = axes[0]
    return np.moveaxis(array, channel_axis, 0)


def mono_16khz(
    blocks: Iterator[tuple[float, NDArray[Any]]],
    name: str,
    *,
    channel: int | None = None,
    warnings: list[str] | None = None,
) -> Generator[NDArray[np.float32]]:
    """Mix down a recording and resample it to 16 kHz block by block, as ``to_mono`` does."""
    return to_mono(blocks, name, SAMPLING_RATE, channel=channel, warnings=warnings)


def to_mono(
    blocks: Iterator[tuple[float, NDArray[Any]]],
    name: str,
    target_rate: int,
    *,
    channel: int | None = None,
    warnings: list[str] | None = None,
) -> Generator[NDArray[np.float32]]:
    """Mix down and resample a recording block by block.

    Args:
        blocks: sampling rate in Hz, which may change between blocks, and samples (C, T) of any of ``SAMPLE_TYPES``.
        name: name of the recording in error messages.
        target_rate: sampling rate of the result in Hz.
        channel: number of the channel to take, from 1; None for the mean of all.
        warnings: list to which it is added, at the end, if the channels cancel out.

    Yields:
        (T,) float32 at ``target_rate``, of any length including 0; not checked for NaN or infinity.

    Raises:
        InputError: a rate is out of range, or there is no such channel.
    """
    import soxr

    mixed = mixed_down(blocks, name, channel=channel, warnings=[] if warnings is None else warnings)
    for rate, of_rate in groupby(mixed, key=itemgetter(0)):
        if not LOWEST_RATE <= rate <= HIGHEST_RATE:
            raise InputError(
                f"{name}: sampling_rate must be {LOWEST_RATE} to {HIGHEST_RATE} Hz, not {rate:g}; "
                "give the true rate, or repair the recording"
            )
        stream = soxr.ResampleStream(rate, target_rate, 1, dtype="float32", quality="HQ")
        for _, samples in of_rate:
            yield stream.resample_chunk(samples)
        yield stream.resample_chunk(np.empty(0, np.float32), last=True)


def _concatenate(blocks: Iterator[NDArray[np.float32]], name: str, max_duration_s: float) -> NDArray[np.float32]:
    """Concatenate blocks at 16 kHz, and stop with an error as soon as they are too long."""
    held: list[NDArray[np.float32]] = []
    count = 0
    for block in blocks:
        held.append(block)
        count += len(block)
        if count > max_duration_s * SAMPLING_RATE:
            raise InputError(f"{name} is longer than max_duration_s={max_duration_s:g}; cut it, or raise the limit")
    return np.concatenate(held)
