"""Sound as the rest of Photism takes it: mono float32 at 16 kHz, made from anything and checked once."""

import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from photism.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

SAMPLING_RATE = 16_000  # Hz
FRAME_SAMPLES = SAMPLING_RATE * 25 // 1000  # 400 samples, one frame of log_mel: the shortest sound that has features
LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000  # Hz; anything else is a damaged header or a slip
SAMPLE_TYPES = ("u1", "i2", "i4", "f2", "f4", "f8")  # as in numpy.dtype.str, whatever the byte order
MAX_DOWNLOAD_BYTES = 256 * 2**20
TIMEOUT_S = 30.0
MAX_CHANNELS = 8  # 7.1; a longer axis is taken for time, or for a batch

AudioSource: TypeAlias = (
    "Waveform | str | Path | bytes | BinaryIO | NDArray[Any] | Tensor | Sequence[Any] | Mapping[str, Any]"
)


@dataclass(frozen=True, slots=True, eq=False)
class Waveform:
    """A mono recording at 16 kHz that is fit for use: the checks are made here, and nowhere after.

    Attributes:
        samples: (T,) float32, nominally within ±1, finite, at least 400 (25 ms).

    Raises:
        InputError: ``samples`` is anything else. ``load_waveform`` converts.
    """

    samples: NDArray[np.float32]

    def __post_init__(self) -> None:
        samples: Any = self.samples
        if not isinstance(samples, np.ndarray) or samples.ndim != 1 or samples.dtype != np.float32:
            came = f"{samples.shape} {samples.dtype}" if isinstance(samples, np.ndarray) else type(samples).__name__
            raise InputError(f"samples must be a (T,) float32 array at 16 kHz, not {came}; load_waveform converts")
        if len(samples) < FRAME_SAMPLES:
            raise InputError(
                f"samples must be at least {FRAME_SAMPLES} (25 ms at 16 kHz), not {len(samples)}; "
                "give a longer recording"
            )
        if not np.isfinite(samples).all():
            raise InputError("samples must be finite, but hold NaN or infinity; repair the recording")

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SAMPLING_RATE


def load_waveform(
    source: AudioSource,
    *,
    sampling_rate: float | None = None,
    channel_axis: int | None = None,
    max_duration_s: float = 3600.0,
    max_download_bytes: int = MAX_DOWNLOAD_BYTES,
    timeout_s: float = TIMEOUT_S,
) -> Waveform:
    """Make a mono 16 kHz waveform of a recording in any form.

    Files are decoded by FFmpeg through PyAV (no system program), sound tracks of videos included; one that breaks off
    gives what could be decoded. Channels are averaged; soxr resamples in its quality HQ.

    Args:
        source: path, ``http(s)://`` or ``file://`` URL, the bytes of a file, binary file object (read from where it
            stands), array, tensor or list of samples, mapping of ``"array"`` or ``"raw"`` and ``"sampling_rate"``, or
            ``Waveform``, which is returned as it is. Samples are floats within ±1, (T,) or with at most 8 channels
            before or after; uint8, int16 and int32 are scaled to ±1.
        sampling_rate: of an array, in Hz, 1000 to 768,000. A mapping or file has its own.
        channel_axis: 0 or 1, the axis of an array's channels; needed only where its shape does not tell.
        max_duration_s: decoding stops with an error when a recording is longer; ``math.inf`` for no limit.
        max_download_bytes: the most that is read from a URL or file object before it is given up.
        timeout_s: how long a server may keep silent.

    Raises:
        InputError: the source is missing, unreachable, not audio, too long, too short (under 25 ms), not finite, or
            its rate or channels are unknown or out of range.

    Example:
        >>> load_waveform([0.0] * 800, sampling_rate=8000).duration_s
        0.1
    """
    if isinstance(source, Waveform):
        return source
    array, rate = _array_and_rate(source, sampling_rate)
    if array is not None:
        name = f"source {array.dtype} {array.shape}"
        blocks = iter([(rate, _channels_first(array, channel_axis, name))])
    elif sampling_rate is not None or channel_axis is not None:
        raise InputError("sampling_rate and channel_axis are for arrays only: leave them out, source has its own")
    else:
        from photism.audio.decoding import decoded_blocks, open_source

        name = f"source {str(source)!r}" if isinstance(source, str | Path) else f"source ({type(source).__name__})"
        file = open_source(source, name, max_download_bytes=max_download_bytes, timeout_s=timeout_s)
        blocks = decoded_blocks(file, name)
    samples = _joined(mono_16khz(blocks, name), name, max_duration_s)
    try:
        return Waveform(samples)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


