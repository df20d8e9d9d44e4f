"""An audio encoder and a diffusion pipeline, joined: what is heard is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from photism.audio.waveform import AudioSource, Waveform, load_waveform
from photism.device import choose_device
from photism.drawing.arguments import call_arguments, call_parameters, check_count, read_guidance_scale
from photism.drawing.conditioning_images import ImageSource, read_conditioning_images
from photism.drawing.generate import Drawn, PromptDrawer, report_steps
from photism.drawing.negative_prompt import Negative, default_negative, encode_negative, read_negative
from photism.drawing.seeds import picture_seeds
from photism.errors import InputError
from photism.prompts.audio_prompt import AudioPrompt, select_rows
from photism.prompts.audio_prompt_encoder import AudioPromptEncoder
from photism.prompts.diffusion_options import DiffusionOptions, Offload, Task
from photism.prompts.mixing import place, read_strength, token_range, with_strength
from photism.prompts.model_folder import load_halves
from photism.prompts.prompt_space import check_widths
from photism.prompts.text import count_tokens, encode_text_prompt
from photism.prompts.text_place import TextPlace

if TYPE_CHECKING:
    from PIL.Image import Image

NUM_INFERENCE_STEPS = 12
"""Of the bundled model; another takes what its diffusion pipeline defaults to."""
GUIDANCE_SCALE = 3.0
"""The same."""


@dataclass(frozen=True, eq=False)
class AudioToImageOutput:
    """What was drawn.

    Attributes:
        images: for each sound its pictures.
        seeds: for each sound the seed of each of its pictures, which draws the same one again.
        prompts: what the sounds and the text were turned into, a row for each sound, as the diffusion model got it.
        sound_strength: that they were made with.
        nsfw_content_detected: for each sound, which of its pictures the diffusion pipeline's safety checker blacked
            out; none where it has no safety checker.
    """

    images: list[list[Image]]
    seeds: list[list[int]]
    prompts: AudioPrompt
    sound_strength: float
    nsfw_content_detected: list[list[bool]]


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
        self._parameters = call_parameters(diffusion)
        space = encoder.prompt_space
        check_widths(diffusion.unet.config, space=space.name, width=space.width, pooled_width=space.pooled_width)
        self.encoder = encoder.to(diffusion._execution_device)  # not where weights wait that are offloaded
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
        task: Task | None = None,
        controlnet: Any = None,
        lora: str | Path | Mapping[str | Path, float] | None = None,
        scheduler: str | None = None,
        device: str | torch.device | None = None,
        dtype: torch.dtype = torch.float32,
        attention_slicing: bool = False,
        compile: bool = False,
        offload: Offload | None = None,
    ) -> AudioToImagePipeline:
        """Loads both halves.

        Args:
            model: folder or hub id of a Photism model or a checkpoint of audio2img; by default the bundled model.
            diffusion: folder or hub id of a diffusers pipeline; by default the one that the model brings or names.
            task: "text-to-image", "image-to-image" or "inpainting"; by default what the pipeline was saved as, which
                nearly always is the first.
            controlnet: folder or hub id of a ControlNet, or the model itself, for any task.
            lora: file, folder or hub id of LoRA weights, or several with the weight of each, 1 being as it was trained.
                "owner/name/file.safetensors" is one file of a hub repository.
            scheduler: one of ddim, euler, euler-a, dpm++, unipc and lcm; by default the pipeline's own.
            device: by default CUDA where there is a GPU, else MPS, else the processor.
            dtype: of the weights of both.
            attention_slicing: compute attention a slice at a time: less memory, more time.
            compile: compile the UNet at its first step, for faster ones after it.
            offload: keep weights in the processor's memory but for the model ("model") or the layer ("sequential") that
                is at work; a GPU's memory is spared that way.

        Raises:
            InputError: something is missing, damaged, cannot be done on this machine or does not fit together, which is
                told before weights are loaded.
        """
        options = DiffusionOptions(
            task=task,
            controlnet=controlnet,
            lora={} if lora is None else {lora: 1.0} if isinstance(lora, str | Path) else lora,
            scheduler=scheduler,
            attention_slicing=attention_slicing,
            compile=compile,
            offload=offload,
        )
        encoder, pipeline = load_halves(model, diffusion, device=choose_device(device), dtype=dtype, options=options)
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
        image: ImageSource | None = None,
        strength: float | None = None,
        mask_image: ImageSource | None = None,
        control_image: ImageSource | list[ImageSource] | None = None,
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
            image: what every picture starts from, where `diffusion` does image-to-image or inpainting: a picture or its
                file. What is drawn has its size, down to a multiple of 8 pixels.
            strength: how far to go from `image`, above 0 to 1, which leaves nothing of it; of the steps, this share is
                done. By default the diffusion pipeline's.
            mask_image: as large as `image`, where `diffusion` does inpainting: what is white is drawn anew.
            control_image: what a ControlNet holds every picture to; for several ControlNets one each.
            batch_size: pictures drawn at once, and sounds encoded at once.
            callback_on_step: is given the steps done and those to do, over all pictures, after each.
            diffusion_arguments: further arguments of the diffusion pipeline, such as `eta` or
                `controlnet_conditioning_scale`, the same for every picture.

        Raises:
            InputError: a sound cannot be read or a setting cannot be used; nothing has been drawn then.
        """
        heard = self.encoder.check_prompts(sounds) if isinstance(sounds, AudioPrompt) else _load(sounds)
        check_count("images_per_sound", images_per_sound)
        check_count("batch_size", batch_size)
        sound_strength = read_strength(sound_strength, text, text_place)
        count = len(heard.prompt_embeds) if isinstance(heard, AudioPrompt) else len(heard)
        seeds = [picture_seeds(seed, images_per_sound) for _ in range(count)]
        drawer = self.drawer(
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
            height=height,
            width=width,
            negative=negative,
            image=image,
            strength=strength,
            mask_image=mask_image,
            control_image=control_image,
            diffusion_arguments=diffusion_arguments,
        )

        beside = self.encoder.empty_prompt if text is None else self.encode_text([text])
        text_tokens = count_tokens(text, self.diffusion) if text else 0
        placed = token_range(text_place, length=self.encoder.prompt_length, text_tokens=text_tokens)
        prompts = heard if isinstance(heard, AudioPrompt) else self.encoder.encode(heard, batch_size=batch_size)
        prompts = with_strength(place(prompts, beside, *placed) if placed else prompts, beside, sound_strength)
        jobs = [(row, each) for row, row_seeds in enumerate(seeds) for each in row_seeds]
        at_once = 1 if "padding_mask_crop" in drawer.arguments else batch_size  # which takes no list of images
        batches = [jobs[start : start + at_once] for start in range(0, len(jobs), at_once)]
        drawn: list[Drawn] = []
        for number, batch in enumerate(batches):
            drawn += drawer(
                select_rows(prompts, [row for row, _ in batch]),
                [each for _, each in batch],
                callback_on_step_end=report_steps(callback_on_step, number, len(batches)),
            )
        by_sound = [drawn[start : start + images_per_sound] for start in range(0, len(drawn), images_per_sound)]
        return AudioToImageOutput(
            [[each.picture for each in row] for row in by_sound],
            seeds,
            prompts,
            sound_strength,
            [[each.is_flagged for each in row] for row in by_sound],
        )

    def drawer(
        self,
        *,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        height: int | None = None,
        width: int | None = None,
        negative: Negative | None = None,
        image: ImageSource | None = None,
        strength: float | None = None,
        mask_image: ImageSource | None = None,
        control_image: ImageSource | list[ImageSource] | None = None,
        diffusion_arguments: Mapping[str, Any] | None = None,
    ) -> PromptDrawer:
        """What draws ready prompts, again and again, with settings that are chosen once, as in a call.

        Raises:
            InputError: a setting cannot be used.
        """
        away_from = read_negative(self.negative if negative is None else negative)
        steps = self.num_inference_steps if num_inference_steps is None else num_inference_steps
        check_count("num_inference_steps", steps)
        scale = read_guidance_scale(guidance_scale, default=self.guidance_scale, without=away_from == "none")
        given = read_conditioning_images(image, mask_image, control_image)
        arguments = call_arguments(
            self.diffusion,
            self._parameters,
            num_inference_steps=steps,
            given=given,
            strength=strength,
            size=(height, width),
            further=diffusion_arguments or {},
        )
        return PromptDrawer(
            diffusion=self.diffusion,
            away=encode_negative(away_from, self.encoder, self.diffusion),
            given=given,
            num_inference_steps=steps,
            guidance_scale=scale,
            arguments=arguments,
        )

    def encode_text(self, texts: Sequence[str]) -> AudioPrompt:
        """Prompts for texts, as long as those of sounds, to be drawn or mixed with them.

        Raises:
            InputError: no texts, or the diffusion pipeline has no text encoder.
        """
        if isinstance(texts, str) or not len(texts):
            raise InputError(f"texts must be a list of at least one text; got {texts!r}")
        return encode_text_prompt(self.diffusion, texts, length=self.encoder.prompt_length, dtype=self.encoder.dtype)


def _load(sounds: AudioSource | Sequence[AudioSource]) -> list[Waveform]:
    listed = cast("Sequence[AudioSource]", sounds if isinstance(sounds, list | tuple) else [sounds])
    if not listed:
        raise InputError("sounds must hold at least one sound; got none")
    return [load_waveform(sound) for sound in listed]
