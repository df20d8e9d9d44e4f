"""Log-mel features, stacked into tokens: the Kaldi-compatible front end of Wav2Vec2-BERT, in torch.

The features equal those of transformers' ``SeamlessM4TFeatureExtractor``, for a whole batch at once and on any device.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool1d, pad

from photism.audio.waveform import (
    FRAME_SAMPLES,
    HIGHEST_RATE,
    LARGEST_SAMPLE,
    LOWEST_RATE,
    SAMPLING_RATE,
    Waveform,
)
from photism.display.short_repr import short_repr
from photism.errors import InputError

FRAMES_PER_S = 100
HOP_SAMPLES = SAMPLING_RATE // FRAMES_PER_S  # 160 samples, 10 ms
FFT_SAMPLES = 1 << (FRAME_SAMPLES - 1).bit_length()  # 512, the next power of two
PREEMPHASIS = 0.97
LOWEST_HZ = 20.0
POWER_FLOOR = 2.0**-23  # Kaldi's: the machine epsilon of float32
VARIANCE_FLOOR = 1e-7
INT16_SCALE = 2.0**15  # Kaldi reads 16-bit integers
BLOCK_FRAMES = 192  # for each thread: bounds the memory of a long recording, and keeps its spectra in the CPU's cache
DEVICE_BLOCK_FRAMES = 1 << 15  # on another device, on which small blocks are slow
OVERHANG_FRAMES = (FRAME_SAMPLES - 1) // HOP_SAMPLES  # 2, start in a recording's last frame and extend beyond it
NORMALIZED_AT_ONCE = 1 << 20  # values: bounds the memory of a long recording, whose bins are normalised in groups


class LogMel(NamedTuple):
    """Input of the encoder, under the names of the arguments of its ``forward``.

    Attributes:
        input_features: (B, F, num_mel_bins * stride) float32.
        attention_mask: (B, F) int64: 1 for a token of the recording, 0 for padding.
    """

    input_features: Tensor
    attention_mask: Tensor

    def __repr__(self) -> str:
        return short_repr(self)


def log_mel(
    waveforms: Sequence[Waveform | Tensor | NDArray[np.floating]],
    *,
    num_mel_bins: int = 80,
    stride: int = 2,
    normalize: bool = True,
    padding_value: float = 0.0,
    sampling_rate: int = SAMPLING_RATE,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str | None = None,
) -> LogMel:
    """Compute log-mel features of recordings and stack them into tokens.

    A frame is 25 ms, every 10 ms; ``stride`` frames make a token. Frames missing at the end of a recording's last
    token have ``padding_value``, and that token is masked. A recording of fewer frames than one token still has one
    valid token, which repeats its last frame. The features of a recording do not depend on the rest of its batch.

    Args:
        waveforms: recordings of (T,) floats within ±1, T at least 400 each; of any lengths.
        num_mel_bins: mel filters between 20 Hz and half the sampling rate.
        stride: frames stacked to a token, 2 for ``facebook/w2v-bert-2.0``.
        normalize: normalise each bin of each recording to mean 0 and variance 1 over its own frames (n - 1 in the
            divisor). A recording of one frame (400 to 559 samples) has no variance: its features are zeros.
        padding_value: value of masked positions; ``facebook/w2v-bert-2.0`` was published with 1.
        sampling_rate: rate of the samples in Hz; a ``Waveform`` has 16000. A frame has 400 samples at any rate.
        dtype: dtype of the arithmetic. ``torch.float64`` is the reference's, and within 1e-5 of it. ``torch.float32``
            takes little more than half the time, for devices without float64: it is within 2e-4 if every bin has
            energy, but off by .04 in bins that have nothing but rounding errors, as in a pure sine or a recording
            without treble.
        device: where to compute; by default the device of the first waveform.

    Returns:
        ``input_features`` (B, F, num_mel_bins * stride) float32 and ``attention_mask`` (B, F) int64.

    Raises:
        InputError: there are no recordings, or one is not (T,) floats, is shorter than a frame, or has NaN, infinity or
            a sample beyond ±2³¹.

    Source: Kaldi's ``compute-fbank-feats``, as in transformers' ``SeamlessM4TFeatureExtractor``.

    Examples:
        >>> recordings = [np.zeros(16_000, np.float32), np.zeros(8_000, np.float32)]
        >>> features, mask = log_mel(recordings)
        >>> features.shape, mask.sum(1)
        (torch.Size([2, 49, 160]), tensor([49, 24]))
    """
    if dtype not in (torch.float32, torch.float64):
        raise InputError(f"dtype must be torch.float32 or torch.float64, not {dtype}")
    if not LOWEST_RATE <= sampling_rate <= HIGHEST_RATE:
        raise InputError(f"sampling_rate must be {LOWEST_RATE} to {HIGHEST_RATE} Hz, not {sampling_rate}")
    if isinstance(waveforms, Waveform | Tensor | np.ndarray) or not len(waveforms):
        raise InputError("waveforms must be a sequence of at least one recording; give [waveform] for a single one")
    if sampling_rate != SAMPLING_RATE and any(isinstance(waveform, Waveform) for waveform in waveforms):
        raise InputError(f"sampling_rate must be {SAMPLING_RATE}, the rate of a Waveform, not {sampling_rate}")
    samples = [_samples(waveform, index) for index, waveform in enumerate(waveforms)]
    device = torch.device(device) if device is not None else samples[0].device
    samples = [each.to(device) for each in samples]

    frame_counts = [frame_count(len(s)) for s in samples]
    frames = max(frame_counts)
    # The only large tensor: filled block by block, then changed in place.
    log_mels = torch.empty(len(samples), frames + -frames % stride, num_mel_bins, device=device)
    for segments in _blocks(frame_counts, device):
        block = _log_mels(samples, segments, num_mel_bins, sampling_rate, dtype)
        for segment in segments:
            log_mels[segment.item, segment.frames] = block[segment.slots]
    for item, count in enumerate(frame_counts):
        bins_at_once = max(1, NORMALIZED_AT_ONCE // count)
        for low in range(0, num_mel_bins if normalize else 0, bins_at_once):
            bins = slice(low, low + bins_at_once)
            log_mels[item, :count, bins] = _normalize(log_mels[item, :count, bins], dtype)
        if count < stride:
            log_mels[item, count:stride] = log_mels[item, count - 1].clone()
        log_mels[item, max(count, stride) :] = padding_value

    # (B, frames, num_mel_bins) -> (B, F, num_mel_bins * stride)
    input_features = log_mels.view(len(samples), -1, num_mel_bins * stride)
    token_counts = torch.tensor([max(1, count // stride) for count in frame_counts], device=device)
    tokens = torch.arange(input_features.shape[1], device=device)
    attention_mask = (tokens < token_counts[:, None]).long()
    return LogMel(input_features, attention_mask)


def frame_count(samples: int) -> int:
    """Return the number of whole frames in samples, at least 400 of them."""
    return 1 + (samples - FRAME_SAMPLES) // HOP_SAMPLES


def _samples(waveform: Waveform | Tensor | NDArray[np.floating], index: int) -> Tensor:
    """Return a recording as a tensor; check it unless it is a ``Waveform``, which was checked when it was made."""
    if isinstance(waveform, Waveform):
        return _shared(waveform.samples)
    samples = _shared(waveform) if isinstance(waveform, np.ndarray) and waveform.dtype.kind == "f" else waveform
    if not isinstance(samples, Tensor) or samples.ndim != 1 or not samples.is_floating_point():
        given = f"{tuple(samples.shape)} {samples.dtype}" if hasattr(samples, "dtype") else type(samples).__name__
        raise InputError(
            f"waveforms[{index}] must be a Waveform or (T,) floats within ±1 at 16 kHz, not {given}; "
            "load_waveform converts any other source"
        )
    if len(samples) < FRAME_SAMPLES:
        raise InputError(f"waveforms[{index}] must have at least {FRAME_SAMPLES} samples (25 ms), not {len(samples)}")
    low, high = (float(each) for each in torch.aminmax(samples.detach()))  # NaN if there is one
    if not -LARGEST_SAMPLE <= low <= high <= LARGEST_SAMPLE:
        raise InputError(
            f"waveforms[{index}] must hold finite samples within ±1, or at most ±2³¹, but they reach from {low:.3g} to "
            f"{high:.3g}"
        )
    return samples


def _shared(samples: NDArray[np.floating]) -> Tensor:
    """Return a tensor that shares the array's memory if torch can, since it is only read."""
    return torch.from_numpy(samples if samples.flags.writeable and samples.flags.c_contiguous else samples.copy())


