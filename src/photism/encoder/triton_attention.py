"""Self-attention as one Triton kernel, which looks up the bias of a distance where it adds it to a logit.

The kernel is FlashAttention (https://arxiv.org/abs/2205.14135): a program attends with a tile of queries of one head to
the keys of its clip, tile by tile, and keeps the running maximum and sum of the softmax. Left and right of the band in
which distances have biases of their own, the bias is the same for all keys of a query, so that only the tiles of the
band read one for each logit.
"""

# Triton's language has no types, and torch for the CPU comes without Triton.
# pyright: basic, reportMissingImports=false, reportIndexIssue=false

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

if TYPE_CHECKING:
    from photism.encoder.gpu_attention import DistanceBiases
    from photism.encoder.packing import PackedBatch


class Tile(NamedTuple):
    """Sizes by which a kernel is compiled."""

    queries: int
    keys: int
    warps: int
    stages: int


LOG2_E = tl.constexpr(math.log2(math.e))
"""Factor of logits whose exponentials are computed as powers of 2."""
TILE = Tile(queries=128, keys=64, warps=8, stages=3)
"""Sizes for half precision and heads of 64, with which a kernel for Hopper keeps all in registers; not yet timed."""
TILE_FLOAT32 = Tile(queries=32, keys=32, warps=4, stages=2)
"""Sizes for float32, which is multiplied without tensor cores; larger tiles do not fit the registers."""


def attend_by_triton(
    query: Tensor, key: Tensor, value: Tensor, biases: DistanceBiases | None, packed: PackedBatch
) -> Tensor:
    """Attend within each clip, without gradients.

    Args:
        query: (N, H, d).
        key: (N, H, d).
        value: (N, H, d).
        biases: biases by distance, or None.
        packed: the batch, without padding.

    Returns:
        (N, H, d).
    """
    query, key, value = query.contiguous(), key.contiguous(), value.contiguous()
    _, heads, size = query.shape
    output = torch.empty_like(query)
    tile = TILE_FLOAT32 if query.dtype == torch.float32 else TILE
    values = query if biases is None else biases.values.contiguous()
    reach = (0, 0) if biases is None else (biases.left, biases.right)
    _attend[(triton.cdiv(packed.longest, tile.queries), heads, packed.batch)](
        query,
        key,
        value,
        values,
        output,
        _ends(packed.clip_lengths, query.device),
        size**-0.5,
        **constants_of(
            heads, size, *reach, biases is not None, tile, "ieee" if query.dtype == torch.float32 else "tf32"
        ),
        num_warps=tile.warps,
        num_stages=tile.stages,
    )
    return output


def constants_of(
    heads: int, size: int, left: int, right: int, biased: bool, tile: Tile, precision: str
) -> dict[str, Any]:
    """Return the arguments by which the kernel is compiled."""
    return {
        "HEADS": heads,
        "SIZE": size,
        "LEFT": left,
        "RIGHT": right,
        "BIASED": biased,
        "QUERIES": tile.queries,
        "KEYS": tile.keys,
        "PRECISION": precision,
    }


@lru_cache(maxsize=1)  # once for all layers
@torch.inference_mode(mode=False)
def _ends(lengths: tuple[int, ...], device: torch.device) -> Tensor:
    """Return 0 and the number of tokens up to the end of each clip, int64 (B + 1,)."""
    return torch.tensor((0, *lengths)).cumsum(0).to(device)


