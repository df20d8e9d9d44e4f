"""Self-attention of a whole batch in one kernel on a GPU: which kernel, and when.

Blocks of queries (photism.encoder.attention) write the biases of a block to memory and read them again for each head. A
kernel that looks a bias up where it adds it to a logit needs q · Eᵀ alone, 73 values for each query and head, and takes
clips of different lengths in one call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from photism.encoder.packing import PackedBatch
from photism.encoder.tracing import has_modes

GPU_ATTENTION: Literal["blocks", "flex", "triton"] = "blocks"
"""How attention is computed on a GPU.

"blocks": in blocks of queries, by torch's `scaled_dot_product_attention`. "flex": by FlexAttention, which torch
compiles at the first call. "triton": by a kernel of Photism's own, or in blocks where gradients are needed.

All three are tested against the exact result, but none has been timed on a GPU yet: until
`python -m benchmarks.gpu --only attention` has compared them, the default is the way that needs no compiler.
"""
GPUS = ("cuda",)
"""Types of devices that the kernels run on."""
HEAD_SIZES = (16, 32, 64)
"""Widths of a head that the matrix products of both kernels take, and whose tiles fit into any GPU's shared memory."""
DTYPES = (torch.float32, torch.float16, torch.bfloat16)


class DistanceBiases(NamedTuple):
    """Biases that depend on the query, and on the distance of the key from it up to a limit on either side.

    Attributes:
        values: (N, H, left + 1 + right), added to the scaled logits; the first column is that of all keys at least
            `left` tokens before the query, the last that of all keys at least `right` tokens after it.
        left: tokens before a query that have a bias of their own.
    """

    values: Tensor
    left: int

    @property
    def right(self) -> int:
        """Tokens after a query that have a bias of their own."""
        return self.values.shape[2] - 1 - self.left


Kernel = Callable[[Tensor, Tensor, Tensor, DistanceBiases | None, PackedBatch], Tensor]
"""Attention of queries, keys and values (N, H, d) of a packed batch, with biases if there are any: -> (N, H, d)."""


def choose_gpu_kernel(query: Tensor, positions: str | None) -> Kernel | None:
    """Return the kernel for queries (N, H, d), or None if attention is to be computed in blocks of queries.

    Args:
        query: queries of a packed batch without padding.
        positions: kind of the position embeddings; the biases of "relative" depend on every distance.
    """
    if GPU_ATTENTION == "blocks" or query.device.type not in GPUS or positions == "relative":
        return None
    if query.shape[2] not in HEAD_SIZES or query.dtype not in DTYPES or has_modes():
        return None
    if GPU_ATTENTION == "flex":
        from photism.encoder.flex_attention import attend_by_flex

        return attend_by_flex
    if torch.is_grad_enabled():  # the Triton kernel has no backward pass
        return None
    from photism.encoder.triton_attention import attend_by_triton

    return attend_by_triton
