"""The arguments of a call of the pipeline, checked as a whole before weights are loaded, and divided into batches."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, Literal, TypeAlias, cast, get_args

import torch
from torch import Tensor

from photism.audioldm2.checkpoint import AudioLDM2Checkpoint
from photism.audioldm2.inpainting import SourceRecording, read_source
from photism.audioldm2.prompt_embeds import TextEmbeds, check_negative_embeds
from photism.audioldm2.settings import SPEECH_CHECKPOINTS, SoundSettings
from photism.audioldm2.text_encoding import TextKey
from photism.errors import InputError
from photism.settings import SettingError

Generators: TypeAlias = "torch.Generator | list[torch.Generator]"
OutputType: TypeAlias = Literal["np", "pt", "latent"]
OUTPUT_TYPES: tuple[OutputType, ...] = get_args(OutputType)
RANDOM_SEED_LIMIT = 2**32
"""Random seeds are below this number, short enough to be typed again."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SoundRequest:
    """What a call generates.

    Attributes:
        settings: settings that are used, with the defaults of the checkpoint and the pipeline filled in.
        steps: number of steps of the scheduler.
        guidance_scale: classifier-free guidance scale.
        prompts: texts of the prompts; empty if their embeddings are given.
        negatives: texts of the negative prompts, one or one for each prompt; empty without guidance, or if their
            embeddings are given.
        prompt_embeds: embeddings of the prompts that are given.
        negative_embeds: embeddings of the negative prompts that are given; None without guidance.
        rows: number B of prompts.
        samples: samples of a waveform.
        frames: latent frames that hold as many samples or more.
        generator: random generator of all waveforms, or one for each; None for the seeds of the settings.
        latents: (B * n, C, F, W) initial noise; None to draw it.
        source: recording to start from.
    """

    settings: SoundSettings
    steps: int
    guidance_scale: float
    prompts: Sequence[TextKey]
    negatives: Sequence[TextKey]
    prompt_embeds: TextEmbeds | None
    negative_embeds: TextEmbeds | None
    rows: int
    samples: int
    frames: int
    generator: torch.Generator | Sequence[torch.Generator] | None
    latents: Tensor | None
    source: SourceRecording | None

    @property
    def total(self) -> int:
        """Number of waveforms of all prompts."""
        return self.rows * self.settings.num_waveforms_per_prompt

    @property
    def first_step(self) -> int:
        """First step that is taken, from 0: a strength below 1 skips steps."""
        strength = 1.0 if self.source is None else self.source.strength
        return self.steps - int(self.steps * strength)

    @property
    def seeds(self) -> list[int] | None:
        """Seed of each waveform; None if generators are given."""
        return None if self.generator is not None else list(self.settings.seeds or ()) * self.rows

    def batches(self) -> Iterator[tuple[slice, list[int]]]:
        """Yield the prompts of each batch, and the indices of its waveforms among all."""
        count = self.settings.num_waveforms_per_prompt
        size = self.settings.batch_size or self.total
        rows_at_once, candidates_at_once = max(1, size // count), min(size, count)
        for row in range(0, self.rows, rows_at_once):
            rows = range(row, min(row + rows_at_once, self.rows))
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
    default_steps: int,
    prompt: Any,
    prompt_embeds: TextEmbeds | None,
    negative_embeds: TextEmbeds | None,
    generator: torch.Generator | Sequence[torch.Generator] | None,
    latents: Tensor | None,
) -> SoundRequest:
    """Check the arguments of a call and fill in the settings that are not given.

    Args:
        settings: settings as they are given.
        checkpoint: checkpoint that generates.
        default_steps: number of steps if the settings have none.
        prompt: text or texts; None with `prompt_embeds`.
        prompt_embeds: embeddings of the prompts.
        negative_embeds: embeddings of the negative prompts.
        generator: random generator of all waveforms, or one for each.
        latents: initial noise.

    Raises:
        InputError: an argument cannot be used, or two do not go together.
    """
    if negative_embeds is not None and settings.negative_prompt is not None:
        raise InputError("negative_prompt and negative_prompt_embeds exclude each other; give one of them")
    steps = default_steps if settings.num_inference_steps is None else settings.num_inference_steps
    _check_steps(steps, checkpoint)
    guidance_scale = checkpoint.guidance_scale if settings.guidance_scale is None else settings.guidance_scale
    new_tokens = settings.max_new_tokens or checkpoint.max_new_tokens
    if prompt_embeds is None:
        prompts = read_prompts(prompt, settings.transcription, checkpoint, new_tokens=new_tokens)
        rows = len(prompts)
    else:
        _check_no_prompt(prompt, settings.transcription)
        prompts, rows, new_tokens = [], *prompt_embeds.generated_prompt_embeds.shape[:2]
    if negative_embeds is None:
        negatives = read_negative_prompts(settings.negative_prompt, rows, new_tokens=new_tokens)
    else:
        check_negative_embeds(negative_embeds, prompts=rows, states=new_tokens)
        negatives = []
    waveforms = rows * settings.num_waveforms_per_prompt
    _check_generator(generator, settings.seed, waveforms)
    source = None if settings.audio is None else read_source(settings, checkpoint, steps=steps)
    samples = _read_samples(settings.audio_length_in_s, checkpoint) if source is None else source.samples
    frames = ceil(samples / checkpoint.latent_samples)
    if latents is not None:
        _check_latents(latents, (waveforms, *checkpoint.latent_shape(frames)))
    seed = settings.seeds
    if seed is None and generator is None:
        seed = tuple(secrets.randbelow(RANDOM_SEED_LIMIT) for _ in range(settings.num_waveforms_per_prompt))
    used = replace(
        settings,
        audio_length_in_s=samples / checkpoint.sampling_rate,
        num_inference_steps=steps,
        guidance_scale=guidance_scale,
        max_new_tokens=new_tokens,
        seed=seed,
        strength=None if source is None else source.strength,
    )
    return SoundRequest(
        settings=used,
        steps=steps,
        guidance_scale=guidance_scale,
        prompts=prompts,
        negatives=negatives if guidance_scale > 1 else [],
        prompt_embeds=prompt_embeds,
        negative_embeds=negative_embeds if guidance_scale > 1 else None,
        rows=rows,
        samples=samples,
        frames=frames,
        generator=generator,
        latents=latents,
        source=source,
    )


