"""What tells the tokens' places apart: waves of the places (rotary) or of the distances between them (relative)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from photism.encoder.packing import Layout

if TYPE_CHECKING:
    from transformers import Wav2Vec2BertConfig

LONGEST_PERIOD = 10_000.0
"""Of the waves of distances, in tokens and radians, as in https://arxiv.org/abs/1706.03762."""


class Positions(NamedTuple):
    """Computed once for all layers.

    `waves` are (2 · longest - 1, D) for "relative", a row for each distance from the leftmost to the rightmost; for
    "rotary" (2, N, d), the cosines and sines of each token's place.
    """

    waves: Tensor


def positions_of(config: Wav2Vec2BertConfig, layout: Layout, like: Tensor) -> Positions | None:
    """The positions that a model needs for a batch, on the device and in the dtype of `like`; None where none."""
    if config.position_embeddings_type == "rotary":
        width = config.hidden_size // config.num_attention_heads
        place = layout.positions(like.device)
        angles = _angles(place, width, config.rotary_embedding_base).repeat(1, 2)  # (N, d / 2) -> (N, d)
        return Positions(torch.stack([angles.cos(), angles.sin()]).to(like.dtype))
    if config.position_embeddings_type == "relative":
        longest = max(layout.clip_lengths)
        back = torch.arange(longest - 1, -longest, -1, device=like.device)  # tokens that a key lies before its query
        angles = _angles(back, config.hidden_size, LONGEST_PERIOD)
        # sine and cosine of each wave side by side: (distances, D / 2, 2) -> (distances, D)
        return Positions(torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1).to(like.dtype))
    return None


def rotate(tokens: Tensor, positions: Positions, heads: int) -> Tensor:
    """Turns each pair (i, i + d / 2) of every head of (N, D) tokens by its angle."""
    cosines, sines = positions.waves[:, :, None]  # (2, N, d) -> 2 × (N, 1, d)
    parts = tokens.unflatten(-1, (heads, -1))  # (N, D) -> (N, H, d)
    first, second = parts.chunk(2, dim=-1)
    return (parts * cosines + torch.cat([-second, first], dim=-1) * sines).flatten(1)


def _angles(place: Tensor, width: int, base: float) -> Tensor:
    """(…,) places -> (…, width / 2) angles in radians, float32 whatever the model's dtype is."""
    exponent = torch.arange(0, width, 2, device=place.device).float() / width
    return place.float()[:, None] / base**exponent
