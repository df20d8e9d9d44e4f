"""Attention whose position bias is constant beyond a reach, by torch's fused operator on the CPU.

Keys that are further away than the reach of `relative_key` have the embedding e of the last distance within it, and

    q · k / √d + q · e / √d = q · (k + e) / √d

so that for them the bias becomes a part of the key. Only the keys near a block of queries need a tensor of biases. Far
keys on either side and near keys are attended to by themselves. Each part is normalised by its own sum of exponentials,
whose logarithm the operator returns; weighted by the softmax of these, the parts add up to the attention to all keys.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

BLOCK_QUERIES = 256
"""Queries in a block: with more, more keys are near to some of them; with fewer, the products are slow."""


def attend_in_bands(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    last_embeddings: Tensor,
    reach: tuple[int, int],
    near_biases: Callable[[Tensor, int, slice], Tensor],
) -> Tensor:
    """Attend without gradients.

    Args:
        query: (B, H, L, d).
        key: (B, H, L, d).
        value: (B, H, L, d).
        last_embeddings: (2, d), embeddings of the last distance within reach, to the left and to the right.
        reach: these distances, counted from a query; both at least 0.
        near_biases: function of a block of queries (B, H, M, d), the position of the first, and K keys that are next to
            each other; returns the biases (B, H, M, K).

    Returns:
        (B, H, L, d).
    """
    (left, right), length = reach, query.shape[2]
    left_key, right_key = (key + each.to(key.dtype) for each in last_embeddings)
    attended = torch.empty_like(query)
    for start in range(0, length, BLOCK_QUERIES):
        block = query[:, :, start : start + BLOCK_QUERIES]
        stop = start + block.shape[2]
        low, high = max(0, min(start, start - left + 1)), min(length, max(stop, stop - 1 + right))
        near = slice(low, high)
        parts = [_attend(block, key[:, :, near], value[:, :, near], near_biases(block, start, near))]
        if low > 0:
            parts.append(_attend(block, left_key[:, :, :low], value[:, :, :low]))
        if high < length:
            parts.append(_attend(block, right_key[:, :, high:], value[:, :, high:]))
        _merge(parts, attended[:, :, start:stop])
    return attended


def _attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return the attention to some keys, and the logarithm of the sum of their exponentials, (B, H, M) in float32."""
    return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(query, key, value, attn_mask=bias)


def _merge(parts: list[tuple[Tensor, Tensor]], attended: Tensor) -> None:
    """Write the attention to the keys of all parts, in as few operations as possible."""
    weights = torch.stack([logarithm for _, logarithm in parts]).softmax(0)[..., None]
    torch.mul(parts[0][0], weights[0], out=attended)
    for (output, _), weight in zip(parts[1:], weights[1:], strict=True):
        attended.addcmul_(output, weight)
