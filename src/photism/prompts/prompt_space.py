"""What a diffusion model's cross-attention expects where a text prompt would be."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from photism.errors import InputError


@dataclass(frozen=True, eq=False)
class PromptSpace:
    """The sequence of vectors that a diffusion model's text encoder gives it: all that differs between such models.

    Attributes:
        name: what the space is called, such as "sd-1" or "tiny".
        bos: (D,) the opening vector; the same for every prompt, since the text encoder is causal.
        negative: (S, D) the tokens of the empty prompt, which guidance leads away from.
        norm: the mean length of a token after the opening one.
        pooled_negative: (P,) the pooled vector of the empty prompt, where the model wants one (SD XL), else None.
    """

    name: str
    bos: Tensor
    negative: Tensor
    norm: float
    pooled_negative: Tensor | None = None

    def __post_init__(self) -> None:
        if self.negative.ndim != 2 or self.bos.shape != self.negative.shape[1:] or len(self.negative) < 2:
            raise InputError(
                "negative must be (S, D) with S at least 2, and bos (D,); "
                f"got {tuple(self.negative.shape)} and {tuple(self.bos.shape)}"
            )

    @property
    def length(self) -> int:
        """S, the tokens of a prompt, the opening one included."""
        return len(self.negative)

    @property
    def width(self) -> int:
        """D, the width of a token: the UNet's cross_attention_dim."""
        return self.negative.shape[1]

    @property
    def pooled_width(self) -> int | None:
        """P, the width of the pooled vector; None where the model wants none."""
        return None if self.pooled_negative is None else len(self.pooled_negative)

    @classmethod
    def of(cls, pipeline: Any, *, name: str, captions: Sequence[str] = ("",)) -> PromptSpace:
        """Measures the prompt space of a diffusion pipeline by encoding text with it.

        Args:
            pipeline: a diffusers pipeline with `encode_prompt` (Stable Diffusion 1.x, 2.x, XL).
            name: what to call the space.
            captions: texts whose tokens the typical norm is measured on.

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
    """That a UNet takes the prompts of a space, which its configuration tells without its weights.

    Args:
        unet: configuration of a diffusers UNet.
        space: name of the prompt space.
        width: D, of its tokens.
        pooled_width: P, of its pooled vectors; None where it has none.

    Raises:
        InputError: the UNet expects another width.
    """
    expected = unet.get("cross_attention_dim")
    if width != expected:
        raise InputError(
            f"encoder must make prompts of diffusion's width, {expected} (cross_attention_dim); "
            f"those of its prompt space {space!r} have {width}"
        )
    if unet.get("addition_embed_type") == "text_time":
        # SD XL appends the pooled vector to the embeddings of six numbers, the picture's sizes and crop.
        expected = unet["projection_class_embeddings_input_dim"] - 6 * unet["addition_time_embed_dim"]
        if pooled_width != expected:
            raise InputError(
                f"encoder must make pooled vectors of diffusion's width, {expected}; "
                f"those of its prompt space {space!r} have {pooled_width}"
            )


@torch.no_grad()
def encode_text(pipeline: Any, captions: Sequence[str]) -> tuple[Tensor, Tensor | None]:
    """The tokens that a diffusion pipeline draws a text from, and the pooled vectors of SD XL.

    Args:
        pipeline: a diffusers pipeline with `encode_prompt`.
        captions: N texts; too long ones are cut as the pipeline cuts them, without its warnings.

    Returns:
        (N, S, D) float32, and (N, P) float32 or None.
    """
    with _quiet():
        encoded = pipeline.encode_prompt(
            # Where its text encoder works, which with offloading is not where it lies.
            list(captions),
            device=pipeline._execution_device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=False,
        )
    pooled = encoded[2].float() if len(encoded) == 4 else None
    return encoded[0].float(), pooled


@contextmanager
def _quiet() -> Generator[None]:
    """Errors alone from transformers and diffusers."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    libraries = (diffusers_logging, transformers_logging)
    before = [library.get_verbosity() for library in libraries]
    for library in libraries:
        library.set_verbosity_error()
    try:
        yield
    finally:
        for library, verbosity in zip(libraries, before, strict=True):
            library.set_verbosity(verbosity)
