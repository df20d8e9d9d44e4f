"""SpecAugment (https://arxiv.org/abs/1904.08779): random masks over tokens and channels, for training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedConfig

from photism.encoder.packing import PackedBatch
from photism.encoder.tracing import has_values


def mask_hidden_states(
    hidden_states: Tensor,
    packed: PackedBatch,
    tokens: Tensor | None,
    embedding: Tensor | None,
    config: PreTrainedConfig,
    *,
    training: bool,
) -> Tensor:
    """Mask tokens and, in training, channels of the states that enter the encoder.

    Args:
        hidden_states: (N, D).
        packed: positions of the N tokens.
        tokens: bool (B, F), tokens to mask, in evaluation too; by default drawn at random in training.
        embedding: (D,), in place of masked tokens; without it none are masked.
        config: configuration with the probabilities and lengths of masks.
        training: whether the model is trained.

    Returns:
        (N, D).
    """
    if not config.apply_spec_augment:
        return hidden_states
    masked = None
    if tokens is not None:
        masked = packed.pack(tokens[..., None])
    elif training and config.mask_time_prob > 0:
        masked = _draw_tokens(packed, config)[:, None]
    if masked is not None and embedding is not None:
        hidden_states = torch.where(masked.to(hidden_states.device), embedding.to(hidden_states.dtype), hidden_states)
    if training and config.mask_feature_prob > 0:
        channels = compute_mask_indices(
            (config.hidden_size,) * packed.batch,
            config.hidden_size,
            mask_prob=config.mask_feature_prob,
            mask_length=config.mask_feature_length,
            min_masks=config.mask_feature_min_masks,
        )
        counts = torch.tensor(packed.clip_lengths)
        by_token = channels.repeat_interleave(counts, dim=0).to(hidden_states.device)  # (B, D) -> (N, D)
        hidden_states = hidden_states.masked_fill(by_token, 0)
    return hidden_states


def _draw_tokens(packed: PackedBatch, config: PreTrainedConfig) -> Tensor:
    """Draw the tokens to mask, bool (N,); spans are counted in tokens, from the first of each clip."""
    mask = packed.mask.cpu() if packed.mask is not None and has_values(packed.mask) else None
    lengths = packed.clip_lengths if mask is None else tuple(mask.sum(1).tolist())
    drawn = compute_mask_indices(
        lengths,
        packed.frames,
        mask_prob=config.mask_time_prob,
        mask_length=config.mask_time_length,
        min_masks=config.mask_time_min_masks,
    )
    drawn = drawn[torch.arange(packed.frames) < torch.tensor(lengths)[:, None]]
    return drawn if mask is None else torch.zeros_like(mask).masked_scatter(mask, drawn).flatten()


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
