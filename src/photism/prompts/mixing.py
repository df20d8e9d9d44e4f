"""Mix prompts: blend several, interpolate between two, and place a text in the prompt of a recording.

Prompts of one prompt space agree in the meaning of each position, so that they can be averaged and exchanged position
by position.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from photism.errors import InputError
from photism.prompts.audio_prompt import AudioPrompt, concatenate, select_rows
from photism.prompts.settings import MixSettings, normalize_weights
from photism.prompts.text_place import TEXT_WORDS, TextPlace


def mix_prompts(prompts: AudioPrompt, settings: MixSettings) -> AudioPrompt:
    """Return the prompts to draw from those of recordings: a row for each, for their blend, or for each step.

    Args:
        prompts: a row for each recording.
        settings: how they are mixed.
    """
    rows = [select_rows(prompts, [row]) for row in range(len(prompts.prompt_embeds))]
    if settings.morph is not None:
        return interpolate(rows[0], rows[1], settings.morph)
    return prompts if settings.weights is None else blend(rows, settings.weights)


def blend(prompts: Sequence[AudioPrompt], weights: Sequence[float]) -> AudioPrompt:
    """Return the weighted mean of prompts and of their pooled embeddings.

    Args:
        prompts: prompts of one shape. Where the first has several rows, another may have a single row, which is
            blended with each of them.
        weights: one weight per prompt, at least 0 and not all 0; they are normalised to a sum of 1.

    Returns:
        A prompt of the shape of the first. If one weight alone is above 0, its prompt is returned unchanged.

    Raises:
        InputError: the weights are invalid, or the shapes differ.
    """
    if isinstance(prompts, AudioPrompt):
        raise InputError("prompts must be a list of prompts; got a single one")
    weights = normalize_weights(weights, len(prompts))
    for prompt in prompts:
        _check_shapes(prompt, prompts[0])
    pooled = [prompt.pooled_prompt_embeds for prompt in prompts if prompt.pooled_prompt_embeds is not None]
    mixtures = [prompt.mixture_weights for prompt in prompts if prompt.mixture_weights is not None]
    return AudioPrompt(
        _weighted_mean([prompt.prompt_embeds for prompt in prompts], weights),
        _weighted_mean(pooled, weights) if pooled else None,
        mixture_weights=_weighted_mean(mixtures, weights) if len(mixtures) == len(prompts) else None,
    )


def interpolate(first: AudioPrompt, second: AudioPrompt, count: int) -> AudioPrompt:
    """Interpolate linearly between two prompts, in equal steps and with their pooled embeddings.

    Args:
        first: prompt of one row, the first row of the result.
        second: prompt of one row, the last row of the result.
        count: number of prompts, at least 2.

    Returns:
        `count` rows.

    Raises:
        InputError: `count` is below 2, a prompt has several rows, or the shapes differ.
    """
    if count < 2:
        raise InputError(f"count must be at least 2, for the two ends; got {count}")
    for name, prompt in (("first", first), ("second", second)):
        if len(prompt.prompt_embeds) != 1:
            raise InputError(f"{name} must be a prompt of one row; got {len(prompt.prompt_embeds)}")
    return concatenate([blend([first, second], (count - 1 - step, step)) for step in range(count)])


def place(prompts: AudioPrompt, text: AudioPrompt, start: int, stop: int) -> AudioPrompt:
    """Replace tokens of a recording's prompt with the first tokens of a text; the length of the prompt stays.

    The two are not concatenated: the UNet was not trained on longer prompts, and cross-attention has no notion of the
    order of its tokens, so that a text before a recording would have the same effect as one after it.

    Args:
        prompts: prompts of recordings, (B, S, D).
        text: prompt of a text, (1, S, D).
        start: first token to replace, at least 1; token 0 is BOS.
        stop: one after the last token to replace, at most S.

    Returns:
        (B, S, D), and pooled embeddings interpolated towards the text's by the fraction of tokens replaced.

    Raises:
        InputError: the range lies outside the prompt, or the shapes differ.
    """
    _check_shapes(text, prompts)
    length = prompts.prompt_embeds.shape[1]
    token_range((start, stop), length=length)
    embeds = prompts.prompt_embeds.clone()
    embeds[:, start:stop] = text.prompt_embeds[:, 1 : 1 + stop - start]
    pooled = _lerp(prompts.pooled_prompt_embeds, text.pooled_prompt_embeds, (stop - start) / (length - 1))
    return prompts._replace(prompt_embeds=embeds, pooled_prompt_embeds=pooled, mixture_weights=None)


def with_strength(prompts: AudioPrompt, text: AudioPrompt, strength: float) -> AudioPrompt:
    """Interpolate from a text, or any other prompt, to the prompts of recordings, with their pooled embeddings.

    Args:
        prompts: prompts of recordings, (B, S, D).
        text: prompt of one row, (1, S, D).
        strength: 0 returns the text, 1 the recordings; above 1 it extrapolates.

    Raises:
        InputError: the shapes differ.
    """
    _check_shapes(text, prompts)
    embeds = torch.lerp(text.prompt_embeds, prompts.prompt_embeds, strength)
    pooled = _lerp(text.pooled_prompt_embeds, prompts.pooled_prompt_embeds, strength)
    mixture = prompts.mixture_weights if strength == 1 else None
    return prompts._replace(prompt_embeds=embeds, pooled_prompt_embeds=pooled, mixture_weights=mixture)


def extend(prompts: AudioPrompt, empty: AudioPrompt, length: int) -> AudioPrompt:
    """Append the prompt of the empty text to prompts, as often as needed for a length; longer ones stay as they are.

    A text in chunks is a multiple of the length of a prompt, and what it is mixed with must be as long.

    Args:
        prompts: (B, S, D).
        empty: prompt of the empty text, (1, S, D).
        length: number of tokens of the result, a multiple of S.
    """
    rows, tokens, _ = prompts.prompt_embeds.shape
    chunks = (length - tokens) // empty.prompt_embeds.shape[1]
    if chunks <= 0:
        return prompts
    appended = empty.prompt_embeds.to(prompts.prompt_embeds).expand(rows, -1, -1)
    return prompts._replace(prompt_embeds=torch.cat([prompts.prompt_embeds, *[appended] * chunks], dim=1))


def token_range(where: TextPlace, *, length: int, text_tokens: int = 0) -> tuple[int, int] | None:
    """Return the range of tokens that a text replaces, start and stop; None for "blend".

    Args:
        where: place of the text.
        length: S, number of tokens of the prompt.
        text_tokens: number of tokens of the text, without BOS and padding.

    Raises:
        InputError: `where` is not a `TextPlace`, the range lies outside the prompt, or the text would replace all of
            the recording's tokens.
    """
    if where == "blend":
        return None
    if isinstance(where, str):
        if where not in TEXT_WORDS:
            raise InputError(f"text_place must be one of {', '.join(TEXT_WORDS)} or a range of tokens; got {where!r}")
        if not 1 <= text_tokens <= length - 2:
            raise InputError(
                f"text must have 1 to {length - 2} tokens to be placed {where} the recording; it has {text_tokens}"
            )
        return (1, 1 + text_tokens) if where == "before" else (length - text_tokens, length)
    start, stop = where
    if not 1 <= start < stop <= length:
        problem = f"text_place must be a range of tokens within 1:{length}; got {start}:{stop}"
        raise InputError(problem, code="token-range", values={"minimum": 1, "maximum": length})
    return start, stop


def _check_shapes(one: AudioPrompt, other: AudioPrompt) -> None:
    """Raise unless both have one prompt space and length, and `one` has a single row or as many as `other`."""
    rows, others = len(one.prompt_embeds), len(other.prompt_embeds)
    if rows not in (1, others) or _row_shapes(one) != _row_shapes(other):
        raise InputError(
            "prompts must have the same shape (B, S, D), and pooled embeddings (B, P) of the same shape or none; "
            f"got {_shapes(one)} and {_shapes(other)}"
        )


def _row_shapes(prompt: AudioPrompt) -> list[tuple[int, ...]]:
    return [shape[1:] for shape in _shapes(prompt)]


def _shapes(prompt: AudioPrompt) -> list[tuple[int, ...]]:
    return [tuple(tensor.shape) for tensor in prompt[:2] if tensor is not None]


def _weighted_mean(tensors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Compute in float32 whatever the dtype: bfloat16 would round a weight of 1/3 to two digits."""
    summands = [weight * tensor.float() for tensor, weight in zip(tensors, weights, strict=True)]
    return torch.stack(torch.broadcast_tensors(*summands)).sum(dim=0).to(tensors[0].dtype)


def _lerp(start: Tensor | None, end: Tensor | None, weight: float) -> Tensor | None:
    return None if start is None or end is None else torch.lerp(start, end, weight)