class _Segment(NamedTuple):
    """Frames of a recording, and their slots in a block: one frame for each ``HOP_SAMPLES``."""

    item: int
    frames: slice
    slots: slice


def _blocks(frame_counts: Sequence[int], device: torch.device) -> Iterator[list[_Segment]]:
    """Concatenate recordings, and split them where a block is full: nothing is computed on padding."""
    at_once = BLOCK_FRAMES * torch.get_num_threads() if device.type == "cpu" else DEVICE_BLOCK_FRAMES
    segments, start = [], 0
    for item, frames in enumerate(frame_counts):
        first = 0
        while first < frames:
            count = min(frames - first, at_once - start)
            segments.append(_Segment(item, slice(first, first + count), slice(start, start + count)))
            first += count
            start += count + OVERHANG_FRAMES
            if start >= at_once:
                yield segments
                segments, start = [], 0
    if segments:
        yield segments


def _log_mels(
    recordings: Sequence[Tensor], segments: list[_Segment], num_mel_bins: int, sampling_rate: int, dtype: torch.dtype
) -> Tensor:
    """Compute the log-mel features (slots, num_mel_bins) of a block; slots between segments have no meaning."""
    device = recordings[0].device
    slots = segments[-1].slots.stop
    # Samples up to the end of the last FFT: those behind a frame are multiplied by zeros of the window.
    samples = torch.zeros((slots - 1) * HOP_SAMPLES + FFT_SAMPLES, dtype=dtype, device=device)
    for item, frames, place in segments:
        reach = (frames.stop - 1) * HOP_SAMPLES + FRAME_SAMPLES
        part = recordings[item][frames.start * HOP_SAMPLES : reach]
        start = place.start * HOP_SAMPLES
        samples[start : start + len(part)] = part
    # Kaldi subtracts a frame's mean and then applies pre-emphasis to the rest. Both are linear: pre-emphasis is applied
    # to the samples once, not to each frame, and (1 - PREEMPHASIS) times the mean is subtracted afterwards. Only the
    # first sample of a frame, which has none before it, differs, and there the window is 0.
    emphasised = pad(torch.sub(samples[1:], samples[:-1], alpha=PREEMPHASIS), (1, 0))
    mean = avg_pool1d(samples[None], FRAME_SAMPLES, HOP_SAMPLES)[0, :slots, None]  # (T,) -> (slots, 1)
    framed = emphasised.unfold(0, FFT_SAMPLES, HOP_SAMPLES)  # (T,) -> (slots, 512), a view
    spectrum = torch.fft.rfft(torch.sub(framed, mean, alpha=1 - PREEMPHASIS).mul_(_povey_window(device, dtype)))
    # Rounded to float32 here and below because the reference is: if a bin hardly varies, its normalisation magnifies
    # even rounding.
    parts = torch.view_as_real(spectrum).float().to(dtype).square_()  # (slots, 257, 2)
    power = parts[..., 0] + parts[..., 1]
    halves = _mel_halves(num_mel_bins, sampling_rate, device, dtype)
    return torch.cat([power[:, bins] @ filters for bins, filters in halves], dim=1).clamp_(min=POWER_FLOOR).log_()


