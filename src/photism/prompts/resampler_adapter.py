"""Perceiver resampler as a prompt adapter, for recordings of any length."""

import math
from collections.abc import Iterable, Iterator
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention

from photism.errors import InputError

LONGEST_PERIOD = 10_000.0
"""Base of the wavelengths of sinusoidal position embeddings, in frames, as in https://arxiv.org/abs/1706.03762."""
INITIAL_QUERY_STD = 0.02


class ResamplerPromptAdapter(nn.Module):
    """Perceiver resampler: learned queries, one per token, that attend to a whole recording of any length.

    Args:
        input_width: width of the encoder's hidden states.
        output_width: D, width of a prompt token.
        tokens: number of prompt tokens, without BOS.
        width: width of the queries.
        num_layers: number of layers, each of cross-attention to the recording, self-attention between the queries, and
            a feed-forward network.
        num_heads: number of attention heads, a divisor of `width`.
        dropout: dropout of the output of each sub-layer in training.

    Source: Flamingo, https://arxiv.org/abs/2204.14198, section 2.1, with sinusoidal embeddings of frame positions.
    """

    def __init__(
        self,
        input_width: int,
        output_width: int,
        *,
        tokens: int,
        width: int = 512,
        num_layers: int = 2,
        num_heads: int = 8,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(tokens, width) * INITIAL_QUERY_STD)
        self.input_projection = nn.Linear(input_width, width)
        self.input_norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(_ResamplerLayer(width, num_heads, dropout) for _ in range(num_layers))
        self.output_norm = nn.LayerNorm(width)
        self.output_projection = nn.Linear(width, output_width)

    def forward(self, hidden_states: Tensor, attention_mask: Tensor) -> Tensor:
        """Turn hidden states (B, F, input_width) and their mask (B, F) into tokens (B, tokens, output_width)."""
        frames = self._frames(hidden_states, start=0)
        tokens = self.queries.to(frames.dtype).expand(len(frames), -1, -1)
        mask = attention_mask.bool()[:, None, None, :]  # (B, F) -> (B, H, S, F), broadcast
        for layer in self.layers:
            tokens = layer(tokens, frames, mask)
        return self.output_projection(self.output_norm(tokens))

    @property
    def passes(self) -> int:
        """Number of times that `adapt_blocks` reads the states."""
        return len(self.layers)

    def adapt_blocks(self, states: Iterable[Tensor]) -> Tensor:
        """Turn the hidden states (1, f, input_width) of one recording, in blocks, into tokens as `forward` does.

        Each layer attends to the whole recording, so that the blocks are read once a layer.
        """
        tokens = self.queries[None].to(self.output_projection.weight.dtype)
        for layer in cast("Iterable[_ResamplerLayer]", self.layers):
            tokens = layer.attend_to_blocks(tokens, self._frame_blocks(states))
        return self.output_projection(self.output_norm(tokens))

    def _frame_blocks(self, states: Iterable[Tensor]) -> Iterator[Tensor]:
        start = 0
        for block in states:
            yield self._frames(block, start=start)
            start += block.shape[1]

    def _frames(self, hidden_states: Tensor, *, start: int) -> Tensor:
        """Return what the queries attend to, (B, F, width), of states that begin with a given frame."""
        frames = self.input_norm(self.input_projection(hidden_states))
        return frames + _sinusoids(frames, start)


class _ResamplerLayer(nn.Module):
    def __init__(self, width: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.frame_attention_norm = nn.LayerNorm(width)
        self.frame_attention = _Attention(width, num_heads)
        self.token_attention_norm = nn.LayerNorm(width)
        self.token_attention = _Attention(width, num_heads)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, frames: Tensor, mask: Tensor) -> Tensor:
        """Update tokens (B, S, D) from frames (B, F, D) and a mask that broadcasts to (B, H, S, F)."""
        return self._update(tokens, self.frame_attention(self.frame_attention_norm(tokens), frames, mask))

    def attend_to_blocks(self, tokens: Tensor, blocks: Iterable[Tensor]) -> Tensor:
        """Update tokens (1, S, D) from the frames (1, f, D) of one recording, which come in blocks."""
        return self._update(tokens, self.frame_attention.attend_to_blocks(self.frame_attention_norm(tokens), blocks))

    def _update(self, tokens: Tensor, attended: Tensor) -> Tensor:
        tokens = tokens + self.dropout(attended)
        normed = self.token_attention_norm(tokens)
        tokens = tokens + self.dropout(self.token_attention(normed, normed, None))
        return tokens + self.dropout(self.feed_forward(tokens))


class _Attention(nn.Module):
    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        if width % num_heads:
            raise InputError(f"num_heads must divide the width {width}; got {num_heads}")
        self.num_heads = num_heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.output = nn.Linear(width, width)

    def forward(self, queries: Tensor, keys: Tensor, mask: Tensor | None) -> Tensor:
        """Let queries (B, S, D) attend to keys (B, F, D), and return (B, S, D)."""
        q, (k, v) = self._queries(queries), self._keys_values(keys)
        attended = scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.output(attended.transpose(1, 2).flatten(2))  # (B, H, S, D / H) -> (B, S, D)

    def attend_to_blocks(self, queries: Tensor, blocks: Iterable[Tensor]) -> Tensor:
        """Let queries (1, S, D) attend to keys (1, f, D) that come in blocks, and return (1, S, D).

        The softmax over all keys is computed with a running maximum and a running sum.
        Source: https://arxiv.org/abs/1805.02867, algorithm 3.
        """
        q = self._queries(queries)
        q = q / math.sqrt(q.shape[-1])
        maximum = q.new_full((*q.shape[:-1], 1), -torch.inf)  # (1, H, S, 1)
        total, weighted = torch.zeros_like(maximum), torch.zeros_like(q)
        for keys in blocks:
            k, v = self._keys_values(keys)
            logits = q @ k.mT  # (1, H, S, f)
            before, maximum = maximum, torch.maximum(maximum, logits.amax(-1, keepdim=True))
            decay, weights = (before - maximum).exp(), (logits - maximum).exp()
            total = total * decay + weights.sum(-1, keepdim=True)
            weighted = weighted * decay + weights @ v
        return self.output((weighted / total).transpose(1, 2).flatten(2))  # (1, H, S, D / H) -> (1, S, D)

    def _queries(self, queries: Tensor) -> Tensor:
        return self.query(queries).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)  # (B, S, D) -> (B, H, S, D / H)

    def _keys_values(self, keys: Tensor) -> tuple[Tensor, Tensor]:
        key_value = self.key_value(keys).unflatten(-1, (2, self.num_heads, -1))  # (B, F, 2D) -> (B, F, 2, H, D / H)
        k, v = key_value.permute(2, 0, 3, 1, 4)  # (B, F, 2, H, D / H) -> 2 × (B, H, F, D / H)
        return k, v


def _sinusoids(frames: Tensor, start: int) -> Tensor:
    """Return sinusoidal embeddings (F, D) of the positions, from a first one on, of the frames (B, F, D)."""
    half = frames.shape[2] // 2
    index = torch.arange(start, start + frames.shape[1], device=frames.device, dtype=torch.float32)
    rate = torch.exp(torch.arange(half, device=frames.device) * (-math.log(LONGEST_PERIOD) / half))
    angle = index[:, None] * rate
    positions = torch.cat([angle.sin(), angle.cos()], dim=1)
    return pad(positions, (0, frames.shape[2] - 2 * half)).to(frames.dtype)
