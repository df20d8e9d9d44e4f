"""The Conformer layer (https://arxiv.org/abs/2005.08100), on (N, D) tokens without padding.

A layer is half a feed-forward step, self-attention, convolution, and another half feed-forward step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, conv2d, pad
from torch.utils.checkpoint import checkpoint
from transformers.activations import ACT2FN
from transformers.modeling_layers import GradientCheckpointingLayer

from photism.encoder.attention import AttentionOutput, SelfAttention
from photism.encoder.kernels import current_kernels
from photism.encoder.onednn import apply_linear, linear, silu_linear
from photism.encoder.packing import PackedBatch
from photism.encoder.tracing import has_hooks, has_modes, has_values

if TYPE_CHECKING:
    from transformers import Wav2Vec2BertConfig

    from photism.encoder.position_embeddings import Positions


FEWEST_CHANNELS = 17
"""Fewest channels of a depthwise convolution in the format "channels last" and in half precision: with up to 16, one
vector of AVX-512, oneDNN's kernels do not return for some kernel sizes, such as 15 (torch 2.13): those for bfloat16 in
this format, and those for float16, which CPUs with AVX512_FP16 have, in any."""


class FeedForward(nn.Module):
    """Feed-forward network: two linear layers with an activation between them."""

    def __init__(self, config: Wav2Vec2BertConfig, *, width: int, activation: str) -> None:
        super().__init__()
        self.intermediate_dense = nn.Linear(width, config.intermediate_size)
        self.intermediate_act_fn = ACT2FN[activation]
        self.intermediate_dropout = nn.Dropout(config.activation_dropout)
        self.output_dense = nn.Linear(config.intermediate_size, width)
        self.output_dropout = nn.Dropout(config.hidden_dropout)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Apply the network: (…, width) -> (…, width)."""
        if has_hooks(*self.children()):  # they see the input and output of each module
            return self._apply_modules(hidden_states)
        if hidden_states.device.type != "cpu" or torch.is_grad_enabled() or not has_values(hidden_states):
            return self._apply_to(hidden_states)
        tokens = hidden_states.flatten(0, -2)
        output = torch.empty_like(tokens)
        size = current_kernels().tokens_at_once
        for part, out in zip(tokens.split(size), output.split(size), strict=True):
            out.copy_(self._apply_to(part))
        return output.view_as(hidden_states)

    def _apply_to(self, hidden_states: Tensor) -> Tensor:
        dropout = self.training and self.intermediate_dropout.p > 0
        if not isinstance(self.intermediate_act_fn, nn.SiLU) or dropout:
            return self._apply_modules(hidden_states)
        hidden_states = apply_linear(self.intermediate_dense, hidden_states)
        return self.output_dropout(silu_linear(hidden_states, self.output_dense))

    def _apply_modules(self, hidden_states: Tensor) -> Tensor:
        hidden_states = self.intermediate_act_fn(apply_linear(self.intermediate_dense, hidden_states))
        return self.output_dropout(apply_linear(self.output_dense, self.intermediate_dropout(hidden_states)))


class PointwiseConvolution(nn.Conv1d):
    """A convolution of kernel size 1, computed as a linear layer.

    Input and output are (B, C, L), as for any `Conv1d`, so that adapters such as LoRA apply. An input whose channels
    are contiguous in memory, such as a transposed (B, L, C), is not copied.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply the convolution: (B, C, L) -> (B, out_channels, L), with contiguous channels."""
        return linear(input.transpose(1, 2), self.weight.squeeze(-1)).transpose(1, 2)


class DepthwiseConvolution(nn.Conv1d):
    """A depthwise convolution.

    An input of contiguous channels, such as a transposed (B, L, C), is in the memory format "channels last" of torch's
    2-D convolution, which reads and writes it in place; the 1-D convolution would copy it twice. For gradients on a CPU
    it is the faster one nevertheless: on an Intel Xeon, its backward pass takes less than half the time.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply the convolution: (B, C, L) -> (B, C, L - kernel_size + 1), with contiguous channels."""
        if not has_values(input):
            return conv1d(input, self.weight, groups=self.groups)
        if self.in_channels < FEWEST_CHANNELS:
            dtype = torch.promote_types(input.dtype, torch.float32)
            with torch.autocast(input.device.type, enabled=False):
                return conv1d(input.to(dtype), self.weight.to(dtype), groups=self.groups).to(input.dtype)
        if torch.is_grad_enabled() and input.device.type == "cpu":
            return conv1d(input, self.weight, groups=self.groups)
        image = input.unsqueeze(2).contiguous(memory_format=torch.channels_last)
        return conv2d(image, self.weight.unsqueeze(2), groups=self.groups).squeeze(2)


