"""An audio encoder and a diffusion pipeline, joined: what is heard is drawn."""

from __future__ import annotations

import inspect
import math
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from photism.alignment import AudioPrompt, AudioPromptEncoder
from photism.alignment.prompt_space import check_widths
from photism.audio import AudioSource, Waveform, load_waveform
from photism.drawing.drawer import PromptDrawer, StepCallback
from photism.drawing.mixing import TextPlace, place, read_strength, token_range, with_strength
from photism.drawing.negative import Negative, default_negative, encode_negative, read_negative
from photism.drawing.prompts import count_words, empty_prompt, prompt_length, ready_prompt, text_prompt
from photism.errors import InputError
from photism.model_folder import choose_device, find_model, load_halves

if TYPE_CHECKING:
    from PIL.Image import Image

NUM_INFERENCE_STEPS = 12
"""Of the bundled model; another takes what its diffusion pipeline defaults to."""
GUIDANCE_SCALE = 3.0
"""The same."""

SEED_LIMIT = 2**63
RANDOM_SEED_LIMIT = 2**32  # short enough to be typed again
OURS = frozenset(
    {
        "prompt",
        "prompt_embeds",
        "pooled_prompt_embeds",
        "negative_prompt",
        "negative_prompt_embeds",
        "negative_pooled_prompt_embeds",
        "num_images_per_prompt",
        "num_inference_steps",
        "guidance_scale",
        "height",
        "width",
        "generator",
        "latents",
        "output_type",
        "return_dict",
        "callback_on_step_end",
    }
)
"""Arguments of a diffusion pipeline that are decided here, and so not to be had through `diffusion_arguments`."""


@dataclass(frozen=True, eq=False)
class AudioToImageOutput:
    """What was drawn.

    Attributes:
        images: for each sound its pictures.
        seeds: for each sound the seed of each of its pictures, which draws the same one again.
        prompts: what the sounds and the text were turned into, a row for each sound, as the diffusion model got it.
        sound_strength: that they were made with.
    """

    images: list[list[Image]]
    seeds: list[list[int]]
    prompts: AudioPrompt
    sound_strength: float


