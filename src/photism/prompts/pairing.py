"""Which sound belongs to which caption: the checks that the losses and the metrics share."""

import torch
from torch import Tensor

from photism.errors import InputError


def matching_tokens(audio_embeds: Tensor, text_embeds: Tensor) -> tuple[Tensor, Tensor]:
    """Any number of sounds beside any number of captions, in one dtype: float32, or float64 if either has it.

    Half precision is left here, since it holds a cosine to two or three digits only.

    Args:
        audio_embeds: (B, S, D), any floating dtype.
        text_embeds: (M, S, D), any floating dtype.

    Raises:
        InputError: one of them has not three axes or is empty, or their S or D differ.
    """
    dtype = check_tokens(audio_embeds, text_embeds)
    return audio_embeds.to(dtype), text_embeds.to(dtype)


def check_tokens(audio_embeds: Tensor, text_embeds: Tensor) -> torch.dtype:
    """The dtype that `matching_tokens` brings both to, without doing so.

    Raises:
        InputError: as there.
    """
    shapes = f"got {tuple(audio_embeds.shape)} and {tuple(text_embeds.shape)}"
    if audio_embeds.ndim != 3 or text_embeds.ndim != 3 or not audio_embeds.numel() or not text_embeds.numel():
        raise InputError(f"audio_embeds and text_embeds must be (batch, tokens, width), none of them 0; {shapes}")
    if audio_embeds.shape[1:] != text_embeds.shape[1:]:
        raise InputError(
            f"audio_embeds and text_embeds must have as many tokens and the same width; {shapes}: "
            "use an audio encoder made for the prompt space of these texts"
        )
    return torch.promote_types(torch.promote_types(audio_embeds.dtype, text_embeds.dtype), torch.float32)


def paired_tokens(audio_embeds: Tensor, text_embeds: Tensor) -> tuple[Tensor, Tensor]:
    """As `matching_tokens`, where row i of one belongs to row i of the other: both (B, S, D).

    Raises:
        InputError: besides the above, the numbers of rows differ.
    """
    dtype = check_pairs(audio_embeds, text_embeds)
    return audio_embeds.to(dtype), text_embeds.to(dtype)


def check_pairs(audio_embeds: Tensor, text_embeds: Tensor) -> torch.dtype:
    """As `check_tokens`, for `paired_tokens`.

    Raises:
        InputError: as there.
    """
    dtype = check_tokens(audio_embeds, text_embeds)
    if len(audio_embeds) != len(text_embeds):
        raise InputError(
            f"audio_embeds and text_embeds must have a row for each pair; got {len(audio_embeds)} and "
            f"{len(text_embeds)} rows"
        )
    return dtype


def check_targets(targets: Tensor, *, queries: int, candidates: int) -> None:
    """Refuse what is not the index of a candidate for each query: torch would take some of it in silence.

    Args:
        targets: (queries,), integers from 0 to candidates - 1.
        queries: how many there are to be.
        candidates: how many there are to choose from.

    Raises:
        InputError: another shape or dtype, or an index outside.
    """
    if targets.shape != (queries,) or targets.dtype.is_floating_point or targets.dtype == torch.bool:
        raise InputError(
            f"targets must be one integer for each of the {queries} rows; "
            f"got {targets.dtype} of shape {tuple(targets.shape)}"
        )
    lowest, highest = int(targets.min()), int(targets.max())
    if lowest < 0 or highest >= candidates:
        raise InputError(f"targets must be from 0 to {candidates - 1}, the last candidate; got {lowest} to {highest}")
