"""Prompts out of prompts: several sounds as one, the way from one to another, and sound beside text.

All prompts of a prompt space are alike position by position, so that they can be added and exchanged there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from photism.drawing.prompts import join_rows
from photism.errors import InputError
from photism.prompts.audio_prompt_encoder import AudioPrompt
from photism.prompts.text_place import TEXT_WORDS, TextPlace

BLENDED_STRENGTH = 0.5  # of a sound that a text is blended with


def blend(prompts: Sequence[AudioPrompt], weights: Sequence[float]) -> AudioPrompt:
    """Several prompts as one: their mean by weight, and that of their pooled vectors.

    Args:
        prompts: of one shape, such as `AudioPromptEncoder.encode` makes of one sound; where the first has several
            rows, another may have a single one for all.
        weights: one for each, 0 or more and not all 0; only their proportions count.

    Returns:
        a prompt of the first's shape. One that alone has a weight comes out as it went in.

    Raises:
        InputError: the weights cannot be used, or the shapes differ.
    """
    if isinstance(prompts, AudioPrompt):
        raise InputError("prompts must be a list of prompts; got a single one")
    proportions = shares(weights, len(prompts))
    for prompt in prompts:
        _check_fit(prompt, prompts[0])
    pooled = [prompt.pooled_prompt_embeds for prompt in prompts if prompt.pooled_prompt_embeds is not None]
    mixtures = [prompt.shares for prompt in prompts if prompt.shares is not None]
    return AudioPrompt(
        _mean([prompt.prompt_embeds for prompt in prompts], proportions),
        _mean(pooled, proportions) if pooled else None,
        shares=_mean(mixtures, proportions) if len(mixtures) == len(prompts) else None,
    )


def interpolate(first: AudioPrompt, second: AudioPrompt, count: int) -> AudioPrompt:
    """The way from one prompt to another in equal steps, pooled vectors included.

    Args:
        first: one row, which the way starts with.
        second: one row, which it ends with.
        count: of prompts, at least 2.

    Returns:
        `count` rows.

    Raises:
        InputError: `count` is below 2, a prompt is not one row, or the shapes differ.
    """
    if count < 2:
        raise InputError(f"count must be at least 2, for the two ends; got {count}")
    for name, prompt in (("first", first), ("second", second)):
        if len(prompt.prompt_embeds) != 1:
            raise InputError(f"{name} must be a prompt of one row; got {len(prompt.prompt_embeds)}")
    return join_rows([blend([first, second], (count - 1 - step, step)) for step in range(count)])


def place(sounds: AudioPrompt, text: AudioPrompt, start: int, stop: int) -> AudioPrompt:
    """Puts the first tokens of a text in place of some of a sound's; the prompt stays as long as it was.

    A prompt of all tokens of both would be longer than those that the UNet was trained on, and their order would be
    nothing to it: cross-attention draws the same from a text before a sound as from one after it.

    Args:
        sounds: (B, S, D).
        text: (1, S, D).
        start: the first token that gives way, at least 1, since 0 is the opening one.
        stop: the one after the last, at most S.

    Returns:
        (B, S, D), and a pooled vector that goes from the sound's to the text's by the share of tokens that gave way.

    Raises:
        InputError: there are no such tokens, or the shapes differ.
    """
    _check_fit(text, sounds)
    length = sounds.prompt_embeds.shape[1]
    token_range((start, stop), length=length)
    embeds = sounds.prompt_embeds.clone()
    embeds[:, start:stop] = text.prompt_embeds[:, 1 : 1 + stop - start]
    pooled = _lerp(sounds.pooled_prompt_embeds, text.pooled_prompt_embeds, (stop - start) / (length - 1))
    return sounds._replace(prompt_embeds=embeds, pooled_prompt_embeds=pooled, shares=None)


def with_strength(sounds: AudioPrompt, text: AudioPrompt, strength: float) -> AudioPrompt:
    """Goes from a text (0), or any other prompt, to sounds (1), or beyond, pooled vectors included.

    Args:
        sounds: (B, S, D).
        text: (1, S, D).
        strength: how far.

    Raises:
        InputError: the shapes differ.
    """
    _check_fit(text, sounds)
    embeds = torch.lerp(text.prompt_embeds, sounds.prompt_embeds, strength)
    pooled = _lerp(text.pooled_prompt_embeds, sounds.pooled_prompt_embeds, strength)
    mixture = sounds.shares if strength == 1 else None
    return sounds._replace(prompt_embeds=embeds, pooled_prompt_embeds=pooled, shares=mixture)


def read_strength(strength: float | None, text: str | None, where: TextPlace) -> float:
    """The strength of a sound, or what it is by default.

    Raises:
        InputError: below 0 or not finite, or `where` is given without a text.
    """
    if text is None and where != "blend":
        raise InputError(f"text_place must be left out where there is no text; got {where}")
    if strength is None:
        return BLENDED_STRENGTH if text is not None and where == "blend" else 1.0
    if not (strength >= 0 and math.isfinite(strength)):
        raise InputError(f"sound_strength must be 0 (the text alone) or more; got {strength}")
    return strength


def shares(weights: Sequence[float], count: int) -> list[float]:
    """Weights of `count` prompts, made to sum to 1.

    Raises:
        InputError: another number of weights, one below 0 or not finite, or all of them 0.
    """
    if len(weights) != count:
        raise InputError(f"weights must be one for each sound, {count}; got {len(weights)}")
    total = sum(weights)
    if not 0 < total < math.inf or min(weights) < 0:
        raise InputError(f"weights must be 0 or more, finite and not all 0; got {', '.join(map(str, weights))}")
    return [weight / total for weight in weights]


def token_range(where: TextPlace, *, length: int, words: int = 0) -> tuple[int, int] | None:
    """The tokens of a prompt of `length` that give way to a text of `words` tokens; None for "blend".

    Raises:
        InputError: `where` is none of a `TextPlace`, there are no such tokens, or none would be left of the sound.
    """
    if where == "blend":
        return None
    if isinstance(where, str):
        if where not in TEXT_WORDS:
            raise InputError(f"text_place must be one of {', '.join(TEXT_WORDS)} or a range of tokens; got {where!r}")
        if not 1 <= words <= length - 2:
            raise InputError(f"text must have 1 to {length - 2} tokens to stand {where} the sound; it has {words}")
        return (1, 1 + words) if where == "before" else (length - words, length)
    start, stop = where
    if not 1 <= start < stop <= length:
        raise InputError(f"text_place must be a range of tokens within 1:{length}; got {start}:{stop}")
    return start, stop


def _check_fit(one: AudioPrompt, other: AudioPrompt) -> None:
    """Of one space and length, and `one` of a single row or of as many as `other`."""
    rows, others = len(one.prompt_embeds), len(other.prompt_embeds)
    if rows not in (1, others) or _row_shapes(one) != _row_shapes(other):
        raise InputError(
            "prompts must be of one shape (B, S, D), with pooled vectors (B, P) of one shape or none; "
            f"got {_shapes(one)} and {_shapes(other)}"
        )


def _row_shapes(prompt: AudioPrompt) -> list[tuple[int, ...]]:
    return [shape[1:] for shape in _shapes(prompt)]


def _shapes(prompt: AudioPrompt) -> list[tuple[int, ...]]:
    return [tuple(tensor.shape) for tensor in prompt[:2] if tensor is not None]


def _mean(tensors: Sequence[Tensor], proportions: Sequence[float]) -> Tensor:
    """In float32, whatever the tensors are in: a third is none in bfloat16."""
    summands = [proportion * tensor.float() for tensor, proportion in zip(tensors, proportions, strict=True)]
    return torch.stack(torch.broadcast_tensors(*summands)).sum(dim=0).to(tensors[0].dtype)


def _lerp(start: Tensor | None, end: Tensor | None, share: float) -> Tensor | None:
    return None if start is None or end is None else torch.lerp(start, end, share)
