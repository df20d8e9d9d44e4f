"""The adapter of Wav2Vec2-BERT: Transformer layers behind convolutions that shorten the sequence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import glu
from transformers.modeling_layers import GradientCheckpointingLayer

from photism.encoder.attention import SelfAttention
from photism.encoder.conformer import FeedForward
from photism.encoder.packing import Layout

if TYPE_CHECKING:
    from transformers import Wav2Vec2BertConfig

EXACT, REFERENCE = "exact", "reference"
"""How many tokens of a padded clip are left: those that it has on its own, or as many as transformers takes it to have,
which reckons with a padding of half the kernel where the convolution has half the stride."""


class Adapter(nn.Module):
    """Shortens (B, F, D) states `adapter_stride` times in each of its layers.

    A clip's result does not depend on the padding behind it. A checkpoint that was trained with transformers' lengths
    has `adapter_mask = "reference"` in its configuration to keep them; they are the same for a kernel of 3 and a stride
    of 2.
    """

    def __init__(self, config: Wav2Vec2BertConfig) -> None:
        super().__init__()
        width = config.output_hidden_size or config.hidden_size
        self.proj = self.proj_layer_norm = None
        if width != config.hidden_size:
            self.proj = nn.Linear(config.hidden_size, width)
            self.proj_layer_norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.layers = nn.ModuleList(AdapterLayer(config) for _ in range(config.num_adapter_layers))
        self.layerdrop = config.layerdrop
        self.kernel_size, self.stride = config.adapter_kernel_size, config.adapter_stride
        mask = getattr(config, "adapter_mask", EXACT)
        if mask not in (EXACT, REFERENCE):
            raise ValueError(f"adapter_mask must be {EXACT!r} or {REFERENCE!r}; got {mask!r}")
        self.padding = self.stride // 2 if mask == EXACT else self.kernel_size // 2

    def forward(self, hidden_states: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """(B, F, hidden_size) and a mask (B, F), padding on the right -> (B, F', output_hidden_size)."""
        if self.proj is not None and self.proj_layer_norm is not None:
            hidden_states = self.proj_layer_norm(self.proj(hidden_states))
        lengths = None if attention_mask is None else attention_mask.sum(1)
        for layer in self.layers:
            shorter = None if lengths is None else self.output_lengths(lengths)
            if not (self.training and self.layerdrop > 0 and float(torch.rand([])) <= self.layerdrop):
                hidden_states = layer(hidden_states, lengths, shorter)
            lengths = shorter
        return hidden_states

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """Tokens that one layer makes of as many: int64 (B,)."""
        return (lengths + 2 * self.padding - self.kernel_size) // self.stride + 1


class AdapterLayer(GradientCheckpointingLayer):
    """Two convolutions of stride `adapter_stride`, the tokens of one attending to each other, and a feed-forward."""

    def __init__(self, config: Wav2Vec2BertConfig) -> None:
        super().__init__()
        width, eps = config.output_hidden_size or config.hidden_size, config.layer_norm_eps
        kernel, stride = config.adapter_kernel_size, config.adapter_stride
        self.residual_layer_norm = nn.LayerNorm(width, eps=eps)
        self.residual_conv = nn.Conv1d(width, 2 * width, kernel, stride=stride, padding=stride // 2)
        self.self_attn_layer_norm = nn.LayerNorm(width, eps=eps)
        self.self_attn_conv = nn.Conv1d(width, 2 * width, kernel, stride=stride, padding=stride // 2)
        self.self_attn = SelfAttention(config, width=width, positions=None)
        self.self_attn_dropout = nn.Dropout(config.conformer_conv_dropout)
        self.ffn_layer_norm = nn.LayerNorm(width, eps=eps)
        self.ffn = FeedForward(config, width=width, activation=config.adapter_act)

    def forward(self, hidden_states: Tensor, lengths: Tensor | None, shorter: Tensor | None) -> Tensor:
        """(B, F, D) -> (B, F', D).

        Args:
            hidden_states: the tokens.
            lengths: of the clips in F, where there is padding, which must not be heard.
            shorter: of the clips in F', where there is padding.
        """
        heard = None if lengths is None else _first(lengths, hidden_states.shape[1])[..., None]
        residual = _shorten(self.residual_conv, self.residual_layer_norm(hidden_states), heard)
        hidden_states = _shorten(self.self_attn_conv, self.self_attn_layer_norm(hidden_states), heard)
        batch, frames, _ = hidden_states.shape
        layout = Layout.of(batch, frames, None if shorter is None else _first(shorter.clamp(max=frames), frames))
        attended = self.self_attn(layout.pack(hidden_states), layout, None).hidden_states
        hidden_states = self.self_attn_dropout(layout.unpack(attended)) + residual
        return hidden_states + self.ffn(self.ffn_layer_norm(hidden_states))


def _shorten(convolution: nn.Module, hidden_states: Tensor, heard: Tensor | None) -> Tensor:
    """A gated convolution along the tokens: (B, F, D) -> (B, F', D)."""
    if heard is not None:
        hidden_states = hidden_states * heard
    # (B, F, D) -> (B, D, F) -> (B, 2D, F') -> (B, D, F') -> (B, F', D)
    return glu(convolution(hidden_states.transpose(1, 2)), dim=1).transpose(1, 2)


def _first(lengths: Tensor, frames: int) -> Tensor:
    """A mask (B, F) of each clip's first tokens."""
    return torch.arange(frames, device=lengths.device) < lengths[:, None]
