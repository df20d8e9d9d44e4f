"""Position embeddings: sinusoids of the positions (rotary) or of the distances between them (relative)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from photism.encoder.packing import PackedBatch

if TYPE_CHECKING:
    from transformers import Wav2Vec2BertConfig

LONGEST_PERIOD = 10_000.0
"""Longest period of the sinusoids of distances, in tokens for each radian, as in https://arxiv.org/abs/1706.03762."""


class Positions(NamedTuple):
    """Position embeddings of a batch, computed once for all layers.

    `sinusoids` is (2 · longest - 1, D) for "relative", one row for each distance from the leftmost to the rightmost;
    for "rotary" (2, N, d), the cosines and sines of each token's position.
    """

    sinusoids: Tensor


def compute_positions(config: Wav2Vec2BertConfig, packed: PackedBatch, like: Tensor) -> Positions | None:
    """Compute the position embeddings of a batch, on the device and in the dtype of `like`; None for other kinds."""
    if config.position_embeddings_type == "rotary":
        width = config.hidden_size // config.num_attention_heads
        positions = packed.positions(like.device)
        angles = _angles(positions, width, config.rotary_embedding_base).repeat(1, 2)  # (N, d / 2) -> (N, d)
        return Positions(torch.stack([angles.cos(), angles.sin()]).to(like.dtype))
    if config.position_embeddings_type == "relative":
        longest = packed.longest
        back = torch.arange(longest - 1, -longest, -1, device=like.device)  # distance by which a key precedes its query
        angles = _angles(back, config.hidden_size, LONGEST_PERIOD)
        # sine and cosine of each frequency next to each other: (distances, D / 2, 2) -> (distances, D)
        return Positions(torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1).to(like.dtype))
    return None


def rotate(tokens: Tensor, positions: Positions, heads: int) -> Tensor:
    """Rotate each pair (i, i + d / 2) of every head of (N, D) tokens by its angle."""
    cosines, sines = positions.sinusoids[:, :, None]  # (2, N, d) -> 2 × (N, 1, d)
    parts = tokens.unflatten(-1, (heads, -1))  # (N, D) -> (N, H, d)
    first, second = parts.chunk(2, dim=-1)
    return (parts * cosines + torch.cat([-second, first], dim=-1) * sines).flatten(1)


def _angles(positions: Tensor, width: int, base: float) -> Tensor:
    """Return angles (…, width / 2) in radians for positions (…,), in float32 for any dtype of the model."""
    exponent = torch.arange(0, width, 2, device=positions.device).float() / width
    return positions.float()[:, None] / base**exponent
