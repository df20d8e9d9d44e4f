"""The arguments of a call, each checked once, before weights are loaded."""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from operator import index
from typing import Any, Literal, TypeAlias, cast, get_args

import torch
from torch import Tensor

from photism.audioldm2.checkpoint import Checkpoint
from photism.audioldm2.options import SPEECH_CHECKPOINTS
from photism.audioldm2.text_encoding import SoundPrompt, TextKey
from photism.errors import InputError

OutputType: TypeAlias = Literal["np", "pt", "latent"]
OUTPUT_TYPES: tuple[OutputType, ...] = get_args(OutputType)
LONGEST_S = 3600.0
SEED_LIMIT = 2**63
RANDOM_SEED_LIMIT = 2**32  # short enough to be typed again


def check_count(name: str, number: Any, *, most: int | None = None) -> int:
    """A whole number of at least 1.

    Raises:
        InputError: it is none.
    """
    allowed = "at least 1" if most is None else f"from 1 to {most}"
    if isinstance(number, bool) or not isinstance(number, int) or number < 1 or (most is not None and number > most):
        raise InputError(f"{name} must be a whole number, {allowed}; got {number!r}")
    return number


def check_number(name: str, number: Any, *, least: float, most: float = math.inf, above: bool = False) -> float:
    """A finite number from `least`, or `above` it, to `most`.

    Raises:
        InputError: it is none.
    """
    allowed = f"{'above' if above else 'at least'} {least:g}" + (f", at most {most:g}" if most < math.inf else "")
    try:
        value = float(number)
    except (TypeError, ValueError):
        raise InputError(f"{name} must be a number, {allowed}; got {number!r}") from None
    if not math.isfinite(value) or value < least or value > most or (above and value == least):
        raise InputError(f"{name} must be a finite number, {allowed}; got {value:g}")
    return value


def read_texts(name: str, texts: Any) -> list[str]:
    """A text, or a list of them.

    Raises:
        InputError: it is neither, or holds none.
    """
    if isinstance(texts, str):
        return [texts]
    if not isinstance(texts, list | tuple) or not texts or not all(isinstance(text, str) for text in texts):
        raise InputError(f"{name} must be a text or a list of at least one text; got {texts!r}")
    return list(cast("Sequence[str]", texts))


def read_prompt(prompt: Any, transcription: Any, checkpoint: Checkpoint, *, new_tokens: int) -> list[TextKey]:
    """What is to be heard and, with speech, said.

    Raises:
        InputError: they are no texts, are not as many, or the checkpoint is for the other kind.
    """
    texts = read_texts("prompt", prompt)
    if not checkpoint.is_speech:
        if transcription is not None:
            raise InputError(
                f"transcription must be left out with {checkpoint.location}, which does not speak; "
                f"{' and '.join(SPEECH_CHECKPOINTS)} do"
            )
        return [TextKey(text, None, new_tokens) for text in texts]
    if transcription is None:
        raise InputError(f"transcription is missing: {checkpoint.location} speaks, and needs the words to be said")
    said = read_texts("transcription", transcription)
    if isinstance(transcription, str):
        said *= len(texts)
    if len(said) != len(texts):
        raise InputError(f"transcription must be one text, or one to each of {len(texts)} prompts; got {len(said)}")
    return [TextKey(text, words, new_tokens) for text, words in zip(texts, said, strict=True)]


def read_negative(negative_prompt: Any, prompts: int, *, new_tokens: int) -> list[TextKey]:
    """What guidance leads away from, by default the empty text: one for all prompts, or one to each.

    Raises:
        InputError: it is no text, or they are not as many.
    """
    texts = read_texts("negative_prompt", "" if negative_prompt is None else negative_prompt)
    if len(texts) not in (1, prompts):
        raise InputError(f"negative_prompt must be one text, or one to each of {prompts} prompts; got {len(texts)}")
    return [TextKey(text, None, new_tokens) for text in texts]


def read_length(audio_length_in_s: float | None, checkpoint: Checkpoint) -> int:
    """Samples of a sound; by default as many as the UNet was trained on.

    Raises:
        InputError: it is no length, or shorter than a latent frame.
    """
    if audio_length_in_s is None:
        return checkpoint.window_frames * checkpoint.latent_samples
    least = checkpoint.latent_samples / checkpoint.sampling_rate
    length = check_number("audio_length_in_s", audio_length_in_s, least=least, most=LONGEST_S)
    return round(length * checkpoint.sampling_rate)


