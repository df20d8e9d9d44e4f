"""Validate and cast the audio and text embeddings that losses and metrics compare."""

import torch
from torch import Tensor

from photism.errors import InputError


def check_embeds(audio_embeds: Tensor, text_embeds: Tensor, *, paired: bool) -> torch.dtype:
    """Check the shapes of audio and text embeddings, and return the dtype to compare them in.

    The dtype is float32, or float64 if either has it: half precision holds a cosine to two or three digits only.

    Args:
        audio_embeds: (B, S, D), any floating dtype.
        text_embeds: (M, S, D), any floating dtype.
        paired: whether row i of both is a pair, so that B must equal M.

    Raises:
        InputError: a shape has not three axes or is empty, S or D differ, or B and M differ where `paired`.
    """
    shapes = f"got {tuple(audio_embeds.shape)} and {tuple(text_embeds.shape)}"
    if audio_embeds.ndim != 3 or text_embeds.ndim != 3 or not audio_embeds.numel() or not text_embeds.numel():
        raise InputError(f"audio_embeds and text_embeds must be (batch, tokens, width), none of them 0; {shapes}")
    if audio_embeds.shape[1:] != text_embeds.shape[1:]:
        raise InputError(
            f"audio_embeds and text_embeds must have the same number of tokens and the same width; {shapes}: "
            "use an audio encoder that was trained for the prompt space of these texts"
        )
    if paired and len(audio_embeds) != len(text_embeds):
        raise InputError(
            f"audio_embeds and text_embeds must have one row per pair; got {len(audio_embeds)} and {len(text_embeds)} "
            "rows"
        )
    return torch.promote_types(torch.promote_types(audio_embeds.dtype, text_embeds.dtype), torch.float32)


def cast_embeds(audio_embeds: Tensor, text_embeds: Tensor, *, paired: bool) -> tuple[Tensor, Tensor]:
    """Check audio and text embeddings and cast both to the dtype that `check_embeds` returns.

    Raises:
        InputError: the shapes do not match, see `check_embeds`.
    """
    dtype = check_embeds(audio_embeds, text_embeds, paired=paired)
    return audio_embeds.to(dtype), text_embeds.to(dtype)


def check_targets(targets: Tensor, *, queries: int, candidates: int) -> None:
    """Check that targets hold one candidate index per query. Torch accepts some invalid indices without an error.

    Args:
        targets: (queries,), integers from 0 to candidates - 1.
        queries: number of queries.
        candidates: number of candidates.

    Raises:
        InputError: the shape or dtype is wrong, or an index is out of range.
    """
    if targets.shape != (queries,) or targets.dtype.is_floating_point or targets.dtype == torch.bool:
        raise InputError(
            f"targets must be one integer for each of the {queries} rows; "
            f"got {targets.dtype} of shape {tuple(targets.shape)}"
        )
    lowest, highest = int(targets.min()), int(targets.max())
    if lowest < 0 or highest >= candidates:
        raise InputError(f"targets must be from 0 to {candidates - 1}, the last candidate; got {lowest} to {highest}")
