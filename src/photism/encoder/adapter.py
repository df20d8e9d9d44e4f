"""Adapter of Wav2Vec2-BERT: strided convolutions and Transformer layers that lower the frame rate."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import glu
from transformers import Wav2Vec2BertConfig
from transformers.modeling_layers import GradientCheckpointingLayer

from photism.encoder.attention import SelfAttention
from photism.encoder.conformer import FeedForward
from photism.encoder.packing import PackedBatch, move_left

Lengths = TypeVar("Lengths", int, Tensor)

EXACT, REFERENCE = "exact", "reference"
"""Values of `adapter_mask`: the number of frames that a padded clip keeps is the one that it has without padding, or
the one that transformers computes, which assumes a padding of half the kernel where the convolution pads half the
stride."""


def output_lengths(lengths: Lengths, config: Wav2Vec2BertConfig) -> Lengths:
    """Return how many frames the encoder returns for input frames: as many, or fewer if it has an adapter.

    Args:
        lengths: a number, or int64 (B,).
        config: configuration of the encoder.
    """
    for _ in range(config.num_adapter_layers if config.add_adapter else 0):
        lengths = layer_output_lengths(lengths, config)
    return lengths


def layer_output_lengths(lengths: Lengths, config: Wav2Vec2BertConfig) -> Lengths:
    """Return how many frames one layer of the adapter returns."""
    kernel_size, stride = config.adapter_kernel_size, config.adapter_stride
    padding = stride // 2 if _adapter_mask(config) == EXACT else kernel_size // 2
    return (lengths + 2 * padding - kernel_size) // stride + 1


class Adapter(nn.Module):
    """Layers that each lower the frame rate of (B, F, D) states by `adapter_stride`.

    A clip's result does not depend on its padding. It begins at the first frame, and is 0 behind its last. A checkpoint
    that was trained with transformers' lengths has `adapter_mask = "reference"` in its configuration to keep them; they
    are the same for a kernel of 3 and a stride of 2.
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
        self.config = config
        if _adapter_mask(config) not in (EXACT, REFERENCE):
            raise ValueError(f"adapter_mask must be {EXACT!r} or {REFERENCE!r}; got {_adapter_mask(config)!r}")

    def forward(self, hidden_states: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Return states (B, F', output_hidden_size) of (B, F, hidden_size) and a mask (B, F)."""
        if self.proj is not None and self.proj_layer_norm is not None:
            hidden_states = self.proj_layer_norm(self.proj(hidden_states))
        lengths = None
        if attention_mask is not None:
            hidden_states = move_left(hidden_states, attention_mask)
            lengths = attention_mask.bool().sum(1)
        for layer in self.layers:
            if self.training and self.layerdrop > 0 and float(torch.rand([])) <= self.layerdrop:
                continue
            new_lengths = None if lengths is None else layer_output_lengths(lengths, self.config)
            hidden_states = layer(hidden_states, lengths, new_lengths)
            lengths = new_lengths
        if lengths is None:
            return hidden_states
        return hidden_states.masked_fill(~_length_mask(lengths, hidden_states.shape[1])[..., None], 0)


class AdapterLayer(GradientCheckpointingLayer):
    """Two convolutions of stride `adapter_stride`, self-attention over the frames of one, and a feed-forward."""

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

    def forward(self, hidden_states: Tensor, lengths: Tensor | None, new_lengths: Tensor | None) -> Tensor:
        """Return states (B, F', D) of (B, F, D).

        Args:
            hidden_states: frames.
            lengths: int64 (B,), frames of each clip within F, if there is padding; it does not affect the result.
            new_lengths: int64 (B,), frames of each clip within F', if there is padding.
        """
        valid = None if lengths is None else _length_mask(lengths, hidden_states.shape[1])[..., None]
        residual = _convolve(self.residual_conv, self.residual_layer_norm(hidden_states), valid)
        hidden_states = _convolve(self.self_attn_conv, self.self_attn_layer_norm(hidden_states), valid)
        batch, frames, _ = hidden_states.shape
        packed = PackedBatch.from_mask(
            batch, frames, None if new_lengths is None else _length_mask(new_lengths.clamp(max=frames), frames)
        )
        attended = self.self_attn(packed.pack(hidden_states), packed, None).hidden_states
        hidden_states = self.self_attn_dropout(packed.unpack(attended)) + residual
        return hidden_states + self.ffn(self.ffn_layer_norm(hidden_states))


def _convolve(convolution: nn.Module, hidden_states: Tensor, valid: Tensor | None) -> Tensor:
    """Apply a gated, strided convolution over the frames, with padding set to 0: (B, F, D) -> (B, F', D)."""
    if valid is not None:
        hidden_states = hidden_states * valid
    # (B, F, D) -> (B, D, F) -> (B, 2D, F') -> (B, D, F') -> (B, F', D)
    return glu(convolution(hidden_states.transpose(1, 2)), dim=1).transpose(1, 2)


def _length_mask(lengths: Tensor, frames: int) -> Tensor:
    """Return a mask (B, F) of each clip's frames."""
    return torch.arange(frames, device=lengths.device) < lengths[:, None]


def _adapter_mask(config: Wav2Vec2BertConfig) -> str:
    return getattr(config, "adapter_mask", EXACT)
