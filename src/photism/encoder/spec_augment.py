"""SpecAugment (https://arxiv.org/abs/1904.08779): spans of tokens, and of channels, hidden in training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def random_spans(lengths: Sequence[int], size: int, *, probability: float, span: int, fewest: int) -> Tensor:
    """Which places to hide: of each row about `probability` of its length, in spans that may overlap.

    A span is never longer than its row, so that a clip of fewer tokens than one span can be trained on.

    Args:
        lengths: of each row, at most `size`.
        size: places in a row, those beyond its length included.
        probability: places to hide, 0 to 1, were there no overlaps.
        span: places in a span.
        fewest: spans in a row, where they fit.

    Returns:
        bool (rows, size), true where hidden, from NumPy's global generator, as transformers does it.
    """
    hidden = np.zeros((len(lengths), size), dtype=bool)
    rounding = np.random.rand()  # one for all: rows of one length have as many spans
    for row, length in zip(hidden, lengths, strict=True):
        width = min(span, length)
        starts = length - width + 1
        count = min(max(int(probability * length / span + rounding), fewest), length // width, starts)
        for start in np.random.choice(starts, count, replace=False):
            row[start : start + width] = True
    return torch.from_numpy(hidden)
