"""Self-attention with relative positions: exact, in memory linear in the length.

Three of the four kinds of position embeddings of Wav2Vec2-BERT lead to the same form: a clip's queries attend to its
keys with the logits

    q_i · k_j / √d + bias(i, j - i)

The matrix of all biases is L × L for each head, more than the memory of a GPU for minutes of audio, but a block of M
queries needs only its own rows. These need not be gathered: in a table with the distance j - i as the column, row m of
the block is row m + 1 shifted by one, so that the bias is a view of an M × (L + M - 1) table whose row stride is one
element short.

    relative_key   bias = q_i · E[clip(j - i, -left, right)] / √d, from Shaw et al. (https://arxiv.org/abs/1803.02155):
                   the table is q · Eᵀ with its first and its last column repeated
    relative       bias = (q_i + v) · W r_(i - j) / √d, from Transformer-XL (https://arxiv.org/abs/1901.02860), which
                   also adds u to q: the table is one matrix product
    rotary         the hidden states are rotated before the projections to queries and keys
                   (https://arxiv.org/abs/2104.09864, applied to the heads of the hidden states): no bias
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import pad, scaled_dot_product_attention
from torch.utils.checkpoint import checkpoint

from photism.encoder.banded_attention import attend_in_bands
from photism.encoder.gpu_attention import DistanceBiases, choose_gpu_kernel
from photism.encoder.kernels import ONEDNN, current_kernels
from photism.encoder.onednn import apply_linear, attend, can_use_onednn, linear
from photism.encoder.packing import PackedBatch
from photism.encoder.position_embeddings import Positions, rotate
from photism.encoder.tracing import has_modes, has_values

if TYPE_CHECKING:
    from collections.abc import Callable

    from transformers import Wav2Vec2BertConfig

    Table = Callable[[Tensor, int, int, slice], Tensor]
    """Function of queries (B, H, M, d), first and last distance, and heads; returns biases (B, H, M, distances)."""

SHORTEST_BLOCK = 64
"""Fewest queries in a block; in smaller ones the matrix products are slow."""
SHORTEST_BY_ONEDNN = 256
"""Tokens from which on oneDNN, and bands, are faster; below, their calls cost more than they save."""
ALL_HEADS = slice(None)


class AttentionOutput(NamedTuple):
    """States and, if requested, weights of self-attention."""

    hidden_states: Tensor  # (N, D)
    weights: Tensor | None  # (B, H, F, F)


class SelfAttention(nn.Module):
    """Multi-head self-attention within each clip.

    Args:
        config: configuration of the model.
        width: D.
        positions: "relative_key", "relative", "rotary" or None.
    """

    def __init__(self, config: Wav2Vec2BertConfig, *, width: int, positions: str | None) -> None:
        super().__init__()
        self.num_heads = config.num_attention_heads
        self.head_size = width // self.num_heads
        self.position_embeddings_type = positions
        self.linear_q = nn.Linear(width, width)
        self.linear_k = nn.Linear(width, width)
        self.linear_v = nn.Linear(width, width)
        self.linear_out = nn.Linear(width, width)
        self.dropout = nn.Dropout(config.attention_dropout)
        if positions == "relative":
            self.linear_pos = nn.Linear(width, width, bias=False)
            self.pos_bias_u = nn.Parameter(torch.zeros(self.num_heads, self.head_size))
            self.pos_bias_v = nn.Parameter(torch.zeros(self.num_heads, self.head_size))
        if positions == "relative_key":
            self.left = config.left_max_position_embeddings
            self.right = config.right_max_position_embeddings
            self.distance_embedding = nn.Embedding(self.left + self.right + 1, self.head_size)

    def forward(
        self, hidden_states: Tensor, packed: PackedBatch, positions: Positions | None, *, output_weights: bool = False
    ) -> AttentionOutput:
        """Return states (N, D) for tokens (N, D), and the weights (B, H, F, F) if `output_weights`.

        With weights, the batch must keep its padding, if it has any.
        """
        rotated = hidden_states
        if self.position_embeddings_type == "rotary" and positions is not None:
            rotated = rotate(hidden_states, positions, self.num_heads)
        heads = (self.num_heads, self.head_size)
        query = apply_linear(self.linear_q, rotated).unflatten(-1, heads)  # (N, D) -> (N, H, d)
        key = apply_linear(self.linear_k, rotated).unflatten(-1, heads)
        value = apply_linear(self.linear_v, hidden_states).unflatten(-1, heads)

        whole = output_weights or packed.mask is not None or not has_values(query)
        dropout = self.training and self.dropout.p > 0
        kernel = None if whole or dropout else choose_gpu_kernel(query, self.position_embeddings_type)
        if kernel is not None:
            attended_tokens = kernel(query, key, value, self._distance_biases(query), packed)
            return AttentionOutput(apply_linear(self.linear_out, attended_tokens.flatten(1)), None)
        table = self._table(positions, query.device)
        attended: list[Tensor] = []
        weights: list[Tensor] = []
        for q, k, v in zip(packed.split(query), packed.split(key), packed.split(value), strict=True):
            # (B, L, H, d) -> (B, H, L, d)
            q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
            mask = None if packed.mask is None else packed.mask[:, None, None, :]
            if whole:
                output, weight = self._attend_whole(q, k, v, table, mask, clear_padding=output_weights)
                weights.append(weight)
            else:
                output = self._attend(q, k, v, table)
            attended.append(output.transpose(1, 2).flatten(2))  # (B, H, L, d) -> (B, L, D)
        hidden_states = apply_linear(self.linear_out, packed.join(attended))
        return AttentionOutput(hidden_states, weights[0] if output_weights else None)

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, table: Table | None) -> Tensor:
        """Attend in blocks of queries: (B, H, L, d) each -> (B, H, L, d)."""
        batch, heads, length, _ = query.shape
        dropout = self.training and self.dropout.p > 0
        kernels = current_kernels()
        long = length >= SHORTEST_BY_ONEDNN and not dropout
        by_heads = kernels.attention == ONEDNN or torch.is_grad_enabled()
        if long and by_heads and can_use_onednn(query, key, value):
            return self._attend_by_onednn(query, key, value, table)
        if table is None:
            return self._attend_block(query, key, value, None, 0)
        is_plain = query.device.type == "cpu" and not torch.is_grad_enabled() and not has_modes()
        if long and is_plain and self.position_embeddings_type == "relative_key":
            ends = self._distance_embeddings(query.device)[[0, -1]]
            reach, near_biases = (self.left, self.right), partial(_biases, table)
            return attend_in_bands(query, key, value, last_embeddings=ends, reach=reach, near_biases=near_biases)
        block = max(SHORTEST_BLOCK, kernels.block_biases // (batch * heads * length))
        if block >= length:
            return self._attend_block(query, key, value, table, 0)
        if not torch.is_grad_enabled():
            attended = torch.empty_like(query)
            for start in range(0, length, block):
                rows = slice(start, start + block)
                attended[:, :, rows] = self._attend_block(query[:, :, rows], key, value, table, start)
            return attended
        # The backward pass of a block needs tensors as large as its biases: they are recomputed, not kept.
        return torch.cat(
            [
                checkpoint(self._attend_block, part, key, value, table, number * block, use_reentrant=False)
                for number, part in enumerate(query.split(block, dim=2))
            ],
            dim=2,
        )

    def _attend_block(self, query: Tensor, key: Tensor, value: Tensor, table: Table | None, start: int) -> Tensor:
        """Attend with queries (B, H, M, d), the first of which is token `start`, to all keys."""
        bias = None if table is None else _biases(table, query, start, slice(0, key.shape[2]))
        if self.position_embeddings_type == "relative":
            query = query + self.pos_bias_u[:, None]
        # The fused operator cannot be differentiated twice, and FLOP counters do not know it.
        short = query.device.type == "cpu" and key.shape[2] < SHORTEST_BY_ONEDNN
        explicit = has_modes() or (bias is None and short and torch.is_grad_enabled())
        dropout = self.dropout.p if self.training else 0.0
        with sdpa_kernel(SDPBackend.MATH) if explicit else nullcontext():
            return scaled_dot_product_attention(query, key, value, attn_mask=bias, dropout_p=dropout)

    def _attend_by_onednn(self, query: Tensor, key: Tensor, value: Tensor, table: Table | None) -> Tensor:
        """Attend with oneDNN, head by head, so that the logits of a block stay in the cache: -> (B, H, L, d)."""
        length = query.shape[2]
        blocks = max(1, round(length**2 / current_kernels().block_logits))
        block = max(SHORTEST_BLOCK, -(-length // blocks))  # of equal size: a small one needs as many calls
        every = zip(*(tokens.flatten(0, 1).contiguous().unbind() for tokens in (query, key, value)), strict=True)
        if not torch.is_grad_enabled():
            # Allocated before the blocks: small results between their large temporary tensors would fragment the freed
            # memory, so that the next blocks would take more, gigabytes in five minutes of audio.
            output = torch.empty_like(query, memory_format=torch.contiguous_format)
            for index, ((q, k, v), out) in enumerate(zip(every, output.flatten(0, 1).unbind(), strict=True)):
                for start in range(0, len(q), block):
                    rows = slice(start, start + block)
                    out[rows] = self._attend_rows(q[rows], k, v, table, index % self.num_heads, start)
            return output
        attended = [
            checkpoint(
                self._attend_rows, rows, k, v, table, index % self.num_heads, number * block, use_reentrant=False
            )
            for index, (q, k, v) in enumerate(every)
            for number, rows in enumerate(q.split(block))
        ]
        return torch.cat(attended).view_as(query)  # B · H · (L, d) -> (B, H, L, d)

    def _attend_rows(
        self, query: Tensor, key: Tensor, value: Tensor, table: Table | None, head: int, start: int
    ) -> Tensor:
        """Attend with queries (M, d) of one head, the first of which is token `start`, to all keys (L, d) of a clip."""
        biases = []
        if table is not None:
            length, low, high = len(key), 0, len(key)
            if self.position_embeddings_type == "relative_key":  # all keys out of reach have the same bias
                low, high = max(0, start - self.left), min(length, start + len(query) + self.right)
            near = _biases(table, query[None, None], start, slice(low, high), slice(head, head + 1))[0, 0]
            biases = [near[:, :1].expand(-1, low), near, near[:, -1:].expand(-1, length - high)]
        if self.position_embeddings_type == "relative":
            query = query + self.pos_bias_u[head]
        return attend(query * self.head_size**-0.5, key, value, biases)

    def _attend_whole(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        table: Table | None,
        mask: Tensor | None,
        *,
        clear_padding: bool,
    ) -> tuple[Tensor, Tensor]:
        """Attend without blocks; return the weights (B, H, L, L) too, 0 for padding if `clear_padding`.

        No shape depends on the data.
        """
        length = query.shape[2]
        bias = 0 if table is None else _biases(table, query, 0, slice(0, length))
        if self.position_embeddings_type == "relative":
            query = query + self.pos_bias_u[:, None]
        logits = query @ key.transpose(2, 3) * self.head_size**-0.5 + bias
        if mask is not None:
            logits = logits.masked_fill(~mask, torch.finfo(logits.dtype).min)
        weights = self.dropout(logits.softmax(-1))
        if mask is not None and clear_padding:
            weights = weights.masked_fill(~mask.transpose(2, 3), 0)
        return weights @ value, weights

    def _distance_biases(self, query: Tensor) -> DistanceBiases | None:
        """Return the biases of queries (N, H, d) by distance, for a kernel; None if there are none."""
        if self.position_embeddings_type != "relative_key":
            return None
        columns = self._distance_embeddings(query.device).to(query.dtype).T
        return DistanceBiases(query @ columns * self.head_size**-0.5, self.left)

    def _distance_embeddings(self, device: torch.device) -> Tensor:
        """Return the embeddings (left + 1 + right, d) of the distances from -left to right."""
        # The module is called, not its weight read, so that hooks run.
        return self.distance_embedding(torch.arange(self.left + self.right + 1, device=device))

    def _table(self, positions: Positions | None, device: torch.device) -> Table | None:
        """Return the function that computes the biases of a block of queries by distance; None if there are none."""
        if self.position_embeddings_type == "relative_key":
            embeddings = self._distance_embeddings(device) * self.head_size**-0.5

            def relative_key_table(query: Tensor, first: int, last: int, heads: slice) -> Tensor:
                """Compute the biases from the embeddings; distances out of reach have that of the last in reach."""
                if not has_values(query):  # the length is a symbol, with which a graph must not compare it
                    distances = torch.arange(first, last + 1, device=device).clamp(-self.left, self.right)
                    columns = embeddings.to(query.dtype).index_select(0, distances + self.left)
                    return query @ columns.T
                near = query @ embeddings.to(query.dtype).T  # (B, H, M, left + 1 + right)
                low = min(max(first, -self.left), self.right)
                high = max(min(last, self.right), -self.left)
                leftmost = near[..., low + self.left, None].expand(*near.shape[:3], max(0, low - first))
                rightmost = near[..., high + self.left, None].expand(*near.shape[:3], max(0, last - high))
                return torch.cat([leftmost, near[..., low + self.left : high + self.left + 1], rightmost], dim=-1)

            return relative_key_table
        if self.position_embeddings_type == "relative" and positions is not None:
            # (2 · longest - 1, D) -> (H, 2 · longest - 1, d); the second axis is the distance, from left to right
            projected = apply_linear(self.linear_pos, positions.sinusoids).unflatten(
                -1, (self.num_heads, self.head_size)
            )
            projected = projected.transpose(0, 1)

            def relative_table(query: Tensor, first: int, last: int, heads: slice) -> Tensor:
                """Compute the biases from the projected sinusoids."""
                middle = projected.shape[1] // 2
                columns = projected[heads, middle + first : middle + last + 1]
                query = (query + self.pos_bias_v[heads, None]) * self.head_size**-0.5
                return linear(query, columns[0]) if len(columns) == 1 else query @ columns.transpose(1, 2)

            return relative_table
        return None


def _biases(table: Table, query: Tensor, start: int, keys: slice, heads: slice = ALL_HEADS) -> Tensor:
    """Return biases (B, H, M, K) of queries, the first of which is token `start`, to K keys: a view of a table."""
    batch, of_heads, rows, _ = query.shape
    by_distance = table(query, keys.start - (start + rows - 1), keys.stop - 1 - start, heads)  # (B, H, M, K + M - 1)
    length = keys.stop - keys.start
    width = length + rows - 1
    if not has_values(query):  # the same without strides: a row one element shorter begins one element earlier
        padded = pad(by_distance, (0, 1)).flatten(2)  # (B, H, M * (width + 1))
        shifted = padded[..., rows - 1 : rows - 1 + rows * width].unflatten(-1, (rows, width))
        return shifted[..., :length]
    strides = (of_heads * rows * width, rows * width, width - 1, 1)
    return by_distance.contiguous().as_strided((batch, of_heads, rows, length), strides, rows - 1)