def _array_and_rate(source: object, sampling_rate: float | None) -> tuple[NDArray[Any] | None, float]:
    """The samples and their rate, or None where ``source`` is a file of some kind."""
    if isinstance(source, Mapping):
        sound = cast("Mapping[str, Any]", source)
        array = _array(sound["array"] if "array" in sound else sound.get("raw"))
        if array is None or "sampling_rate" not in sound or sampling_rate is not None:
            raise InputError(
                'source as a mapping must hold "array" or "raw" and its own "sampling_rate", and no other rate be '
                f"given; it has {sorted(map(str, sound))}"
            )
        sampling_rate = sound["sampling_rate"]
    else:
        array = _array(source)
    if array is not None and sampling_rate is None:
        raise InputError("sampling_rate is missing: samples need their rate in Hz, such as sampling_rate=16000")
    try:
        return array, float(sampling_rate or 0)
    except (TypeError, ValueError):
        raise InputError(f"sampling_rate must be a number in Hz, not {sampling_rate!r}") from None


def _array(source: Any) -> NDArray[Any] | None:
    """Samples in memory as NumPy sees them. A tensor can only come from a torch that is already imported."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(source, torch.Tensor):
        tensor = source.detach().cpu()
        return (tensor.float() if tensor.is_floating_point() else tensor).numpy()  # NumPy has no bfloat16
    if isinstance(source, list | tuple):
        try:
            return np.asarray(source)
        except ValueError:
            raise InputError("source as a list must be samples, or channels of equal length; give one sound") from None
    return source if isinstance(source, np.ndarray) else None


def _channels_first(array: NDArray[Any], channel_axis: int | None, name: str) -> NDArray[Any]:
    """(T,), (C, T) or (T, C) samples of a known type -> (C, T)."""
    if array.dtype.str[1:] not in SAMPLE_TYPES:
        raise InputError(
            f"{name} must be floats within ±1, or uint8, int16 or int32, which are scaled to it; convert it"
        )
    if array.size == 0:
        raise InputError(f"{name} holds no samples")
    if array.ndim == 1 and channel_axis is None:
        return array[None]
    if array.ndim != 2 or channel_axis not in (None, 0, 1):
        raise InputError(
            f"{name} with channel_axis={channel_axis} is not one sound: give (T,), or two axes and channel_axis 0 or 1"
        )
    if channel_axis is None:
        axes = [axis for axis in (0, 1) if array.shape[axis] <= MAX_CHANNELS]
        if len(axes) != 1:
            raise InputError(
                f"{name} does not tell its channels (one axis of at most {MAX_CHANNELS}) from its time: "
                "give channel_axis=0 or channel_axis=1, or each sound on its own"
            )
        channel_axis = axes[0]
    return np.moveaxis(array, channel_axis, 0)


def mono_16khz(blocks: Iterator[tuple[float, NDArray[Any]]], name: str) -> Generator[NDArray[np.float32]]:
    """Mix down and resample a recording piece by piece.

    Args:
        blocks: the rate in Hz, which may change on the way, and samples (C, T) of any of ``SAMPLE_TYPES``.
        name: what error messages call the recording.

    Yields:
        (T,) float32 at 16 kHz, of any length, none included; not checked for NaN or infinity.

    Raises:
        InputError: a rate is out of range.
    """
    import soxr

    for rate, pieces in groupby(blocks, key=itemgetter(0)):
        if not LOWEST_RATE <= rate <= HIGHEST_RATE:
            raise InputError(
                f"{name}: sampling_rate must be {LOWEST_RATE} to {HIGHEST_RATE} Hz, not {rate:g}; "
                "give the true rate, or repair the recording"
            )
        stream = soxr.ResampleStream(rate, SAMPLING_RATE, 1, dtype="float32", quality="HQ")
        for _, piece in pieces:
            with np.errstate(over="ignore", invalid="ignore"):  # Waveform refuses what is not finite
                mono = _scaled(piece).mean(0)
            yield stream.resample_chunk(mono)
        yield stream.resample_chunk(np.empty(0, np.float32), last=True)


def _joined(pieces: Iterator[NDArray[np.float32]], name: str, max_duration_s: float) -> NDArray[np.float32]:
    """Pieces at 16 kHz in one, given up as soon as they are too long."""
    held: list[NDArray[np.float32]] = []
    count = 0
    for piece in pieces:
        held.append(piece)
        count += len(piece)
        if count > max_duration_s * SAMPLING_RATE:
            raise InputError(f"{name} is longer than max_duration_s={max_duration_s:g}; cut it, or raise the limit")
    return np.concatenate(held)


def _scaled(samples: NDArray[Any]) -> NDArray[np.float32]:
    """Integers, of which unsigned ones have their zero in the middle, to floats within ±1."""
    if samples.dtype.kind == "f":
        return samples.astype(np.float32, copy=False)
    scaled = samples.astype(np.float32) / 2.0 ** (8 * samples.dtype.itemsize - 1)
    return scaled - 1.0 if samples.dtype.kind == "u" else scaled
