"""The arguments of a call of the pipeline, checked as a whole before weights are loaded, and divided into batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from inspect import signature
from math import ceil
from typing import Any, Literal, TypeAlias, get_args

import torch
from torch import Tensor

from photism.audioldm2.checkpoint import AudioLDM2Checkpoint
from photism.audioldm2.inpainting import SourceRecording, read_source
from photism.audioldm2.settings import SoundSettings
from photism.audioldm2.text_inputs import GivenEmbeds, TextInputs, read_text_inputs
from photism.errors import InputError
from photism.schedulers import check_steps
from photism.seeds import seeds_of_prompts
from photism.settings import SettingError

Generators: TypeAlias = "torch.Generator | list[torch.Generator]"
OutputType: TypeAlias = Literal["np", "pt", "latent"]
OUTPUT_TYPES: tuple[OutputType, ...] = get_args(OutputType)


@dataclass(frozen=True, kw_only=True, eq=False)
class SoundRequest:
    """What a call generates.

    Attributes:
        settings: settings that are used, with the defaults of the checkpoint and the pipeline filled in.
        steps: number of steps of the scheduler.
        guidance_scale: classifier-free guidance scale.
        texts: B prompts, and negative prompts.
        samples: samples of a waveform.
        frames: latent frames that hold as many samples or more.
        generator: random generator of all waveforms, or one for each; None for the seeds of the settings.
        latents: (B * n, C, F, W) initial noise; None to draw it.
        source: recording to start from.
    """

    settings: SoundSettings
    steps: int
    guidance_scale: float
    texts: TextInputs
    samples: int
    frames: int
    generator: torch.Generator | Sequence[torch.Generator] | None
    latents: Tensor | None
    source: SourceRecording | None

    @property
    def total(self) -> int:
        """Number of waveforms of all prompts."""
        return self.texts.rows * self.settings.num_waveforms_per_prompt

    @property
    def first_step(self) -> int:
        """First step that is taken, from 0: a strength below 1 skips steps."""
        strength = 1.0 if self.source is None else self.source.strength
        return self.steps - int(self.steps * strength)

    @property
    def seeds(self) -> list[int] | None:
        """Seed of each waveform; None if generators are given."""
        if self.generator is not None:
            return None
        return [seed for seeds in _seeds(self.settings, self.texts.rows) for seed in seeds]

    def batches(self) -> Iterator[tuple[slice, list[int]]]:
        """Yield the prompts of each batch, and the indices of its waveforms among all."""
        count = self.settings.num_waveforms_per_prompt
        size = self.settings.batch_size or self.total
        rows_at_once, candidates_at_once = max(1, size // count), min(size, count)
        for row in range(0, self.texts.rows, rows_at_once):
            rows = range(row, min(row + rows_at_once, self.texts.rows))
            for first in range(0, count, candidates_at_once):
                candidates = range(first, min(first + candidates_at_once, count))
                yield slice(rows.start, rows.stop), [each * count + one for each in rows for one in candidates]

    def generators(self) -> Generators:
        """Return the random generators of the noise."""
        if isinstance(self.generator, torch.Generator):
            return self.generator
        if self.generator is not None:
            return list(self.generator)
        # On the CPU: the noise of a waveform is the same in any batch and on any device.
        return [torch.Generator("cpu").manual_seed(seed) for seed in self.seeds or ()]


def read_request(
    settings: SoundSettings,
    checkpoint: AudioLDM2Checkpoint,
    *,
    scheduler: Any,
    default_steps: int,
    prompt: Any,
    prompt_embeds: GivenEmbeds,
    negative_embeds: GivenEmbeds,
    generator: torch.Generator | Sequence[torch.Generator] | None,
    latents: Tensor | None,
) -> SoundRequest:
    """Check the arguments of a call and fill in the settings that are not given.

    Args:
        settings: settings as they are given.
        checkpoint: checkpoint that generates.
        scheduler: scheduler of diffusers that takes the steps.
        default_steps: number of steps if the settings have none.
        prompt: text or texts; None with `prompt_embeds`.
        prompt_embeds: embeddings of the prompts.
        negative_embeds: embeddings of the negative prompts.
        generator: random generator of all waveforms, or one for each.
        latents: initial noise.

    Raises:
        InputError: an argument cannot be used, or two do not go together.
    """
    steps = default_steps if settings.num_inference_steps is None else settings.num_inference_steps
    check_steps(scheduler, steps)
    if settings.eta and "eta" not in signature(scheduler.step).parameters:
        raise SettingError("eta", f"cannot be used: {type(scheduler).__name__} does not take it; ddim and tcd do")
    guidance_scale = checkpoint.guidance_scale if settings.guidance_scale is None else settings.guidance_scale
    texts = read_text_inputs(
        prompt,
        prompt_embeds,
        negative_embeds,
        settings=settings,
        checkpoint=checkpoint,
        is_guided=guidance_scale > 1,
    )
    waveforms = texts.rows * settings.num_waveforms_per_prompt
    _check_generator(generator, settings.seed, waveforms)
    source = None if settings.audio is None else read_source(settings, checkpoint, steps=steps)
    samples = _read_samples(settings.audio_length_in_s, checkpoint) if source is None else source.samples
    frames = ceil(samples / checkpoint.latent_samples)
    if latents is not None:
        _check_latents(latents, (waveforms, *checkpoint.latent_shape(frames)))
    used = replace(
        settings,
        audio_length_in_s=samples / checkpoint.sampling_rate,
        num_inference_steps=steps,
        guidance_scale=guidance_scale,
        max_new_tokens=texts.new_tokens,
        seed=None if generator is not None else _used_seeds(settings, texts.rows),
        audio=None if source is None else source.original,
        strength=None if source is None else source.strength,
    )
    return SoundRequest(
        settings=used,
        steps=steps,
        guidance_scale=guidance_scale,
        texts=texts,
        samples=samples,
        frames=frames,
        generator=generator,
        latents=latents,
        source=source,
    )


def _seeds(settings: SoundSettings, prompts: int) -> list[tuple[int, ...]]:
    count = settings.num_waveforms_per_prompt
    return seeds_of_prompts(settings.seed, prompts, count, count_name="num_waveforms_per_prompt")


def _used_seeds(settings: SoundSettings, prompts: int) -> tuple[int, ...]:
    """Return the seeds of the candidates of a prompt if they are the same for all, or else those of all prompts."""
    rows = _seeds(settings, prompts)
    return rows[0] if len(set(rows)) == 1 else tuple(seed for row in rows for seed in row)


def _check_generator(
    generator: torch.Generator | Sequence[torch.Generator] | None, seed: object, waveforms: int
) -> None:
    if generator is None:
        return
    if seed is not None:
        raise InputError("seed and generator exclude each other; give one of them")
    if not isinstance(generator, torch.Generator) and len(generator) != waveforms:
        raise InputError(f"generator must be one, or one for each of {waveforms} waveforms; got {len(generator)}")


def _read_samples(length_s: float | None, checkpoint: AudioLDM2Checkpoint) -> int:
    """Return the samples of a sound of that length; by default the length that the UNet was trained on."""
    if length_s is None:
        return checkpoint.window_frames * checkpoint.latent_samples
    shortest_s = checkpoint.latent_samples / checkpoint.sampling_rate
    if length_s < shortest_s:
        problem = f"must be at least {shortest_s:g}; got {length_s:g}"
        raise SettingError("audio_length_in_s", problem, values={"minimum": shortest_s})
    return round(length_s * checkpoint.sampling_rate)


def _check_latents(latents: Any, shape: tuple[int, ...]) -> None:
    if not isinstance(latents, Tensor) or tuple(latents.shape) != shape:
        given = tuple(latents.shape) if isinstance(latents, Tensor) else type(latents).__name__
        raise InputError(
            f"latents must be a tensor of the shape {shape}: waveforms, channels, frames and bins; got {given}"
        )
    if not latents.isfinite().all():
        raise InputError("latents must be finite; they contain NaN or infinity")
