"""SpecAugment (https://arxiv.org/abs/1904.08779): random masks over tokens and channels, for training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def compute_mask_indices(
    lengths: Sequence[int], size: int, *, mask_prob: float, mask_length: int, min_masks: int
) -> Tensor:
    """Draw masks that cover about `mask_prob` of each row, in spans that may overlap.

    Spans are left out where they could cover a whole row, so that some of each clip remains to learn from; a clip that
    is no longer than one span is not masked.

    Args:
        lengths: length of each row, at most `size`.
        size: positions in a row, with those beyond its length.
        mask_prob: fraction of a row that is masked if spans do not overlap, 0 to 1.
        mask_length: positions in a span.
        min_masks: smallest number of spans in a row that is longer than they are together.

    Returns:
        bool (rows, size), true for masked positions. They are drawn from NumPy's global generator, as in transformers.
    """
    masked = np.zeros((len(lengths), size), dtype=bool)
    rounding = np.random.rand()  # one for all: rows of the same length have the same number of spans
    for row, length in zip(masked, lengths, strict=True):
        starts = max(length - mask_length + 1, 0)
        count = max(int(mask_prob * length / mask_length + rounding), min_masks)
        count = min(count, (length - 1) // mask_length, starts)
        for start in np.random.choice(starts, count, replace=False) if count > 0 else ():
            row[start : start + mask_length] = True
    return torch.from_numpy(masked)
