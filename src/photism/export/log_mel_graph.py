"""Log-mel features as a graph of matrix products, for a batch of recordings of different lengths."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from photism.audio.log_mel import (
    FFT_SAMPLES,
    HOP_SAMPLES,
    POWER_FLOOR,
    PREEMPHASIS,
    VARIANCE_FLOOR,
    LogMel,
    mel_filters,
    povey_window,
)
from photism.audio.waveform import FRAME_SAMPLES


class LogMelGraph(nn.Module):
    """`photism.audio.log_mel.log_mel` without a loop over the recordings, for export; within 1e-4 of it.

    Args:
        num_mel_bins: number of mel filters.
        stride: frames stacked to a token.
        padding_value: value of masked positions.
    """

    analysis: Tensor
    filters: Tensor

    def __init__(self, *, num_mel_bins: int, stride: int, padding_value: float) -> None:
        super().__init__()
        self.stride, self.padding_value = stride, padding_value
        self.register_buffer("analysis", torch.from_numpy(_analysis_matrix()))
        self.register_buffer("filters", torch.from_numpy(mel_filters(num_mel_bins)))

    def forward(self, input_values: Tensor, input_lengths: Tensor) -> LogMel:
        """Compute features and mask of samples (B, T), T at least 400, and their lengths int64 (B,)."""
        torch._check(input_values.shape[1] >= FRAME_SAMPLES)  # pyright: ignore[reportPrivateUsage] (documented)
        frames = 1 + (input_values.shape[1] - FRAME_SAMPLES) // HOP_SAMPLES
        counts = 1 + (input_lengths.clamp(min=FRAME_SAMPLES) - FRAME_SAMPLES) // HOP_SAMPLES  # (B,)
        log_mels = _normalize(self._log_mels(input_values, frames), counts)

        tokens = (frames + self.stride - 1) // self.stride
        place = torch.arange(tokens * self.stride, device=counts.device)
        last = counts[:, None] - 1  # (B, 1)
        repeated = log_mels.gather(1, place.minimum(last)[..., None].expand(-1, -1, log_mels.shape[2]))
        is_padding = (place > last) & (place >= self.stride)  # a token that is not complete repeats the last frame
        padded = repeated.masked_fill(is_padding[..., None], self.padding_value)
        # (B, tokens * stride, num_mel_bins) -> (B, tokens, stride * num_mel_bins)
        features = padded.unflatten(1, (tokens, self.stride)).flatten(2)
        token_counts = (counts // self.stride).clamp(min=1)
        mask = torch.arange(tokens, device=counts.device) < token_counts[:, None]
        return LogMel(features, mask.long())

    def _log_mels(self, samples: Tensor, frames: int) -> Tensor:
        """Return log-mel frames (B, frames, num_mel_bins) in float32, before normalisation."""
        starts = HOP_SAMPLES * torch.arange(frames, device=samples.device)[:, None]
        framed = samples[:, starts + torch.arange(FRAME_SAMPLES, device=samples.device)]  # (B, T) -> (B, frames, 400)
        # Rounded to float32 here and below because the reference is.
        parts = (framed.double() @ self.analysis).float().double().square()
        real, imaginary = parts.chunk(2, dim=-1)  # (B, frames, 257) each
        return ((real + imaginary) @ self.filters).clamp(min=POWER_FLOOR).log().float()


def _analysis_matrix() -> NDArray[np.float64]:
    """Return the matrix (400, 514) that turns a frame into the real and the imaginary parts of its spectrum.

    Each step from a frame to its spectrum is linear, so that together they are one matrix, whose rows are the spectra
    of the unit vectors.
    """
    frames = np.eye(FRAME_SAMPLES)
    centred = frames - frames.mean(axis=1, keepdims=True)
    previous = np.pad(centred[:, :-1], ((0, 0), (1, 0)), mode="edge")  # the first sample has none before it
    spectra = np.fft.rfft((centred - PREEMPHASIS * previous) * povey_window(), FFT_SAMPLES)
    return np.concatenate([spectra.real, spectra.imag], axis=1)


def _normalize(log_mels: Tensor, counts: Tensor) -> Tensor:
    """Normalise each bin of (B, frames, bins) to mean 0 and variance 1 over the first `counts` frames, int64 (B,)."""
    valid = (torch.arange(log_mels.shape[1], device=counts.device) < counts[:, None])[..., None]  # (B, frames, 1)
    number = counts[:, None, None].double()
    # Computed from the difference to the first frame, so that a constant bin becomes exactly 0.
    shifted = (log_mels.double() - log_mels[:, :1].double()) * valid
    centred = (shifted - shifted.sum(1, keepdim=True) / number) * valid
    variance = centred.square().sum(1, keepdim=True) / (number - 1).clamp(min=1)
    return (centred / (variance + VARIANCE_FLOOR).sqrt()).float()