def read_prompts(prompt: Any, transcription: Any, checkpoint: AudioLDM2Checkpoint, *, new_tokens: int) -> list[TextKey]:
    """Return the prompts, and for a checkpoint that generates speech the words to speak.

    Args:
        prompt: B texts, or one.
        transcription: words to speak: B texts, or one for all.
        checkpoint: checkpoint that generates.
        new_tokens: number of states that the language model generates.

    Raises:
        InputError: there is no prompt, it is not text, or the transcription is missing or superfluous.
    """
    if prompt is None:
        raise InputError("prompt is missing: give a text, a list of texts, or what encode_prompt returned")
    texts = _read_texts("prompt", prompt)
    if not checkpoint.is_speech:
        if transcription is not None:
            raise SettingError(
                "transcription",
                f"cannot be used with {checkpoint.location}, which does not generate speech; "
                f"{' and '.join(SPEECH_CHECKPOINTS)} do",
            )
        return [TextKey(text, None, new_tokens) for text in texts]
    if transcription is None:
        raise SettingError(
            "transcription", f"is missing: {checkpoint.location} generates speech; give the words to speak"
        )
    spoken = _read_texts("transcription", transcription)
    if isinstance(transcription, str):
        spoken *= len(texts)
    if len(spoken) != len(texts):
        raise SettingError(
            "transcription", f"must be one text, or one for each of {len(texts)} prompts; got {len(spoken)}"
        )
    return [TextKey(text, words, new_tokens) for text, words in zip(texts, spoken, strict=True)]


def read_negative_prompts(negative_prompt: Any, prompts: int, *, new_tokens: int) -> list[TextKey]:
    """Return the negative prompts: one for all prompts, by default the empty text, or one for each.

    Raises:
        InputError: they are not texts, or not as many.
    """
    texts = _read_texts("negative_prompt", "" if negative_prompt is None else negative_prompt)
    if len(texts) not in (1, prompts):
        raise SettingError(
            "negative_prompt", f"must be one text, or one for each of {prompts} prompts; got {len(texts)}"
        )
    return [TextKey(text, None, new_tokens) for text in texts]


def _read_texts(name: str, texts: Any) -> list[str]:
    if isinstance(texts, str):
        return [texts]
    if not isinstance(texts, list | tuple) or not texts or not all(isinstance(text, str) for text in texts):
        raise SettingError(name, f"must be a text or a list of at least one text; got {texts!r}")
    return list(cast("Sequence[str]", texts))


def _check_steps(steps: int, checkpoint: AudioLDM2Checkpoint) -> None:
    limit = checkpoint.configs["scheduler"].get("num_train_timesteps", 1000)
    if steps > limit:
        raise SettingError("num_inference_steps", f"must be at most {limit}, the steps of training; got {steps}")


def _check_no_prompt(prompt: Any, transcription: Any) -> None:
    if prompt is not None:
        raise InputError("prompt and prompt_embeds exclude each other; give one of them")
    if transcription is not None:
        raise SettingError("transcription", "cannot be combined with prompt_embeds, which already contain one")


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
        raise SettingError("audio_length_in_s", f"must be at least {shortest_s:g}; got {length_s:g}")
    return round(length_s * checkpoint.sampling_rate)


def _check_latents(latents: Any, shape: tuple[int, ...]) -> None:
    if not isinstance(latents, Tensor) or tuple(latents.shape) != shape:
        given = tuple(latents.shape) if isinstance(latents, Tensor) else type(latents).__name__
        raise InputError(
            f"latents must be a tensor of the shape {shape}: waveforms, channels, frames and bins; got {given}"
        )
    if not latents.isfinite().all():
        raise InputError("latents must be finite; they contain NaN or infinity")