class AudioToImagePipeline:
    """Draws sounds with any Stable Diffusion.

    Args:
        encoder: makes the prompts. It is moved to the device of `diffusion`.
        diffusion: a diffusers pipeline with a UNet that takes `prompt_embeds`: text-to-image, image-to-image, inpaint
            or ControlNet of Stable Diffusion 1.x, 2.x or XL. It is used, never changed.
        num_inference_steps: what a call that names none takes; by default what `diffusion` itself would.
        guidance_scale: the same.

    Raises:
        InputError: `diffusion` takes no prompts, or prompts of another width than `encoder` makes; or the encoder's
            `default_negative` is no word.
    """

    def __init__(
        self,
        encoder: AudioPromptEncoder,
        diffusion: Any,
        *,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
    ) -> None:
        self._parameters = _check_fit(encoder, diffusion)
        self.encoder = encoder.to(diffusion.device)
        self.diffusion = diffusion
        self.num_inference_steps: int = num_inference_steps or self._parameters["num_inference_steps"].default
        default_scale = self._parameters["guidance_scale"].default
        self.guidance_scale: float = default_scale if guidance_scale is None else guidance_scale
        self.negative = default_negative(encoder)

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path | None = None,
        *,
        diffusion: str | Path | None = None,
        device: str | torch.device | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> AudioToImagePipeline:
        """Loads both halves.

        Args:
            model: folder or hub id of a Photism model or a checkpoint of audio2img; by default the bundled model.
            diffusion: folder or hub id of a diffusers pipeline; by default the one that the model brings or names.
            device: by default CUDA where there is a GPU, else MPS, else the processor.
            dtype: of the weights of both.

        Raises:
            InputError: something is missing, damaged, or does not fit together, which is told before weights are
                loaded.
        """
        place = choose_device(device)
        encoder, pipeline = load_halves(find_model(model), diffusion, device=place, dtype=dtype)
        if model is None and diffusion is None:
            return cls(encoder, pipeline, num_inference_steps=NUM_INFERENCE_STEPS, guidance_scale=GUIDANCE_SCALE)
        return cls(encoder, pipeline)

    def __call__(
        self,
        sounds: AudioSource | Sequence[AudioSource] | AudioPrompt,
        *,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        seed: int | Sequence[int] | None = 0,
        height: int | None = None,
        width: int | None = None,
        images_per_sound: int = 1,
        negative: Negative | None = None,
        text: str | None = None,
        text_place: TextPlace = "blend",
        sound_strength: float | None = None,
        batch_size: int = 4,
        callback_on_step: Callable[[int, int], None] | None = None,
        diffusion_arguments: Mapping[str, Any] | None = None,
    ) -> AudioToImageOutput:
        """Draws pictures of sounds.

        A picture depends on its sound, its seed and the settings, not on what else is drawn with it.

        Args:
            sounds: a list of anything that `load_waveform` takes, or a single one that is not a list; or prompts made
                by `encoder.encode`, `encode_text` and what mixes them, a row in place of each sound.
            num_inference_steps: at least 1; by default the pipeline's.
            guidance_scale: how strongly to go from the negative to the sound; at most 1 is without guidance.
            seed: of the first picture of every sound, the next having the next seeds; or `images_per_sound` seeds;
                or None for random ones, which the output names.
            height: pixels, with `width` or not at all; by default the diffusion model's.
            width: pixels, with `height`.
            images_per_sound: at least 1.
            negative: what to go away from, see `Negative`; by default what the encoder was made for.
            text: what stands beside every sound, where the diffusion pipeline has its text encoder.
            text_place: where it stands; see `TextPlace`.
            sound_strength: how far the prompt goes from the text alone, or the empty text where none is given (0), to
                the sound with the text in its place (1), or beyond; by default 1, and .5 for a text that is blended.
            batch_size: pictures drawn at once, and sounds encoded at once.
            callback_on_step: is given the steps done and those to do, over all pictures, after each.
            diffusion_arguments: further arguments of the diffusion pipeline, such as `image`, `strength` or
                `control_image`, the same for every picture.

        Raises:
            InputError: a sound cannot be read or a setting cannot be used; nothing has been drawn then.
        """
        heard = ready_prompt(sounds, self.encoder) if isinstance(sounds, AudioPrompt) else _load(sounds)
        for name, number in (("images_per_sound", images_per_sound), ("batch_size", batch_size)):
            if number < 1:
                raise InputError(f"{name} must be at least 1; got {number}")
        strength = read_strength(sound_strength, text, text_place)
        count = len(heard.prompt_embeds) if isinstance(heard, AudioPrompt) else len(heard)
        seeds = [_seeds(seed, images_per_sound) for _ in range(count)]
        beside = empty_prompt(self.encoder) if text is None else self.encode_text([text])
        words = count_words(text, self.diffusion) if text else 0
        placed = token_range(text_place, length=prompt_length(self.encoder), words=words)
        drawer = self.drawer(
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
            height=height,
            width=width,
            negative=negative,
            diffusion_arguments=diffusion_arguments,
        )

        prompts = heard if isinstance(heard, AudioPrompt) else self.encoder.encode(heard, batch_size=batch_size)
        prompts = with_strength(place(prompts, beside, *placed) if placed else prompts, beside, strength)
        jobs = [(row, each) for row, row_seeds in enumerate(seeds) for each in row_seeds]
        batches = [jobs[start : start + batch_size] for start in range(0, len(jobs), batch_size)]
        images: list[Image] = []
        for number, batch in enumerate(batches):
            images += drawer(
                _rows(prompts, [row for row, _ in batch]),
                [each for _, each in batch],
                callback_on_step_end=_on_step(callback_on_step, number, len(batches)),
            )
        return AudioToImageOutput(
            [images[start : start + images_per_sound] for start in range(0, len(images), images_per_sound)],
            seeds,
            prompts,
            strength,
        )

    def drawer(
        self,
        *,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        height: int | None = None,
        width: int | None = None,
        negative: Negative | None = None,
        diffusion_arguments: Mapping[str, Any] | None = None,
    ) -> PromptDrawer:
        """What draws ready prompts, again and again, with settings that are chosen once, as in a call.

        Raises:
            InputError: a setting cannot be used.
        """
        away_from = read_negative(self.negative if negative is None else negative)
        steps = self.num_inference_steps if num_inference_steps is None else num_inference_steps
        if steps < 1:
            raise InputError(f"num_inference_steps must be at least 1; got {steps}")
        scale = self._guidance_scale(guidance_scale, without=away_from == "none")
        self._check_size(height, width)
        arguments = self._checked(diffusion_arguments or {})
        return PromptDrawer(
            diffusion=self.diffusion,
            away=encode_negative(away_from, self.encoder, self.diffusion),
            num_inference_steps=steps,
            guidance_scale=scale,
            height=height,
            width=width,
            arguments=arguments,
        )

    def encode_text(self, texts: Sequence[str]) -> AudioPrompt:
        """Prompts for texts, as long as those of sounds, to be drawn or mixed with them.

        Raises:
            InputError: no texts, or the diffusion pipeline has no text encoder.
        """
        if isinstance(texts, str) or not len(texts):
            raise InputError(f"texts must be a list of at least one text; got {texts!r}")
        return text_prompt(texts, self.encoder, self.diffusion, name="text")

    def _guidance_scale(self, guidance_scale: float | None, *, without: bool) -> float:
        if without:
            if guidance_scale is not None and guidance_scale > 1:
                raise InputError(
                    f"guidance_scale must be left out, or at most 1, with negative 'none'; got {guidance_scale}"
                )
            return 1.0
        scale = self.guidance_scale if guidance_scale is None else guidance_scale
        if not (scale >= 0 and math.isfinite(scale)):
            raise InputError(f"guidance_scale must be 0 or more, and a number; got {scale}")
        return scale

    def _check_size(self, height: int | None, width: int | None) -> None:
        if height is None and width is None:
            return
        if height is None or width is None:  # diffusers would leave the one that is given out of account
            raise InputError("height and width must be given together")
        unit = max(8, self.diffusion.vae_scale_factor)  # pixels
        for name, size in (("height", height), ("width", width)):
            if size < unit or size % unit:
                raise InputError(f"{name} must be a multiple of {unit} pixels; got {size}")
            if name not in self._parameters:
                raise InputError(
                    f"{name} must be left out: {_name(self.diffusion)} takes that of the image it is given"
                )

    def _checked(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        for name in arguments:
            if name in OURS:
                raise InputError(f"diffusion_arguments must not hold {name}, which Photism decides")
            if name not in self._parameters:
                raise InputError(f"diffusion_arguments holds {name}, which {_name(self.diffusion)} does not take")
        return arguments


def _check_fit(encoder: AudioPromptEncoder, diffusion: Any) -> Mapping[str, inspect.Parameter]:
    """The parameters of a diffusion pipeline's call, once it is known that it can be given this encoder's prompts."""
    parameters = inspect.signature(diffusion.__call__).parameters
    unet = getattr(diffusion, "unet", None)
    if unet is None or not {"prompt_embeds", "negative_prompt_embeds"} <= parameters.keys():
        raise InputError(
            f"diffusion must be a diffusers pipeline with a UNet that takes prompt_embeds; got {_name(diffusion)}"
        )
    space = encoder.prompt_space
    check_widths(unet.config, space=space.name, width=space.width, pooled_width=space.pooled_width)
    return parameters


def _load(sounds: AudioSource | Sequence[AudioSource]) -> list[Waveform]:
    listed = cast("Sequence[AudioSource]", sounds if isinstance(sounds, list | tuple) else [sounds])
    if not listed:
        raise InputError("sounds must hold at least one sound; got none")
    return [load_waveform(sound) for sound in listed]


def _seeds(seed: int | Sequence[int] | None, count: int) -> list[int]:
    if seed is None:
        return [secrets.randbelow(RANDOM_SEED_LIMIT) for _ in range(count)]
    seeds = list(range(seed, seed + count)) if isinstance(seed, int) else list(seed)
    if len(seeds) != count:
        raise InputError(f"seed must be one number or images_per_sound={count} of them; got {len(seeds)}")
    for each in seeds:
        if not 0 <= each < SEED_LIMIT:
            raise InputError(f"seed must be from 0 to 2**63 - 1; got {each}")
    return seeds


def _rows(prompts: AudioPrompt, rows: Sequence[int]) -> AudioPrompt:
    pooled = prompts.pooled_prompt_embeds
    return AudioPrompt(prompts.prompt_embeds[rows], None if pooled is None else pooled[rows])


def _on_step(callback: Callable[[int, int], None] | None, number: int, batches: int) -> StepCallback | None:
    """What a diffusion pipeline reports the steps of batch `number` of `batches` to."""
    if callback is None:
        return None

    def report(diffusion: Any, step: int, timestep: Tensor, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        per_batch = diffusion.num_timesteps
        callback(number * per_batch + step + 1, batches * per_batch)
        return tensors

    return report


def _name(diffusion: Any) -> str:
    return type(diffusion).__name__
