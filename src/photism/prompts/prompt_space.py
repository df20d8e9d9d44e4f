"""Prompt spaces: the shape and scale of the embeddings that a diffusion model's cross-attention expects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from photism.display.short_repr import short_repr
from photism.errors import InputError
from photism.prompts.text import encode_text


@dataclass(frozen=True, eq=False)
class PromptSpace:
    """The output space of a diffusion model's text encoder, with everything in which such models differ.

    Attributes:
        name: name of the space, such as "sd-1" or "tiny".
        bos: (D,) BOS embedding, the first token. It is the same for every prompt, because the text encoder is causal.
        negative: (S, D) embeddings of the empty prompt, the usual negative prompt of classifier-free guidance.
        norm: mean Euclidean norm of the tokens after BOS.
        pooled_negative: (P,) pooled embedding of the empty prompt for SD XL, else None.
    """

    name: str
    bos: Tensor
    negative: Tensor
    norm: float
    pooled_negative: Tensor | None = None

    def __repr__(self) -> str:
        return short_repr(self, name=self.name, length=self.length, width=self.width, pooled_width=self.pooled_width)

    def __post_init__(self) -> None:
        if self.negative.ndim != 2 or self.bos.shape != self.negative.shape[1:] or len(self.negative) < 2:
            raise InputError(
                "negative must be (S, D) with S at least 2, and bos (D,); "
                f"got {tuple(self.negative.shape)} and {tuple(self.bos.shape)}"
            )

    @property
    def length(self) -> int:
        """S, number of tokens of a prompt, BOS included."""
        return len(self.negative)

    @property
    def width(self) -> int:
        """D, width of a token: the UNet's `cross_attention_dim`."""
        return self.negative.shape[1]

    @property
    def pooled_width(self) -> int | None:
        """P, width of the pooled embedding; None for models without one."""
        return None if self.pooled_negative is None else len(self.pooled_negative)

    @classmethod
    def of(cls, pipeline: Any, *, name: str, captions: Sequence[str] = ("",)) -> PromptSpace:
        """Measure the prompt space of a diffusion pipeline by encoding text with it.

        Args:
            pipeline: a diffusers pipeline with `encode_prompt` (Stable Diffusion 1.x, 2.x, XL).
            name: name to give the space.
            captions: texts on whose tokens `norm` is measured.

        Raises:
            InputError: the pipeline has no text encoder.
        """
        if getattr(pipeline, "text_encoder", None) is None:
            raise InputError("pipeline must have a text encoder to measure its prompt space; load it with one")
        negative, pooled = encode_text(pipeline, [""])
        tokens, _ = encode_text(pipeline, captions)
        return cls(
            name=name,
            bos=negative[0, 0],
            negative=negative[0],
            norm=float(tokens[:, 1:].norm(dim=-1).mean()),
            pooled_negative=None if pooled is None else pooled[0],
        )


def check_widths(unet: Mapping[str, Any], *, space: str, width: int, pooled_width: int | None) -> None:
    """Check, from its configuration alone, that a UNet accepts the prompts of a prompt space.

    Args:
        unet: configuration of a diffusers UNet.
        space: name of the prompt space.
        width: D, width of its tokens.
        pooled_width: P, width of its pooled embedding, or None.

    Raises:
        InputError: the UNet expects another width.
    """
    expected = unet.get("cross_attention_dim")
    if width != expected:
        raise InputError(
            f"encoder must produce prompts of width {expected}, the diffusion model's cross_attention_dim; "
            f"its prompt space {space!r} has width {width}"
        )
    if unet.get("addition_embed_type") == "text_time":
        # SD XL concatenates the pooled embedding with the embeddings of six numbers: sizes and crop of the image.
        expected = unet["projection_class_embeddings_input_dim"] - 6 * unet["addition_time_embed_dim"]
        if pooled_width != expected:
            raise InputError(
                f"encoder must produce pooled embeddings of width {expected} for this diffusion model; "
                f"its prompt space {space!r} has width {pooled_width}"
            )
