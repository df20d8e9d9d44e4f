"""Prompt embeddings of recordings, as a diffusion pipeline takes them in place of a text prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from photism.display.short_repr import short_repr


class AudioPrompt(NamedTuple):
    """A batch of prompts; the first two fields have the names of a diffusion pipeline's arguments.

    Attributes:
        prompt_embeds: (B, S, D) tokens, the first of which is BOS.
        pooled_prompt_embeds: (B, P) pooled embeddings for SD XL, else None.
        windows: set by `AudioPromptEncoder.encode`: how many windows each recording was encoded in; 1 is exact.
        mixture_weights: (B, N) float32, where each prompt is a mixture of N memorised ones.
        known: set by `AudioPromptEncoder.encode`: whether the model knows the sound; None if it cannot tell.
        log_odds: set where the model decides: log-odds of `known`, which is True above 0.
    """

    prompt_embeds: Tensor
    pooled_prompt_embeds: Tensor | None
    windows: tuple[int, ...] = ()
    mixture_weights: Tensor | None = None
    known: tuple[bool | None, ...] = ()
    log_odds: tuple[float, ...] = ()

    def __repr__(self) -> str:
        return short_repr(self)


def select_rows(prompts: AudioPrompt, rows: Sequence[int]) -> AudioPrompt:
    """Return the given rows of a batch of prompts, in the given order; a row may be repeated."""
    pooled, weights = prompts.pooled_prompt_embeds, prompts.mixture_weights
    return AudioPrompt(
        prompts.prompt_embeds[rows],
        None if pooled is None else pooled[rows],
        tuple(prompts.windows[row] for row in rows) if prompts.windows else (),
        None if weights is None else weights[rows],
        tuple(prompts.known[row] for row in rows) if prompts.known else (),
        tuple(prompts.log_odds[row] for row in rows) if prompts.log_odds else (),
    )


def concatenate(prompts: Sequence[AudioPrompt]) -> AudioPrompt:
    """Concatenate prompts of one prompt space along the batch axis.

    Pooled embeddings, mixture weights, `known` and `log_odds` are kept where all prompts have them.
    """
    return AudioPrompt(
        torch.cat([each.prompt_embeds for each in prompts]),
        _concatenated([each.pooled_prompt_embeds for each in prompts]),
        tuple(count for each in prompts for count in each.windows),
        _concatenated([each.mixture_weights for each in prompts]),
        tuple(known for each in prompts for known in each.known) if all(each.known for each in prompts) else (),
        tuple(odds for each in prompts for odds in each.log_odds) if all(each.log_odds for each in prompts) else (),
    )


def _concatenated(tensors: Sequence[Tensor | None]) -> Tensor | None:
    present = [tensor for tensor in tensors if tensor is not None]
    return torch.cat(present) if len(present) == len(tensors) else None
