"""From samples to log-mel tokens: the front end of Wav2Vec2-BERT, Kaldi-compatible, in torch.

The same numbers as transformers' ``SeamlessM4TFeatureExtractor``, for a whole batch at once and on any device.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool1d, pad
from torch.nn.utils.rnn import pad_sequence

from photism.audio.waveform import FRAME_SAMPLES, SAMPLING_RATE, Waveform
from photism.errors import InputError

FRAMES_PER_S = 100
HOP_SAMPLES = SAMPLING_RATE // FRAMES_PER_S  # 160 samples, 10 ms
FFT_SAMPLES = 1 << (FRAME_SAMPLES - 1).bit_length()  # 512, the next power of two
PREEMPHASIS = 0.97
LOWEST_HZ = 20.0
HIGHEST_HZ = SAMPLING_RATE / 2
POWER_FLOOR = 2.0**-23  # Kaldi's: the machine epsilon of float32
VARIANCE_FLOOR = 1e-7
INT16_SCALE = 2.0**15  # Kaldi reads 16-bit integers
BLOCK_FRAMES = 512  # a thread's: bounds the memory of a long recording, and its spectra stay near the processor
DEVICE_BLOCK_FRAMES = 1 << 15  # the same on another device, for which small blocks are slow
BLOCK_BINS = 16  # the same where bins are normalised, each for itself


class LogMel(NamedTuple):
    """What the encoder takes, under the names of its ``forward``."""

    input_features: Tensor  # (B, F, num_mel_bins * stride) float32
    attention_mask: Tensor  # (B, F) int64: 1 for a token of the recording, 0 for padding


def log_mel(
    waveforms: Sequence[Waveform | Tensor | NDArray[np.floating]],
    *,
    num_mel_bins: int = 80,
    stride: int = 2,
    normalize: bool = True,
    padding_value: float = 0.0,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str | None = None,
) -> LogMel:
    """Compute log-mel features of recordings and stack them into tokens.

    A frame is 25 ms, every 10 ms; ``stride`` frames make a token. Frames missing at the end of a recording's last
    token hold ``padding_value`` and that token is masked. A recording of fewer frames than one token still gives one
    valid token: its last frame is repeated. What a recording gives does not depend on the others of its batch.

    Args:
        waveforms: recordings of (T,) floats within ±1 at 16 kHz, T at least 400 each; of any lengths.
        num_mel_bins: mel filters between 20 and 8000 Hz.
        stride: frames stacked to a token, 2 for ``facebook/w2v-bert-2.0``.
        normalize: bring each bin of each recording to mean 0 and variance 1 over its own frames (n - 1 in the
            divisor). A recording of one frame (400 to 559 samples) has no variance: it gives zeros.
        padding_value: content of the masked positions; ``facebook/w2v-bert-2.0`` was published with 1.
        dtype: of the arithmetic. ``torch.float64`` is the reference's, and within 1e-5 of it. ``torch.float32`` takes
            half the time, for devices without float64: within 2e-4 where every bin holds sound, but off by .04
            in bins that hold nothing but rounding, as in a pure sine or a recording without treble.
        device: where to compute; by default, where the first waveform is.

    Returns:
        ``input_features`` (B, F, num_mel_bins * stride) float32 and ``attention_mask`` (B, F) int64.

    Raises:
        InputError: no recordings, or one that is not (T,) floats, is shorter than a frame, or holds NaN or infinity.

    Source: Kaldi's ``compute-fbank-feats``, as in transformers' ``SeamlessM4TFeatureExtractor``.

    Example:
        >>> recordings = [np.zeros(16_000, np.float32), np.zeros(8_000, np.float32)]
        >>> features, mask = log_mel(recordings)
        >>> features.shape, mask.sum(1)
        (torch.Size([2, 49, 160]), tensor([49, 24]))
    """
    if dtype not in (torch.float32, torch.float64):
        raise InputError(f"dtype must be torch.float32 or torch.float64, not {dtype}")
    if isinstance(waveforms, Waveform | Tensor | np.ndarray) or not len(waveforms):
        raise InputError("waveforms must be a sequence of at least one recording; give [waveform] for a single one")
    samples = [_samples(waveform, index) for index, waveform in enumerate(waveforms)]
    device = torch.device(device) if device is not None else samples[0].device
    samples = [each.to(device) for each in samples]

    frame_counts = [1 + (len(s) - FRAME_SAMPLES) // HOP_SAMPLES for s in samples]
    counts = torch.tensor(frame_counts, device=device)
    frames = max(frame_counts)
    # The only large tensor: filled block by block, then changed in place.
    log_mels = torch.empty(len(samples), frames + -frames % stride, num_mel_bins, device=device)
    for first, block in _log_mel_blocks(samples, num_mel_bins, dtype):
        log_mels[:, first : first + block.shape[1]] = block
    if normalize:
        for low in range(0, num_mel_bins, BLOCK_BINS):
            bins = slice(low, low + BLOCK_BINS)
            log_mels[:, :frames, bins] = _normalize(log_mels[:, :frames, bins].to(dtype), counts)
    for item, count in enumerate(frame_counts):
        if count < stride:
            log_mels[item, count:stride] = log_mels[item, count - 1].clone()
    counts = counts.clamp(min=stride)
    log_mels.masked_fill_(~_valid(counts, log_mels.shape[1]), padding_value)

    # (B, frames, num_mel_bins) -> (B, F, num_mel_bins * stride)
    input_features = log_mels.view(len(samples), -1, num_mel_bins * stride)
    tokens = torch.arange(input_features.shape[1], device=device)
    attention_mask = (tokens < (counts // stride)[:, None]).long()
    return LogMel(input_features, attention_mask)


def _samples(waveform: Waveform | Tensor | NDArray[np.floating], index: int) -> Tensor:
    """One recording as a tensor. A ``Waveform`` was checked when it was made; anything else is checked here."""
    if isinstance(waveform, Waveform):
        return _shared(waveform.samples)
    samples = _shared(waveform) if isinstance(waveform, np.ndarray) and waveform.dtype.kind == "f" else waveform
    if not isinstance(samples, Tensor) or samples.ndim != 1 or not samples.is_floating_point():
        came = f"{tuple(samples.shape)} {samples.dtype}" if hasattr(samples, "dtype") else type(samples).__name__
        raise InputError(
            f"waveforms[{index}] must be a Waveform or (T,) floats within ±1 at 16 kHz, not {came}; "
            "load_waveform converts anything else"
        )
    if len(samples) < FRAME_SAMPLES:
        raise InputError(f"waveforms[{index}] must have at least {FRAME_SAMPLES} samples (25 ms), not {len(samples)}")
    # A sum that is finite has only finite parts, and is found in a third of the time.
    if not samples.sum().isfinite() and not samples.isfinite().all():
        raise InputError(f"waveforms[{index}] must hold finite samples, but has NaN or infinity")
    return samples


def _shared(samples: NDArray[np.floating]) -> Tensor:
    """A tensor in the array's own memory, where torch can have it: it is only read."""
    return torch.from_numpy(samples if samples.flags.writeable and samples.flags.c_contiguous else samples.copy())


