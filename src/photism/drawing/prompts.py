"""Prompts as an encoder's own are, as long and of its type: those of texts, and ready ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from photism.errors import InputError
from photism.prompts.audio_prompt_encoder import AudioPrompt, AudioPromptEncoder
from photism.prompts.prompt_space import encode_text


def text_prompt(texts: Sequence[str], encoder: AudioPromptEncoder, diffusion: Any, *, name: str) -> AudioPrompt:
    """What `diffusion` draws texts from, a row for each, as long as the encoder's prompts.

    Raises:
        InputError: the pipeline has no text encoder; `name` is what the error calls the texts.
    """
    if getattr(diffusion, "text_encoder", None) is None:
        raise InputError(f"{name} needs a text encoder, and diffusion has none: load it with one")
    tokens, pooled = encode_text(diffusion, texts)
    # The text encoder is causal: its first tokens are those of a shorter prompt.
    tokens = tokens[:, : prompt_length(encoder)]
    return AudioPrompt(tokens.to(encoder.dtype), None if pooled is None else pooled.to(encoder.dtype))


def empty_prompt(encoder: AudioPromptEncoder) -> AudioPrompt:
    """The empty text that is stored with the prompt space, as one row, as long as the encoder's prompts."""
    space = encoder.prompt_space
    pooled = None if space.pooled_negative is None else space.pooled_negative[None]
    return AudioPrompt(space.negative[None, : prompt_length(encoder)], pooled)


def ready_prompt(prompts: AudioPrompt, encoder: AudioPromptEncoder) -> AudioPrompt:
    """Prompts that were made already, on the encoder's device and in its type.

    A diffusion pipeline would take any length, but wants its negative as long, and that of a sound is as long as the
    encoder makes it.

    Raises:
        InputError: they are of another shape than the encoder's, or none, or not finite.
    """
    space, rows = encoder.prompt_space, len(prompts.prompt_embeds)
    expected = [(rows, prompt_length(encoder), space.width)]
    expected += [] if space.pooled_width is None else [(rows, space.pooled_width)]
    tensors = [tensor for tensor in prompts[:2] if tensor is not None]
    shapes = [tuple(tensor.shape) for tensor in tensors]
    if not rows or shapes != expected:
        raise InputError(f"sounds must be prompts of at least one row, of the shape {expected}; got {shapes}")
    if not all(bool(tensor.isfinite().all()) for tensor in tensors):  # which would be drawn without a word
        raise InputError("sounds must be prompts of finite numbers; got NaN or infinity")
    pooled = prompts.pooled_prompt_embeds
    return AudioPrompt(
        prompts.prompt_embeds.to(encoder.device, encoder.dtype),
        None if pooled is None else pooled.to(encoder.device, encoder.dtype),
        prompts.windows,
    )


def take_rows(prompts: AudioPrompt, rows: Sequence[int]) -> AudioPrompt:
    """Some rows of a prompt, as often and in the order that they are named in."""
    pooled = prompts.pooled_prompt_embeds
    return AudioPrompt(prompts.prompt_embeds[rows], None if pooled is None else pooled[rows])


def join_rows(prompts: Sequence[AudioPrompt]) -> AudioPrompt:
    """All rows of several prompts of one prompt space as one prompt."""
    pooled = [prompt.pooled_prompt_embeds for prompt in prompts if prompt.pooled_prompt_embeds is not None]
    return AudioPrompt(torch.cat([prompt.prompt_embeds for prompt in prompts]), torch.cat(pooled) if pooled else None)


def count_words(text: str, diffusion: Any) -> int:
    """The tokens that a text takes of a prompt, without the opening one and those that fill it up.

    A word that is not in the tokenizer's vocabulary takes several.
    """
    return len(diffusion.tokenizer.tokenize(text))


def prompt_length(encoder: AudioPromptEncoder) -> int:
    """S, the tokens of the encoder's prompts, the opening one included."""
    return 1 + encoder.config.tokens