def read_embeddings(given: dict[str, Tensor | None], checkpoint: Checkpoint) -> tuple[SoundPrompt | None, bool]:
    """The embeddings of a call by their names, and whether there are negative ones.

    Raises:
        InputError: one is given without another that it goes with, or has a wrong shape.
    """
    for sign in ("", "negative_"):
        encoded, generated, mask = (
            given[f"{sign}{name}"] for name in ("prompt_embeds", "generated_prompt_embeds", "attention_mask")
        )
        if (encoded is None) != (generated is None):
            raise InputError(f"{sign}prompt_embeds and {sign}generated_prompt_embeds must be given together")
        if mask is not None and encoded is None:
            raise InputError(f"{sign}attention_mask must be given with {sign}prompt_embeds")
        if encoded is not None and generated is not None:
            _check_embeddings(sign, encoded, generated, mask, checkpoint)
            if mask is None:
                given = {**given, f"{sign}attention_mask": encoded.new_ones(encoded.shape[:2], dtype=torch.long)}
    positive, negative = given["prompt_embeds"], given["negative_prompt_embeds"]
    if positive is not None and negative is not None:
        _check_together(given)
    if positive is None and negative is None:
        return None, False
    return SoundPrompt(*(cast("Tensor", given[name]) for name in SoundPrompt._fields)), negative is not None


def _check_embeddings(sign: str, encoded: Tensor, generated: Tensor, mask: Tensor | None, at: Checkpoint) -> None:
    widths = at.state_widths
    for name, tensor, width in (
        ("generated_prompt_embeds", generated, widths[0]),
        ("prompt_embeds", encoded, widths[1]),
    ):
        if tensor.ndim != 3 or tensor.shape[2] != width or 0 in tensor.shape:
            raise InputError(f"{sign}{name} must be (rows, states, {width}); got {tuple(tensor.shape)}")
    if len(encoded) != len(generated):
        raise InputError(
            f"{sign}prompt_embeds and {sign}generated_prompt_embeds must have as many rows; got {len(encoded)} and "
            f"{len(generated)}"
        )
    if mask is not None and mask.shape != encoded.shape[:2]:
        raise InputError(
            f"{sign}attention_mask must be {tuple(encoded.shape[:2])}, as {sign}prompt_embeds; got {tuple(mask.shape)}"
        )


def _check_together(given: dict[str, Tensor | None]) -> None:
    for name in ("prompt_embeds", "generated_prompt_embeds"):
        rows, negatives = given[name], given[f"negative_{name}"]
        if rows is not None and negatives is not None and len(negatives) not in (1, len(rows)):
            raise InputError(f"negative_{name} must have 1 row, or {len(rows)} as {name}; got {len(negatives)}")
    made, negative = given["generated_prompt_embeds"], given["negative_generated_prompt_embeds"]
    if made is not None and negative is not None and made.shape[1] != negative.shape[1]:
        raise InputError(
            "negative_generated_prompt_embeds must have as many states as generated_prompt_embeds, "
            f"{made.shape[1]}; got {negative.shape[1]}"
        )


def read_latents(latents: Any, shape: tuple[int, ...]) -> None:
    """Latents to start from, of variance 1.

    Raises:
        InputError: they have a wrong shape, or are not finite.
    """
    if not isinstance(latents, Tensor) or tuple(latents.shape) != shape:
        came = tuple(latents.shape) if isinstance(latents, Tensor) else type(latents).__name__
        raise InputError(f"latents must be a tensor {shape}: waveforms, channels, frames and bins; got {came}")
    if not latents.isfinite().all():
        raise InputError("latents must be finite; they hold NaN or infinity")


def read_seeds(seed: int | Sequence[int] | None, waveforms: int) -> list[int]:
    """The seed of each waveform of a prompt: `seed` and the next ones, those of a list, or random ones.

    Raises:
        InputError: they are no whole numbers, not as many, or one is out of range.
    """
    if seed is None:
        return [secrets.randbelow(RANDOM_SEED_LIMIT) for _ in range(waveforms)]
    try:
        seeds = [index(each) for each in (range(seed, seed + waveforms) if isinstance(seed, int) else seed)]
    except TypeError:
        raise InputError(f"seed must be a whole number, or one for each waveform; got {seed!r}") from None
    if len(seeds) != waveforms:
        raise InputError(f"seed must be one number, or num_waveforms_per_prompt={waveforms} of them; got {len(seeds)}")
    for each in seeds:
        if not 0 <= each < SEED_LIMIT:
            raise InputError(f"seed must be from 0 to 2**63 - 1; got {each}")
    return seeds


def check_output_type(output_type: str) -> None:
    """One of `OUTPUT_TYPES`.

    Raises:
        InputError: it is none.
    """
    if output_type not in OUTPUT_TYPES:
        raise InputError(f"output_type must be one of {', '.join(OUTPUT_TYPES)}; got {output_type!r}")
