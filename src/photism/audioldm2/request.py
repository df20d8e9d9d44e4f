"""What a call is to make, checked as a whole before weights are loaded, and shared out in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import torch
from torch import Tensor

from photism.audio.waveform import AudioSource
from photism.audioldm2.arguments import (
    OutputType,
    check_count,
    check_number,
    check_output_type,
    read_embeddings,
    read_latents,
    read_length,
    read_negative,
    read_prompt,
    read_seeds,
)
from photism.audioldm2.checkpoint import Checkpoint
from photism.audioldm2.inpainting import SourceSound, read_source
from photism.audioldm2.text_encoding import SoundPrompt, TextKey
from photism.errors import InputError


@dataclass(frozen=True, kw_only=True, eq=False)
class SoundJob:
    """The arguments of a call, read.

    Attributes:
        texts: of the prompts; none where their embeddings are given.
        negatives: one, or one to each prompt; none without guidance, or where their embeddings are given.
        embeddings: that are given.
        rows: B prompts.
        waveforms: n of each prompt.
        samples: of a waveform.
        frames: latent ones that hold as many samples or more.
        steps: of the scheduler.
        guidance_scale, eta, output_type, batch_size, is_loop: as they were given.
        seeds: of the waveforms of each prompt, where no generator is given.
        generator: one for all waveforms, or one for each.
        latents: (B * n, C, frames, W) to start from.
        source: what it is made from.
    """

    texts: Sequence[TextKey]
    negatives: Sequence[TextKey]
    embeddings: SoundPrompt | None
    rows: int
    waveforms: int
    samples: int
    frames: int
    steps: int
    guidance_scale: float
    eta: float
    seeds: Sequence[int] | None
    generator: torch.Generator | Sequence[torch.Generator] | None
    latents: Tensor | None
    source: SourceSound | None
    is_loop: bool
    output_type: OutputType
    batch_size: int | None

    @property
    def total(self) -> int:
        """Waveforms of all prompts."""
        return self.rows * self.waveforms

    @property
    def first_step(self) -> int:
        """Of the scheduler's steps, the first that is taken: a recording that is changed a little skips many."""
        strength = 1.0 if self.source is None else self.source.strength
        return self.steps - min(self.steps, int(self.steps * strength))

    def batches(self) -> Iterator[tuple[slice, list[int]]]:
        """Prompts, and the waveforms of each, numbered over all, that are denoised together."""
        size = self.batch_size or self.total
        prompts, each = max(1, size // self.waveforms), min(size, self.waveforms)
        for row in range(0, self.rows, prompts):
            rows = range(row, min(row + prompts, self.rows))
            for first in range(0, self.waveforms, each):
                some = range(first, min(first + each, self.waveforms))
                yield slice(rows.start, rows.stop), [number * self.waveforms + one for number in rows for one in some]

    def generators(self) -> torch.Generator | list[torch.Generator]:
        """Of the noise of all waveforms."""
        if isinstance(self.generator, torch.Generator):
            return self.generator
        if self.generator is not None:
            return list(self.generator)
        # On the processor: the noise of a waveform is the same in any batch and on any device.
        seeds = list(self.seeds or ()) * self.rows
        return [torch.Generator("cpu").manual_seed(seed) for seed in seeds]


def read_job(
    checkpoint: Checkpoint,
    *,
    prompt: Any,
    transcription: Any,
    negative_prompt: Any,
    embeddings: dict[str, Tensor | None],
    audio_length_in_s: float | None,
    num_inference_steps: int,
    guidance_scale: float,
    num_waveforms_per_prompt: int,
    eta: float,
    seed: int | Sequence[int] | None,
    generator: torch.Generator | Sequence[torch.Generator] | None,
    latents: Tensor | None,
    max_new_tokens: int | None,
    audio: AudioSource | None,
    strength: float | None,
    span_s: Sequence[float] | None,
    loop: bool,
    output_type: OutputType,
    batch_size: int | None,
) -> SoundJob:
    """Reads the arguments of a call.

    Raises:
        InputError: one cannot be used, or they do not go together.
    """
    check_output_type(output_type)
    train_steps = checkpoint.configs["scheduler"].get("num_train_timesteps", 1000)
    steps = check_count("num_inference_steps", num_inference_steps, most=train_steps)
    waveforms = check_count("num_waveforms_per_prompt", num_waveforms_per_prompt)
    if batch_size is not None:
        check_count("batch_size", batch_size)
    scale = check_number("guidance_scale", guidance_scale, least=0)
    new_tokens = checkpoint.new_tokens if max_new_tokens is None else check_count("max_new_tokens", max_new_tokens)
    given, has_negative = read_embeddings(embeddings, checkpoint)
    texts = _read_texts(prompt, transcription, given, checkpoint, new_tokens=new_tokens)
    rows = len(texts) if given is None or texts else len(given.prompt_embeds)
    if has_negative and negative_prompt is not None:
        raise InputError("negative_prompt and negative_prompt_embeds exclude each other; give one of them")
    negatives: list[TextKey] = []
    if scale > 1 and not has_negative:
        made = new_tokens if texts or given is None else given.generated_prompt_embeds.shape[1]
        negatives = read_negative(negative_prompt, rows, new_tokens=made)
    elif negative_prompt is not None:
        read_negative(negative_prompt, rows, new_tokens=new_tokens)
    source = _read_source(audio, strength, span_s, audio_length_in_s, checkpoint, loop=loop, steps=steps)
    samples = read_length(audio_length_in_s, checkpoint) if source is None else source.samples
    frames = ceil(samples / checkpoint.latent_samples)
    if latents is not None:
        read_latents(latents, (rows * waveforms, *checkpoint.latent_shape(frames)))
    return SoundJob(
        texts=texts,
        negatives=negatives,
        embeddings=given,
        rows=rows,
        waveforms=waveforms,
        samples=samples,
        frames=frames,
        steps=steps,
        guidance_scale=scale,
        eta=check_number("eta", eta, least=0, most=1),
        seeds=_read_randomness(seed, generator, rows, waveforms),
        generator=generator,
        latents=latents,
        source=source,
        is_loop=loop,
        output_type=output_type,
        batch_size=batch_size,
    )


def _read_texts(
    prompt: Any, transcription: Any, given: SoundPrompt | None, checkpoint: Checkpoint, *, new_tokens: int
) -> list[TextKey]:
    has_embeddings = given is not None and given.prompt_embeds is not None  # pyright: ignore[reportUnnecessaryComparison]
    if prompt is not None and has_embeddings:
        raise InputError("prompt and prompt_embeds exclude each other; give one of them")
    if prompt is None and not has_embeddings:
        raise InputError("prompt is missing: give a text, a list of them, or what encode_prompt made of them")
    if has_embeddings:
        if transcription is not None:
            raise InputError("transcription must be left out with prompt_embeds, which have been made of one")
        return []
    return read_prompt(prompt, transcription, checkpoint, new_tokens=new_tokens)


def _read_source(
    audio: AudioSource | None,
    strength: float | None,
    span_s: Sequence[float] | None,
    audio_length_in_s: float | None,
    checkpoint: Checkpoint,
    *,
    loop: bool,
    steps: int,
) -> SourceSound | None:
    if audio is None:
        for name, value in (("strength", strength), ("span_s", span_s)):
            if value is not None:
                raise InputError(f"{name} must be given together with audio")
        return None
    if loop and span_s is not None:
        raise InputError("loop and span_s exclude each other; give one of them")
    source = read_source(
        audio, strength=strength, span_s=span_s, audio_length_in_s=audio_length_in_s, checkpoint=checkpoint
    )
    if int(steps * source.strength) < 1:
        raise InputError(
            f"strength must be at least {1 / steps:g} with {steps} steps, of which it is the share that is taken; "
            f"got {source.strength:g}"
        )
    return source


def _read_randomness(
    seed: int | Sequence[int] | None,
    generator: torch.Generator | Sequence[torch.Generator] | None,
    rows: int,
    waveforms: int,
) -> list[int] | None:
    if generator is None:
        return read_seeds(seed, waveforms)
    if seed is not None:
        raise InputError("seed and generator exclude each other; give one of them")
    if not isinstance(generator, torch.Generator) and len(generator) != rows * waveforms:
        raise InputError(f"generator must be one, or one to each of {rows * waveforms} waveforms; got {len(generator)}")
    return None
