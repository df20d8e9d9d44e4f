"""Cross-attention to a text that stays the same over all steps: its keys and values are computed once.

The UNet of AudioLDM 2 attends to text in 32 layers. diffusers projects the text to keys and values in each of them at
each step, for each waveform of a prompt and for the negative prompt; the text never changes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn

MASKED = -10_000.0
"""Logit bias of a masked state, with which the UNet was trained."""


class TextConditioning(NamedTuple):
    """What the UNet attends to, by its own argument names: R rows, each for m consecutive waveforms of its batch.

    encoder_hidden_states: (R, G, D) hidden states that the language model generated; none is ever masked.
    encoder_hidden_states_1: (R, S, E) hidden states of the second text encoder.
    encoder_attention_mask_1: (R, S), 0 at padding and 1 elsewhere; None without padding.
    """

    encoder_hidden_states: Tensor
    encoder_hidden_states_1: Tensor
    encoder_attention_mask_1: Tensor | None


class CachedCrossAttnProcessor:
    """Attention processor of diffusers for one cross-attention layer, which keeps the keys and values of its text.

    Args:
        stream: 0 if the layer attends to the states of the language model, 1 for those of the second text encoder.
    """

    def __init__(self, stream: int) -> None:
        self.stream = stream
        self.keys: Tensor | None = None
        self.values: Tensor | None = None
        self.bias: Tensor | None = None

    def cache(self, attention: Any, states: Tensor, bias: Tensor | None) -> None:
        """Project hidden states to keys and values.

        Args:
            attention: layer that the processor belongs to.
            states: (R, S, D) hidden states.
            bias: (R, 1, 1, S) bias of the attention logits, or None.
        """
        rows, length = states.shape[:2]
        # (R, S, H * d) -> (R, H, S, d)
        self.keys = attention.to_k(states).view(rows, length, attention.heads, -1).transpose(1, 2)
        self.values = attention.to_v(states).view(rows, length, attention.heads, -1).transpose(1, 2)
        self.bias = bias

    def clear(self) -> None:
        """Free the keys and values."""
        self.keys = self.values = self.bias = None

    def __call__(self, attn: Any, hidden_states: Tensor, *ignored: object, **further: object) -> Tensor:
        """Attend from (R * m, L, D) to the cached text; what diffusers passes as the text is ignored."""
        keys, values = self.keys, self.values
        if keys is None or values is None:
            raise RuntimeError("cache_text must be called before the UNet")
        rows, heads = keys.shape[:2]
        batch, length = hidden_states.shape[:2]
        # The m waveforms of a row become one long sequence: (R * m, L, H * d) -> (R, H, m * L, d)
        query = attn.to_q(hidden_states).view(rows, batch // rows * length, heads, -1).transpose(1, 2)
        attended = nn.functional.scaled_dot_product_attention(query, keys, values, attn_mask=self.bias)
        attended = attended.transpose(1, 2).reshape(batch, length, -1)  # (R, H, m * L, d) -> (R * m, L, H * d)
        return attn.to_out[0](attended)


def install_cached_cross_attention(unet: Any) -> None:
    """Set a `CachedCrossAttnProcessor` in each layer of an AudioLDM 2 UNet that attends to text."""
    for attention, stream in _cross_attentions(unet):
        attention.set_processor(CachedCrossAttnProcessor(stream))


def cache_text(unet: Any, text: TextConditioning) -> None:
    """Compute the keys and values of a text in all layers."""
    bias, mask = None, text.encoder_attention_mask_1
    if mask is not None:
        bias = (1 - mask.to(text.encoder_hidden_states_1.dtype)) * MASKED
        bias = bias[:, None, None]  # (R, S) -> (R, 1, 1, S)
    streams = ((text.encoder_hidden_states, None), (text.encoder_hidden_states_1, bias))
    for attention, stream in _cross_attentions(unet):
        attention.processor.cache(attention, *streams[stream])


def clear_text(unet: Any) -> None:
    """Free the keys and values in all layers."""
    for attention, _ in _cross_attentions(unet):
        attention.processor.clear()


def _cross_attentions(unet: Any) -> list[tuple[Any, int]]:
    """Return the layers that attend to text, each with its stream.

    After each ResNet block stands a transformer for every entry of the block's `cross_attention_dim`: None is
    self-attention, the first two entries attend to stream 0, the later ones to stream 1.
    """
    found: list[tuple[Any, int]] = []
    for block in (*unet.down_blocks, unet.mid_block, *unet.up_blocks):
        attentions: list[Any] = list(getattr(block, "attentions", ()))
        for position, transformer in enumerate(attentions):
            widths = block.cross_attention_dim
            entry = position % len(widths)
            if widths[entry] is not None:
                layers = transformer.transformer_blocks
                found += [(layer.attn2, int(entry > 1)) for layer in layers]
    return found
