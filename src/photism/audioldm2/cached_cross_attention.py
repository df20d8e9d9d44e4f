"""Cross-attention to a text that stays the same over all steps: its keys and values are computed once.

A step of AudioLDM 2's UNet attends to text in 32 layers. The reference projects the text to keys and values in each of
them at each step, for each waveform of a prompt and for the negative; the text never changes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn

MASKED = -10_000.0  # what the UNet was trained to add to the logits of a masked state


class TextStates(NamedTuple):
    """What the UNet attends to: R rows, each for m waveforms that stand next to each other in its batch.

    generated: (R, G, D) the states that the language model made; none is ever masked.
    encoded: (R, S, E) those of the second text encoder.
    mask: (R, S), 1 where a state counts; None where all do.
    """

    generated: Tensor
    encoded: Tensor
    mask: Tensor | None


class ConstantTextAttention:
    """The processor of one cross-attention layer.

    Args:
        stream: 0 if the layer attends to what the language model made, 1 to the second text encoder's states.
    """

    def __init__(self, stream: int) -> None:
        self.stream = stream
        self.keys: Tensor | None = None
        self.values: Tensor | None = None
        self.bias: Tensor | None = None

    def set_text(self, attention: Any, states: Tensor, bias: Tensor | None) -> None:
        """Projects (R, S, D) states to the keys and values of all steps; `bias` (R, 1, 1, S) is for their logits."""
        rows, length = states.shape[:2]
        # (R, S, H * d) -> (R, H, S, d)
        self.keys = attention.to_k(states).view(rows, length, attention.heads, -1).transpose(1, 2)
        self.values = attention.to_v(states).view(rows, length, attention.heads, -1).transpose(1, 2)
        self.bias = bias

    def forget_text(self) -> None:
        """Lets the memory go."""
        self.keys = self.values = self.bias = None

    def __call__(self, attn: Any, hidden_states: Tensor, *ignored: object, **further: object) -> Tensor:
        """(R * m, L, D) -> the same; what diffusers hands over for the text is not looked at."""
        keys, values = self.keys, self.values
        if keys is None or values is None:
            raise RuntimeError("set_text comes before the UNet")
        rows, heads = keys.shape[:2]
        batch, length = hidden_states.shape[:2]
        # The m waveforms of a row become one long sequence: (R * m, L, H * d) -> (R, H, m * L, d)
        query = attn.to_q(hidden_states).view(rows, batch // rows * length, heads, -1).transpose(1, 2)
        attended = nn.functional.scaled_dot_product_attention(query, keys, values, attn_mask=self.bias)
        attended = attended.transpose(1, 2).reshape(batch, length, -1)  # (R, H, m * L, d) -> (R * m, L, H * d)
        return attn.to_out[0](attended)


def install_constant_text(unet: Any) -> None:
    """Gives each layer of an AudioLDM 2 UNet that attends to text a `ConstantTextAttention`."""
    for attention, stream in _cross_attentions(unet):
        attention.set_processor(ConstantTextAttention(stream))


def set_text(unet: Any, text: TextStates) -> None:
    """Computes the keys and values of a text in all layers, for the steps to come."""
    bias = None
    if text.mask is not None:
        bias = (1 - text.mask.to(text.encoded.dtype)) * MASKED
        bias = bias[:, None, None]  # (R, S) -> (R, 1, 1, S)
    for attention, stream in _cross_attentions(unet):
        states, of_stream = (text.encoded, bias) if stream else (text.generated, None)
        attention.processor.set_text(attention, states, of_stream)


def forget_text(unet: Any) -> None:
    """Lets their memory go."""
    for attention, _ in _cross_attentions(unet):
        attention.processor.forget_text()


def _cross_attentions(unet: Any) -> list[tuple[Any, int]]:
    """The layers that attend to text, and to which.

    After each ResNet block stands a transformer for every entry of the block's `cross_attention_dim`: None attends to
    the sound alone, the first two to stream 0, what comes after them to stream 1.
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
