"""SpecAugment (https://arxiv.org/abs/1904.08779) of log-mel features, in proportion to the length of the clip."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from photism.training.data.feature_dataset import FeatureSettings
from photism.training.data.sampler import Crop, generator_of
from photism.training.settings import FinetuneSettings

MAX_SPAN_S = 0.2
MIN_SPANS = 10
"""A span is at most a tenth of a clip: spans of ten tokens, as in transformers, would mask most of a short word."""


def spec_augment_(
    features: Tensor, crops: Sequence[Crop], kind: FeatureSettings, settings: FinetuneSettings, *, step: int
) -> None:
    """Set spans of time and a band of mel bins to 0, the mean of each bin, in place.

    The mask of a clip depends on the seed, the step and the clip, not on what else is in its batch or micro-batch.

    Args:
        features: float32 (B, F, width).
        crops: crops of the B rows.
        kind: settings of the features.
        settings: `mask_time`, the mean fraction of a clip in spans, apart from overlaps; `mask_mel`, the largest
            fraction of bins in the band; and `seed`.
        step: step of the training.
    """
    bins = kind.num_mel_bins
    bands = features.unflatten(2, (kind.stride, bins))  # (B, F, width) -> (B, F, stride, bins)
    for row, crop in enumerate(crops):
        generator = generator_of(settings.seed, step, crop.clip)
        span = max(1, min(int(MAX_SPAN_S * kind.tokens_per_s), crop.tokens // MIN_SPANS))
        count = int(settings.mask_time * crop.tokens / span + torch.rand((), generator=generator).item())
        for start in torch.randint(crop.tokens - span + 1, (count,), generator=generator).tolist():
            features[row, start : start + span] = 0
        width = int(torch.randint(int(settings.mask_mel * bins) + 1, (), generator=generator))
        low = int(torch.randint(bins - width + 1, (), generator=generator))
        bands[row, :, :, low : low + width] = 0