def _normalize(log_mels: Tensor, dtype: torch.dtype) -> Tensor:
    """Normalise each mel bin to mean 0 and variance 1 over a recording's frames: (frames, bins)."""
    # Computed from the difference to the first frame: the result is the same, and a constant bin becomes exactly 0,
    # while the rounding of its mean, divided by the square root of the floor, would be noise of .003 in float32.
    shifted = log_mels.to(dtype) - log_mels[0].to(dtype)
    centred = shifted - shifted.sum(0) / len(shifted)
    variance = centred.square().sum(0) / max(len(centred) - 1, 1)
    return centred / (variance + VARIANCE_FLOOR).sqrt()


def povey_window() -> NDArray[np.float64]:
    """Return Kaldi's window (400,): a symmetric Hann window to the power .85, scaled for 16-bit integers."""
    return INT16_SCALE * np.hanning(FRAME_SAMPLES) ** 0.85


@lru_cache(maxsize=8)
def _povey_window(device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return Kaldi's window and zeros up to the length of the FFT, (512,)."""
    return _constant(np.pad(povey_window(), (0, FFT_SAMPLES - FRAME_SAMPLES)), device, dtype)


@lru_cache(maxsize=8)
def _mel_halves(
    num_mel_bins: int, sampling_rate: int, device: torch.device, dtype: torch.dtype
) -> list[tuple[slice, Tensor]]:
    """Return the lower and the upper half of the filters, each with the FFT bins that it covers."""
    halves = []
    for half in np.array_split(mel_filters(num_mel_bins, sampling_rate), 2, axis=1):
        covered = half.any(axis=1).nonzero()[0].tolist() or [0]
        bins = slice(covered[0], covered[-1] + 1)
        halves.append((bins, _constant(half[bins], device, dtype)))
    return halves


def mel_filters(num_mel_bins: int, sampling_rate: int = SAMPLING_RATE) -> NDArray[np.float64]:
    """Return triangular filters (257, num_mel_bins) over the FFT bins, linear and of height 1 on the mel scale."""
    edges = np.linspace(_mel(LOWEST_HZ), _mel(sampling_rate // 2), num_mel_bins + 2)
    bins = _mel(np.arange(FFT_SAMPLES // 2 + 1) * sampling_rate / FFT_SAMPLES)[:, None]
    width = edges[1] - edges[0]
    rising, falling = (bins - edges[:-2]) / width, (edges[2:] - bins) / width
    return np.minimum(rising, falling).clip(min=0)


def _mel(hertz: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return 1127 * np.log1p(np.asarray(hertz) / 700)


def _constant(values: NDArray[np.floating], device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return a tensor that may be cached: one made in inference mode could not be used with gradients later."""
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=dtype, device=device)
