"""SpecAugment (https://arxiv.org/abs/1904.08779) of log-mel features, in proportion to the sound."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from photism.training.data.feature_dataset import FeatureSettings
from photism.training.data.sampler import Piece, generator_of

LONGEST_SPAN_S = 0.2
SPANS_AT_LEAST = 10
"""Spans that a sound holds: transformers' of ten tokens would hide most of a short word."""


def hide(
    features: Tensor,
    pieces: Sequence[Piece],
    settings: FeatureSettings,
    *,
    share: float,
    mel_share: float,
    seed: int,
    step: int,
) -> None:
    """Puts 0, which is the mean of each bin, in spans of tokens and in a band of mel bins, in place.

    What is hidden of a sound depends on the step and the sound, not on what else is in its batch or chunk.

    Args:
        features: float32 (B, F, width).
        pieces: B of them.
        settings: of the features.
        share: of each sound, hidden on average but for overlaps.
        mel_share: of the bins, hidden at most.
        seed: of the training.
        step: of it.
    """
    bands = features.unflatten(2, (settings.stride, settings.num_mel_bins))  # (B, F, width) -> (B, F, stride, bins)
    for row, piece in enumerate(pieces):
        generator = generator_of(seed, step, piece.clip)
        span = max(1, min(int(LONGEST_SPAN_S * settings.tokens_per_s), piece.tokens // SPANS_AT_LEAST))
        count = int(share * piece.tokens / span + torch.rand((), generator=generator).item())
        for start in torch.randint(piece.tokens - span + 1, (count,), generator=generator).tolist():
            features[row, start : start + span] = 0
        width = int(torch.randint(int(mel_share * settings.num_mel_bins) + 1, (), generator=generator))
        low = int(torch.randint(settings.num_mel_bins - width + 1, (), generator=generator))
        bands[row, :, :, low : low + width] = 0