class ConvolutionModule(nn.Module):
    """The convolution module, causal: a token depends on itself and the `kernel_size - 1` tokens before it."""

    def __init__(self, config: Wav2Vec2BertConfig) -> None:
        super().__init__()
        width = config.hidden_size
        if config.conv_depthwise_kernel_size % 2 == 0:
            raise ValueError(f"conv_depthwise_kernel_size must be odd; got {config.conv_depthwise_kernel_size}")
        self.layer_norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.pointwise_conv1 = PointwiseConvolution(width, 2 * width, kernel_size=1, bias=False)
        self.glu = nn.GLU(dim=-1)
        kernel = config.conv_depthwise_kernel_size
        self.depthwise_conv = DepthwiseConvolution(width, width, kernel, groups=width, bias=False)
        self.depthwise_layer_norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.activation = ACT2FN[config.hidden_act]
        self.pointwise_conv2 = PointwiseConvolution(width, width, kernel_size=1, bias=False)
        self.dropout = nn.Dropout(config.conformer_conv_dropout)

    def forward(self, hidden_states: Tensor, packed: PackedBatch) -> Tensor:
        """Apply the module: (N, D) -> (N, D)."""
        hidden_states = self.layer_norm(hidden_states)
        hidden_states = self.glu(_by_token(self.pointwise_conv1, hidden_states))
        if packed.mask is not None:  # padding on the left must not affect a clip
            hidden_states = hidden_states.masked_fill(~packed.mask.flatten()[:, None], 0)
        hidden_states = self._convolve(hidden_states, packed)
        hidden_states = self.activation(self.depthwise_layer_norm(hidden_states))
        return self.dropout(_by_token(self.pointwise_conv2, hidden_states))

    def _convolve(self, hidden_states: Tensor, packed: PackedBatch) -> Tensor:
        """Convolve each clip by itself, with zeros before it: (N, D) -> (N, D)."""
        zeros = self.depthwise_conv.kernel_size[0] - 1
        if packed.lengths is None:
            clips = pad(hidden_states.unflatten(0, (packed.batch, packed.frames)), (0, 0, zeros, 0))
            # (B, zeros + L, D) -> (B, D, zeros + L) -> (B, D, L) -> (B, L, D) -> (N, D)
            return self.depthwise_conv(clips.transpose(1, 2)).transpose(1, 2).flatten(0, 1)
        # All clips in one row, each after its zeros; the outputs at the zeros are dropped.
        device = hidden_states.device
        kept = torch.arange(len(hidden_states), device=device) + zeros * packed.clips.to(device)
        row = hidden_states.new_zeros(len(kept) + zeros * packed.batch, hidden_states.shape[1])
        row = row.index_copy(0, kept + zeros, hidden_states)
        convolved = self.depthwise_conv(row.T[None])[0].T  # (L, D) -> (1, D, L) -> (L, D)
        return convolved.index_select(0, kept)


class ConformerLayer(GradientCheckpointingLayer):
    """A layer of the encoder."""

    def __init__(self, config: Wav2Vec2BertConfig) -> None:
        super().__init__()
        width, eps = config.hidden_size, config.layer_norm_eps
        self.ffn1_layer_norm = nn.LayerNorm(width, eps=eps)
        self.ffn1 = FeedForward(config, width=width, activation=config.hidden_act)
        self.self_attn_layer_norm = nn.LayerNorm(width, eps=eps)
        self.self_attn_dropout = nn.Dropout(config.attention_dropout)
        self.self_attn = SelfAttention(config, width=width, positions=config.position_embeddings_type)
        self.conv_module = ConvolutionModule(config)
        self.ffn2_layer_norm = nn.LayerNorm(width, eps=eps)
        self.ffn2 = FeedForward(config, width=width, activation=config.hidden_act)
        self.final_layer_norm = nn.LayerNorm(width, eps=eps)

    def forward(
        self, hidden_states: Tensor, packed: PackedBatch, positions: Positions | None, output_attentions: bool = False
    ) -> AttentionOutput:
        """(N, D) -> (N, D), and the attention's weights (B, H, F, F) where they are asked for."""
        hidden_states = torch.add(hidden_states, self.ffn1(self.ffn1_layer_norm(hidden_states)), alpha=0.5)
        normed = self.self_attn_layer_norm(hidden_states)
        attended = self.self_attn(normed, packed, positions, output_weights=output_attentions)
        hidden_states = hidden_states + self.self_attn_dropout(attended.hidden_states)
        hidden_states = hidden_states + self._convolved(hidden_states, packed)
        hidden_states = torch.add(hidden_states, self.ffn2(self.ffn2_layer_norm(hidden_states)), alpha=0.5)
        return AttentionOutput(self.final_layer_norm(hidden_states), attended.weights)

    def _convolved(self, hidden_states: Tensor, packed: PackedBatch) -> Tensor:
        """Apply the convolution module, and keep none of its seven inner states for the backward pass.

        They are a quarter of the memory that a layer needs, and computing them again is a tenth of its work.
        """
        whole = self.gradient_checkpointing and self.training
        if whole or not torch.is_grad_enabled() or not has_values(hidden_states):
            return self.conv_module(hidden_states, packed)
        if has_modes() or has_hooks(*self.conv_module.modules()):  # they would see each state twice
            return self.conv_module(hidden_states, packed)
        return checkpoint(self.conv_module, hidden_states, packed, use_reentrant=False)


def _by_token(convolution: nn.Module, tokens: Tensor) -> Tensor:
    """Apply a pointwise convolution to tokens: (N, C) -> (N, C')."""
    return convolution(tokens.T[None])[0].T  # (N, C) -> (1, C, N) -> (1, C', N) -> (N, C')