@triton.jit
def _attend(
    query_ptr,
    key_ptr,
    value_ptr,
    bias_ptr,
    output_ptr,
    ends_ptr,
    scale,
    HEADS: tl.constexpr,
    SIZE: tl.constexpr,
    LEFT: tl.constexpr,
    RIGHT: tl.constexpr,
    BIASED: tl.constexpr,
    QUERIES: tl.constexpr,
    KEYS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Attend with a tile of queries of one head and clip."""
    head = tl.program_id(1)
    begin = tl.load(ends_ptr + tl.program_id(2))
    length = (tl.load(ends_ptr + tl.program_id(2) + 1) - begin).to(tl.int32)
    start = tl.program_id(0) * QUERIES
    if start >= length:
        return
    rows = start + tl.arange(0, QUERIES)
    inside = rows < length
    channels = tl.arange(0, SIZE)
    offset = begin * HEADS * SIZE + head * SIZE  # of the first token of the clip
    at_rows = offset + rows[:, None] * HEADS * SIZE + channels[None, :]
    query = tl.load(query_ptr + at_rows, mask=inside[:, None], other=0.0)
    columns: tl.constexpr = LEFT + 1 + RIGHT
    bias_ptrs = bias_ptr + (begin + rows) * HEADS * columns + head * columns

    output = tl.zeros([QUERIES, SIZE], tl.float32)
    largest = tl.full([QUERIES], float("-inf"), tl.float32)
    total = tl.zeros([QUERIES], tl.float32)
    near = 0
    far = length
    if BIASED:
        # Keys before `near` are at least LEFT before every query of the tile, those from `far` on RIGHT after them.
        near = tl.maximum(start - LEFT + 1, 0) // KEYS * KEYS
        far = tl.minimum(tl.cdiv(start + QUERIES - 1 + RIGHT, KEYS) * KEYS, length)
        bias = tl.load(bias_ptrs, mask=inside, other=0.0).to(tl.float32)[:, None]
        output, largest, total = _attend_to(
            output, largest, total, query, key_ptr, value_ptr, bias_ptrs, bias, offset, rows, length, scale,
            0, near, HEADS, SIZE, LEFT, RIGHT, False, QUERIES, KEYS, PRECISION,
        )  # fmt: skip
    output, largest, total = _attend_to(
        output, largest, total, query, key_ptr, value_ptr, bias_ptrs, 0.0, offset, rows, length, scale,
        near, far, HEADS, SIZE, LEFT, RIGHT, BIASED, QUERIES, KEYS, PRECISION,
    )  # fmt: skip
    if BIASED:
        bias = tl.load(bias_ptrs + LEFT + RIGHT, mask=inside, other=0.0).to(tl.float32)[:, None]
        output, largest, total = _attend_to(
            output, largest, total, query, key_ptr, value_ptr, bias_ptrs, bias, offset, rows, length, scale,
            far, length, HEADS, SIZE, LEFT, RIGHT, False, QUERIES, KEYS, PRECISION,
        )  # fmt: skip
    output = output / total[:, None]
    tl.store(output_ptr + at_rows, output.to(output_ptr.dtype.element_ty), mask=inside[:, None])


@triton.jit
def _attend_to(
    output, largest, total, query, key_ptr, value_ptr, bias_ptrs, bias, offset, rows, length, scale,
    low, high,
    HEADS: tl.constexpr,
    SIZE: tl.constexpr,
    LEFT: tl.constexpr,
    RIGHT: tl.constexpr,
    IN_BAND: tl.constexpr,
    QUERIES: tl.constexpr,
    KEYS: tl.constexpr,
    PRECISION: tl.constexpr,
):  # fmt: skip
    """Go on with the keys from `low` to `high`, whose bias is read for each of them if IN_BAND."""
    channels = tl.arange(0, SIZE)
    for first in range(low, high, KEYS):
        keys = first + tl.arange(0, KEYS)
        known = keys < length
        at_keys = offset + keys[:, None] * HEADS * SIZE + channels[None, :]
        key = tl.load(key_ptr + at_keys, mask=known[:, None], other=0.0)
        value = tl.load(value_ptr + at_keys, mask=known[:, None], other=0.0)
        logits = tl.dot(query, tl.trans(key), input_precision=PRECISION) * (scale * LOG2_E)
        if IN_BAND:
            distance = tl.minimum(tl.maximum(keys[None, :] - rows[:, None], -LEFT), RIGHT)
            both = (rows < length)[:, None] & known[None, :]
            logits += tl.load(bias_ptrs[:, None] + distance + LEFT, mask=both, other=0.0).to(tl.float32) * LOG2_E
        else:
            logits += bias * LOG2_E
        logits = tl.where(known[None, :], logits, float("-inf"))
        highest = tl.maximum(largest, tl.max(logits, 1))
        decay = tl.exp2(largest - highest)
        weights = tl.exp2(logits - highest[:, None])
        total = total * decay + tl.sum(weights, 1)
        output = output * decay[:, None] + tl.dot(weights.to(value.dtype), value, input_precision=PRECISION)
        largest = highest
    return output, largest, total
