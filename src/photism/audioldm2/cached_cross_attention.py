"""Cross-attention to a text that stays the same over all steps: its keys and values are computed once.

The UNet of AudioLDM 2 attends to text in 32 layers. diffusers projects the text to keys and values in each of them at
each step, for each waveform of a prompt and for the negative prompt; the text never changes.
"""

from __future__ import annotations

from collections.abc import Generator, MutableMapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0
from torch import Tensor, nn

MASKED = -10_000.0
"""Logit bias of a masked state, with which the UNet was trained."""
DEFAULT_PROCESSORS = (AttnProcessor, AttnProcessor2_0)
"""Attention processors of diffusers that compute what `CachedCrossAttnProcessor` does."""
_PROCESSORS: MutableMapping[Any, CachedCrossAttnProcessor] = WeakKeyDictionary()
"""Processor of each cross-attention layer."""


class TextConditioning(NamedTuple):
    """What the UNet attends to, by its own argument names: R rows, each for m consecutive waveforms of its batch.

    encoder_hidden_states: (R, G, D) hidden states that the language model generated; none is ever masked.
    encoder_hidden_states_1: (R, S, E) hidden states of the second text encoder.
    encoder_attention_mask_1: (R, S), 0 at padding and 1 elsewhere; None without padding.
    """

    encoder_hidden_states: Tensor
    encoder_hidden_states_1: Tensor
    encoder_attention_mask_1: Tensor | None

    def repeated(self, count: int) -> TextConditioning:
        """Return each row as often, one after the other."""
        mask = self.encoder_attention_mask_1
        return TextConditioning(
            self.encoder_hidden_states.repeat_interleave(count, 0),
            self.encoder_hidden_states_1.repeat_interleave(count, 0),
            None if mask is None else mask.repeat_interleave(count, 0),
        )


class CachedCrossAttnProcessor:
    """Attention processor of diffusers for one cross-attention layer, which keeps the keys and values of its text."""

    def __init__(self) -> None:
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
            raise RuntimeError("the keys and values must be cached before the UNet is called")
        rows, heads = keys.shape[:2]
        batch, length = hidden_states.shape[:2]
        # The m waveforms of a row become one long sequence: (R * m, L, H * d) -> (R, H, m * L, d)
        query = attn.to_q(hidden_states).view(rows, batch // rows * length, heads, -1).transpose(1, 2)
        attended = nn.functional.scaled_dot_product_attention(query, keys, values, attn_mask=self.bias)
        attended = attended.transpose(1, 2).reshape(batch, length, -1)  # (R, H, m * L, d) -> (R * m, L, H * d)
        return attn.to_out[0](attended)


@contextmanager
def cached_cross_attention(unet: Any, text: TextConditioning) -> Generator[bool]:
    """Compute the keys and values of a text once, for all calls of a UNet until the end of the block.

    Afterwards the UNet is as it was. One whose processors were replaced by the caller's own, or that diffusers offloads
    in groups of layers, is left alone.

    Args:
        unet: UNet of AudioLDM 2.
        text: what it attends to.

    Yields:
        whether they were computed; else the text has to be passed to the UNet, with a row for each row of its batch.
    """
    layers = _cross_attentions(unet)
    if not all(type(attention.processor) in DEFAULT_PROCESSORS for attention, _ in layers) or _has_hooks(unet):
        yield False
        return
    bias, mask = None, text.encoder_attention_mask_1
    if mask is not None:
        bias = (1 - mask.to(text.encoder_hidden_states_1.dtype)) * MASKED
        bias = bias[:, None, None]  # (R, S) -> (R, 1, 1, S)
    streams = ((text.encoder_hidden_states, None), (text.encoder_hidden_states_1, bias))
    replaced = [(attention, attention.processor) for attention, _ in layers]
    try:
        for attention, stream in layers:
            # A compiled UNet is compiled again if it has other processors than before.
            processor = _PROCESSORS.setdefault(attention, CachedCrossAttnProcessor())
            processor.cache(attention, *streams[stream])
            attention.set_processor(processor)
        yield True
    finally:
        for attention, processor in replaced:
            if attention in _PROCESSORS:
                _PROCESSORS[attention].clear()
            attention.set_processor(processor)


def _has_hooks(unet: Any) -> bool:
    """Return whether diffusers moves or converts weights when a layer is called."""
    return any(hasattr(module, "_diffusers_hook") for module in unet.modules())


def _cross_attentions(unet: Any) -> list[tuple[Any, int]]:
    """Return the layers that attend to text, each with its stream: 0 for the language model, 1 for the text encoder.

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
