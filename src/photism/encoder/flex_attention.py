"""Self-attention by FlexAttention (https://arxiv.org/abs/2412.05496), with biases by distance and packed clips."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, flex_attention

if TYPE_CHECKING:
    from photism.encoder.gpu_attention import DistanceBiases
    from photism.encoder.packing import PackedBatch

BLOCK_TOKENS = 128
"""Tokens of a block of queries or keys that is computed or skipped as a whole."""


def attend_by_flex(
    query: Tensor, key: Tensor, value: Tensor, biases: DistanceBiases | None, packed: PackedBatch
) -> Tensor:
    """Attend within each clip, with gradients for all inputs if they are needed.

    Args:
        query: (N, H, d).
        key: (N, H, d).
        value: (N, H, d).
        biases: biases by distance, or None.
        packed: the batch, without padding.

    Returns:
        (N, H, d).
    """
    # Clips of one length are a batch; others are one row, in which a mask keeps them apart.
    shape = (packed.batch, packed.frames) if packed.lengths is None else (1, len(query))
    # (N, H, d) -> (B, L, H, d) -> (B, H, L, d)
    q, k, v = (tokens.unflatten(0, shape).transpose(1, 2) for tokens in (query, key, value))
    mask = None if packed.lengths is None else _clip_mask(packed.lengths, query.device)
    add_bias = None if biases is None else _score_function(biases.values.unflatten(0, shape), biases.left, biases.right)
    attended = compiled_flex_attention()(q, k, v, score_mod=add_bias, block_mask=mask)
    return attended.transpose(1, 2).flatten(0, 1)  # (B, H, L, d) -> (B, L, H, d) -> (N, H, d)


@cache
def compiled_flex_attention() -> Any:
    """Return FlexAttention as one fused kernel; without compiling it would compute the matrix of all logits."""
    return torch.compile(flex_attention)


def _score_function(values: Tensor, left: int, right: int) -> Any:
    """Return the function that adds its bias (B, L, H, left + 1 + right) to a logit."""

    def add_bias(score: Tensor, batch: Tensor, head: Tensor, row: Tensor, column: Tensor) -> Tensor:
        return score + values[batch, row, head, (column - row).clamp(-left, right) + left]

    return add_bias


@lru_cache(maxsize=1)  # once for all layers
@torch.inference_mode(mode=False)  # the mask may be kept for a later backward pass
def _clip_mask(lengths: tuple[int, ...], device: torch.device) -> BlockMask:
    """Return the mask of clips in one row: the blocks that have tokens of one clip, of which some need no check.

    It is computed from the clips of each block; `create_block_mask` would compare all pairs of tokens.
    """
    number = torch.arange(len(lengths), device=device)
    clips = number.repeat_interleave(torch.tensor(lengths, device=device), output_size=sum(lengths))

    def is_same_clip(batch: Tensor, head: Tensor, row: Tensor, column: Tensor) -> Tensor:
        return clips[row] == clips[column]

    first = clips[::BLOCK_TOKENS]  # clip of the first token of each block
    last = torch.cat([clips[BLOCK_TOKENS - 1 :: BLOCK_TOKENS], clips[-1:]])[: len(first)]
    visible = (first[:, None] <= last) & (first <= last[:, None])  # clips are in order
    whole = visible & (first[:, None] == last) & (first == last[:, None])
    if len(clips) % BLOCK_TOKENS:  # the last block has fewer tokens, so that it needs a check
        whole[-1] = whole[:, -1] = False
    return BlockMask.from_kv_blocks(
        *_ordered(visible & ~whole),
        *_ordered(whole),
        BLOCK_SIZE=BLOCK_TOKENS,
        mask_mod=is_same_clip,
        seq_lengths=(len(clips), len(clips)),
    )


def _ordered(blocks: Tensor) -> tuple[Tensor, Tensor]:
    """Return how many blocks of keys (1, 1, Q) each block of queries has, and all (1, 1, Q, K), these first."""
    indices = blocks.int().argsort(dim=1, descending=True, stable=True)
    return blocks.sum(1, dtype=torch.int32)[None, None], indices.int()[None, None]
