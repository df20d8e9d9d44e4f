"""Prompt embeddings of AudioLDM 2, as `encode_prompt` returns them and a call of the pipeline takes them back."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor

from photism.audioldm2.cached_cross_attention import TextConditioning
from photism.audioldm2.checkpoint import AudioLDM2Checkpoint
from photism.errors import InputError


class TextEmbeds(NamedTuple):
    """Embeddings of prompts, or of negative prompts.

    prompt_embeds: (B, S, E) hidden states of T5 or VITS.
    attention_mask: (B, S), 0 at padding and 1 elsewhere.
    generated_prompt_embeds: (B, G, D) hidden states that the language model generated.
    """

    prompt_embeds: Tensor
    attention_mask: Tensor
    generated_prompt_embeds: Tensor


class PromptEmbeds(NamedTuple):
    """Encoded prompts, a row for each; the names are those of diffusers.

    prompt_embeds: (B, S, E) hidden states of T5 or VITS.
    attention_mask: (B, S), 0 at padding and 1 elsewhere.
    generated_prompt_embeds: (B, G, D) hidden states that the language model generated.
    negative_prompt_embeds, negative_attention_mask, negative_generated_prompt_embeds: those of the negative prompts, of
        one row for all prompts or of B rows, and of any length; None without guidance.
    """

    prompt_embeds: Tensor
    attention_mask: Tensor
    generated_prompt_embeds: Tensor
    negative_prompt_embeds: Tensor | None = None
    negative_attention_mask: Tensor | None = None
    negative_generated_prompt_embeds: Tensor | None = None

    def select(self, rows: slice) -> PromptEmbeds:
        """Return some of the prompts, with their negative prompts."""
        negatives = (each if each is None or len(each) == 1 else each[rows] for each in self[3:])
        return PromptEmbeds(self[0][rows], self[1][rows], self[2][rows], *negatives)

    def to(self, device: torch.device, dtype: torch.dtype | None = None) -> PromptEmbeds:
        """Return the embeddings on a device and in a dtype, the masks in their own dtype."""
        moved = [
            each if each is None else each.to(device, each.dtype if "mask" in name else dtype)
            for name, each in self._asdict().items()
        ]
        return PromptEmbeds(*cast("list[Tensor]", moved))

    def conditioning(self) -> TextConditioning:
        """Return what the UNet attends to: B rows, or with guidance 2 B rows, those of the negative prompts first."""
        embeds, mask, generated = self[:3]
        negative, negative_mask, negative_generated = self[3:]
        if negative is not None and negative_mask is not None and negative_generated is not None:
            length = max(embeds.shape[1], negative.shape[1])
            embeds = torch.cat([_padded(_repeated(negative, embeds), length), _padded(embeds, length)])
            mask = torch.cat([_padded(_repeated(negative_mask.to(mask.dtype), mask), length), _padded(mask, length)])
            generated = torch.cat([_repeated(negative_generated, generated), generated])
        return TextConditioning(generated, embeds, None if bool(mask.all()) else mask)


def _repeated(tensor: Tensor, like: Tensor) -> Tensor:
    """Return a tensor of one row, or of as many rows as `like`, with that many rows."""
    return tensor.expand(len(like), *tensor.shape[1:])


def _padded(tensor: Tensor, length: int) -> Tensor:
    """Pad with zeros: (B, S, …) -> (B, length, …)."""
    missing = length - tensor.shape[1]
    return torch.cat([tensor, tensor.new_zeros(len(tensor), missing, *tensor.shape[2:])], dim=1) if missing else tensor


def read_text_embeds(
    prompt_embeds: Tensor | None,
    attention_mask: Tensor | None,
    generated_prompt_embeds: Tensor | None,
    *,
    checkpoint: AudioLDM2Checkpoint,
    prefix: str = "",
) -> TextEmbeds | None:
    """Check the embeddings that a call is given.

    Args:
        prompt_embeds: (B, S, E) hidden states of the second text encoder.
        attention_mask: (B, S), by default without padding.
        generated_prompt_embeds: (B, G, D) hidden states of the language model.
        checkpoint: checkpoint that determines the widths E and D.
        prefix: "negative_" in error messages about negative prompts.

    Returns:
        the embeddings, or None if none are given.

    Raises:
        InputError: one is given without another that it needs, or has a wrong shape.
    """
    if (prompt_embeds is None) != (generated_prompt_embeds is None):
        raise InputError(f"{prefix}prompt_embeds and {prefix}generated_prompt_embeds must be given together")
    if prompt_embeds is None or generated_prompt_embeds is None:
        if attention_mask is not None:
            raise InputError(f"{prefix}attention_mask must be given with {prefix}prompt_embeds")
        return None
    named = {"generated_prompt_embeds": generated_prompt_embeds, "prompt_embeds": prompt_embeds}
    for (name, tensor), width in zip(named.items(), checkpoint.embed_widths, strict=True):
        if tensor.ndim != 3 or tensor.shape[2] != width or 0 in tensor.shape:
            raise InputError(f"{prefix}{name} must have the shape (rows, states, {width}); got {tuple(tensor.shape)}")
    if len(prompt_embeds) != len(generated_prompt_embeds):
        raise InputError(
            f"{prefix}prompt_embeds and {prefix}generated_prompt_embeds must have as many rows; got "
            f"{len(prompt_embeds)} and {len(generated_prompt_embeds)}"
        )
    shape = prompt_embeds.shape[:2]
    if attention_mask is None:
        attention_mask = prompt_embeds.new_ones(shape, dtype=torch.long)
    elif attention_mask.shape != shape:
        raise InputError(
            f"{prefix}attention_mask must have the shape {tuple(shape)} of {prefix}prompt_embeds; got "
            f"{tuple(attention_mask.shape)}"
        )
    return TextEmbeds(prompt_embeds, attention_mask, generated_prompt_embeds)


def check_negative_embeds(negatives: TextEmbeds, *, prompts: int, states: int) -> None:
    """Check that embeddings of negative prompts fit the prompts.

    Args:
        negatives: embeddings of one negative prompt, or of one for each prompt.
        prompts: number of prompts.
        states: number of states that the language model generates for a prompt.

    Raises:
        InputError: they do not fit.
    """
    if len(negatives.prompt_embeds) not in (1, prompts):
        raise InputError(
            f"negative_prompt_embeds must have 1 row, or one for each of {prompts} prompts; got "
            f"{len(negatives.prompt_embeds)}"
        )
    if negatives.generated_prompt_embeds.shape[1] != states:
        raise InputError(
            f"negative_generated_prompt_embeds must have as many states as generated_prompt_embeds, {states}; got "
            f"{negatives.generated_prompt_embeds.shape[1]}"
        )