def _log_mel_blocks(
    recordings: Sequence[Tensor], num_mel_bins: int, dtype: torch.dtype
) -> Iterator[tuple[int, Tensor]]:
    """Of B (T,), block by block: its first frame, and log-powers of the mel bands (B, count, num_mel_bins)."""
    device = recordings[0].device
    window = _povey_window(device, dtype)
    filters = _mel_filters(num_mel_bins, device, dtype)
    frames = 1 + (max(map(len, recordings)) - FRAME_SAMPLES) // HOP_SAMPLES
    at_once = BLOCK_FRAMES * torch.get_num_threads() if device.type == "cpu" else DEVICE_BLOCK_FRAMES
    length = max(1, at_once // len(recordings))
    for first in range(0, frames, length):
        count = min(length, frames - first)
        # As many samples as frames of the width of the FFT reach over: what lies behind a frame meets a window of 0.
        reach = (count - 1) * HOP_SAMPLES + FFT_SAMPLES
        reached = slice(first * HOP_SAMPLES, first * HOP_SAMPLES + reach)
        samples = pad_sequence([each[reached] for each in recordings], batch_first=True).to(dtype)  # (B, T)
        samples = pad(samples, (0, reach - samples.shape[1]))
        # Kaldi takes a frame's mean away and then emphasises the treble of what is left. Both are linear: the samples
        # are emphasised once, not each frame, and (1 - PREEMPHASIS) times the mean taken away after. Only the first
        # sample of a frame, which has none before it, comes out otherwise, and there the window is 0.
        emphasised = pad(torch.sub(samples[:, 1:], samples[:, :-1], alpha=PREEMPHASIS), (1, 0))
        mean = avg_pool1d(samples[:, None], FRAME_SAMPLES, HOP_SAMPLES)[:, 0, :count, None]  # (B, T) -> (B, count, 1)
        framed = emphasised.unfold(-1, FFT_SAMPLES, HOP_SAMPLES)  # (B, T) -> (B, count, 512), a view
        spectrum = torch.fft.rfft((framed - (1 - PREEMPHASIS) * mean) * window)  # (B, count, 257)
        # Rounded to float32 here and below because the reference is: where a bin hardly varies, normalising it
        # magnifies even that.
        parts = torch.view_as_real(spectrum).float().to(dtype).square()  # (B, count, 257, 2)
        power = parts[..., 0] + parts[..., 1]
        yield first, (power @ filters).clamp(min=POWER_FLOOR).log()


def _normalize(log_mels: Tensor, counts: Tensor) -> Tensor:
    """Mean 0 and variance 1 of each mel bin over the ``counts`` (B,) valid frames of each item, in one pass."""
    valid = _valid(counts, log_mels.shape[1])
    # Statistics of the difference from the first frame: they are the same, and a constant bin gives exactly 0, where
    # the rounding of its mean, divided by the square root of the floor, would give noise of .003 in float32.
    shifted = (log_mels - log_mels[:, :1]) * valid
    centred = (shifted - shifted.sum(1, keepdim=True) / counts[:, None, None]) * valid
    variance = centred.square().sum(1, keepdim=True) / (counts - 1).clamp(min=1)[:, None, None]
    return centred / (variance + VARIANCE_FLOOR).sqrt()


def _valid(counts: Tensor, frames: int) -> Tensor:
    """(B,) frame counts -> (B, frames, 1), true where a frame belongs to its recording."""
    return (torch.arange(frames, device=counts.device) < counts[:, None])[..., None]


@lru_cache(maxsize=8)
def _povey_window(device: torch.device, dtype: torch.dtype) -> Tensor:
    """Kaldi's window, a symmetric Hann window to the power .85, of 16-bit integers, and zeros: (512,)."""
    window = INT16_SCALE * np.hanning(FRAME_SAMPLES) ** 0.85
    return _constant(np.pad(window, (0, FFT_SAMPLES - FRAME_SAMPLES)), device, dtype)


@lru_cache(maxsize=8)
def _mel_filters(num_mel_bins: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """(257, num_mel_bins) triangles over the bins of the spectrum, straight and of height 1 on the mel scale."""
    edges = np.linspace(_mel(LOWEST_HZ), _mel(HIGHEST_HZ), num_mel_bins + 2)
    bins = _mel(np.arange(FFT_SAMPLES // 2 + 1) * SAMPLING_RATE / FFT_SAMPLES)[:, None]
    width = edges[1] - edges[0]
    rising, falling = (bins - edges[:-2]) / width, (edges[2:] - bins) / width
    return _constant(np.minimum(rising, falling).clip(min=0), device, dtype)


def _mel(hertz: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return 1127 * np.log1p(np.asarray(hertz) / 700)


def _constant(values: NDArray[np.floating], device: torch.device, dtype: torch.dtype) -> Tensor:
    """A tensor that may be cached: one made in inference mode could never be part of a gradient again."""
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=dtype, device=device)
