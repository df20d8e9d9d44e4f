"""The Conformer layer (https://arxiv.org/abs/2005.08100), on (N, D) tokens without padding.

Half a feed-forward network, attention, convolution, and the other half.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, conv2d, pad
from torch.utils.checkpoint import checkpoint
from transformers.activations import ACT2FN
from transformers.modeling_layers import GradientCheckpointingLayer

from photism.encoder.attention import Attended, SelfAttention
from photism.encoder.onednn import Linear, linear, silu_linear
from photism.encoder.packing import Layout

if TYPE_CHECKING:
    from transformers import Wav2Vec2BertConfig

    from photism.encoder.position_embeddings import Positions


TOKENS_AT_ONCE = 256
"""Through the wide middle of a feed-forward network on a processor, so that it stays in the cache and is not new memory
each time."""


class FeedForward(nn.Module):
    """Two linear layers of (…, width) tokens."""

    def __init__(self, config: Wav2Vec2BertConfig, *, width: int, activation: str) -> None:
        super().__init__()
        self.intermediate_dense = Linear(width, config.intermediate_size)
        self.intermediate_act_fn = ACT2FN[activation]
        self.intermediate_dropout = nn.Dropout(config.activation_dropout)
        self.output_dense = Linear(config.intermediate_size, width)
        self.output_dropout = nn.Dropout(config.hidden_dropout)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """(…, width) -> (…, width)."""
        if hidden_states.device.type != "cpu" or torch.is_grad_enabled() or torch.compiler.is_compiling():
            return self._apply_to(hidden_states)
        tokens = hidden_states.flatten(0, -2)
        output = torch.empty_like(tokens)
        for part, out in zip(tokens.split(TOKENS_AT_ONCE), output.split(TOKENS_AT_ONCE), strict=True):
            out.copy_(self._apply_to(part))
        return output.view_as(hidden_states)

    def _apply_to(self, hidden_states: Tensor) -> Tensor:
        hidden_states = self.intermediate_dense(hidden_states)
        dropout = self.training and self.intermediate_dropout.p > 0
        if isinstance(self.intermediate_act_fn, nn.SiLU) and not dropout:
            return self.output_dropout(silu_linear(hidden_states, self.output_dense))
        hidden_states = self.intermediate_dropout(self.intermediate_act_fn(hidden_states))
        return self.output_dropout(self.output_dense(hidden_states))


class PointwiseConvolution(nn.Conv1d):
    """A convolution of kernel 1, computed as the linear layer that it is.

    It takes and gives (B, C, L) like any `Conv1d`, so that what wraps one can wrap it; with channels side by side in
    memory, as a transposed (B, L, C) has them, nothing is copied.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, L) -> (B, out_channels, L), channels side by side."""
        return linear(input.transpose(1, 2), self.weight.squeeze(-1)).transpose(1, 2)


class DepthwiseConvolution(nn.Conv1d):
    """A convolution of each channel on its own.

    Of a transposed (B, L, C), channels side by side in memory, the operator for pictures reads and gives just that,
    where the one for sequences would copy it twice.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, L) -> (B, C, L - kernel_size + 1), channels side by side."""
        if torch.compiler.is_compiling():
            return conv1d(input, self.weight, groups=self.groups)
        picture = input.unsqueeze(2).contiguous(memory_format=torch.channels_last)
        return conv2d(picture, self.weight.unsqueeze(2), groups=self.groups).squeeze(2)


class ConvolutionModule(nn.Module):
    """What a token hears of the `kernel_size - 1` tokens before it: causal, so that padding goes to the left."""

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

    def forward(self, hidden_states: Tensor, layout: Layout) -> Tensor:
        """(N, D) -> (N, D)."""
        hidden_states = self.layer_norm(hidden_states)
        hidden_states = self.glu(_by_token(self.pointwise_conv1, hidden_states))
        if layout.mask is not None:  # padding to the left of a clip must not be heard
            hidden_states = hidden_states.masked_fill(~layout.mask.flatten()[:, None], 0)
        hidden_states = self._convolve(hidden_states, layout)
        hidden_states = self.activation(self.depthwise_layer_norm(hidden_states))
        return self.dropout(_by_token(self.pointwise_conv2, hidden_states))

    def _convolve(self, hidden_states: Tensor, layout: Layout) -> Tensor:
        """Each clip on its own, with silence before it: (N, D) -> (N, D)."""
        silence = self.depthwise_conv.kernel_size[0] - 1
        if layout.lengths is None:
            clips = pad(hidden_states.unflatten(0, (layout.batch, layout.frames)), (0, 0, silence, 0))
            # (B, silence + L, D) -> (B, D, silence + L) -> (B, D, L) -> (B, L, D) -> (N, D)
            return self.depthwise_conv(clips.transpose(1, 2)).transpose(1, 2).flatten(0, 1)
        # All clips in one row, each behind its silence; what is heard at the silences is left out.
        place = layout.positions(hidden_states.device)
        clip = torch.arange(layout.batch, device=place.device)
        clip = clip.repeat_interleave(torch.tensor(layout.lengths, device=place.device))
        heard = torch.arange(len(place), device=place.device) + silence * clip
        row = hidden_states.new_zeros(len(place) + silence * layout.batch, hidden_states.shape[1])
        row = row.index_copy(0, heard + silence, hidden_states)
        convolved = self.depthwise_conv(row.T[None])[0].T  # (L, D) -> (1, D, L) -> (L, D)
        return convolved.index_select(0, heard)


class ConformerLayer(GradientCheckpointingLayer):
    """One layer of the encoder."""

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
        self, hidden_states: Tensor, layout: Layout, positions: Positions | None, output_attentions: bool = False
    ) -> Attended:
        """(N, D) -> (N, D), and the attention's weights (B, H, F, F) where they are asked for."""
        hidden_states = torch.add(hidden_states, self.ffn1(self.ffn1_layer_norm(hidden_states)), alpha=0.5)
        normed = self.self_attn_layer_norm(hidden_states)
        attended = self.self_attn(normed, layout, positions, output_weights=output_attentions)
        hidden_states = hidden_states + self.self_attn_dropout(attended.hidden_states)
        hidden_states = hidden_states + self._convolved(hidden_states, layout)
        hidden_states = torch.add(hidden_states, self.ffn2(self.ffn2_layer_norm(hidden_states)), alpha=0.5)
        return Attended(self.final_layer_norm(hidden_states), attended.weights)

    def _convolved(self, hidden_states: Tensor, layout: Layout) -> Tensor:
        """The convolution module, of whose seven inner states a training step keeps none.

        They are a quarter of what a layer would keep, and a tenth of its work to compute again.
        """
        whole = self.gradient_checkpointing and self.training
        if whole or not torch.is_grad_enabled() or torch.compiler.is_compiling():
            return self.conv_module(hidden_states, layout)
        return checkpoint(self.conv_module, hidden_states, layout, use_reentrant=False)


def _by_token(convolution: nn.Module, tokens: Tensor) -> Tensor:
    """A pointwise convolution of (N, C) tokens -> (N, C')."""
    return convolution(tokens.T[None])[0].T  # (N, C) -> (1, C, N) -> (1, C', N) -> (N, C')
