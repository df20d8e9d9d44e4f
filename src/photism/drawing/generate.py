"""Ready prompts in, pictures out: the one call of a diffusion pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from photism.drawing.arguments import call_parameters, control_name
from photism.drawing.conditioning_images import ConditioningImages
from photism.prompts.audio_prompt import AudioPrompt

if TYPE_CHECKING:
    from PIL.Image import Image

StepCallback: TypeAlias = "Callable[[Any, int, Tensor, dict[str, Tensor]], dict[str, Tensor]]"
"""What diffusers calls `callback_on_step_end`."""


class Drawn(NamedTuple):
    """A picture, and whether the safety checker, where there is one, found it unsafe and left it black."""

    picture: Image
    is_flagged: bool


@dataclass(frozen=True, eq=False)
class PromptDrawer:
    """Draws ready prompts with settings that were chosen and checked; `AudioToImagePipeline.drawer` makes it.

    Attributes:
        diffusion: the diffusers pipeline. It is used, never changed.
        away: the prompt of one row that guidance leads away from; None for drawing without guidance.
        given: the pictures that every drawing is given.
        num_inference_steps: at least 1.
        guidance_scale: 0 or more.
        arguments: further ones of the diffusion pipeline, such as `height` and `width`.
    """

    diffusion: Any
    away: AudioPrompt | None
    given: ConditioningImages
    num_inference_steps: int
    guidance_scale: float
    arguments: Mapping[str, Any]

    def __call__(
        self,
        prompts: AudioPrompt,
        seeds: Sequence[int],
        *,
        latents: Tensor | None = None,
        callback_on_step_end: StepCallback | None = None,
    ) -> list[Drawn]:
        """Draws a batch.

        Args:
            prompts: B rows, as the encoder makes them.
            seeds: B, of the noise of each picture: what it starts from, and what its steps add where the scheduler is
                one that adds any.
            latents: (B, *latent_shape) that the pictures start from in place of noise of their seeds, of variance 1.
            callback_on_step_end: of the diffusion pipeline.
        """
        count = len(seeds)
        embeds = {"prompt_embeds": prompts.prompt_embeds}
        if prompts.pooled_prompt_embeds is not None:
            embeds["pooled_prompt_embeds"] = prompts.pooled_prompt_embeds
        if self.away is not None:
            embeds["negative_prompt_embeds"] = self.away.prompt_embeds.expand(count, -1, -1)
            if self.away.pooled_prompt_embeds is not None:
                embeds["negative_pooled_prompt_embeds"] = self.away.pooled_prompt_embeds.expand(count, -1)
        pictures = self.given.arguments(count, control_name=control_name(call_parameters(self.diffusion)))
        optional = {"latents": latents, "callback_on_step_end": callback_on_step_end}
        # A generator for each picture, on the processor: its noise is the same in any batch and on any device.
        generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        diffusion = copy(self.diffusion)  # shares the models; what a call and the line below set stays off the caller's
        diffusion.set_progress_bar_config(disable=True)
        drawn = diffusion(
            **embeds,
            **pictures,
            **{name: value for name, value in optional.items() if value is not None},
            **self.arguments,
            num_inference_steps=self.num_inference_steps,
            guidance_scale=self.guidance_scale,
            generator=generators,
        )
        flags = getattr(drawn, "nsfw_content_detected", None) or [False] * count  # SD XL has no safety checker
        return [Drawn(picture, is_flagged) for picture, is_flagged in zip(drawn.images, flags, strict=True)]

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the latents that a picture starts from."""
        scale = self.diffusion.vae_scale_factor
        if "height" in self.arguments:
            height, width = self.arguments["height"] // scale, self.arguments["width"] // scale
        else:
            size = self.diffusion.unet.config.sample_size
            height, width = (size, size) if isinstance(size, int) else size
        return self.diffusion.vae.config.latent_channels, height, width


def report_steps(callback: Callable[[int, int], None] | None, number: int, batches: int) -> StepCallback | None:
    """What a diffusion pipeline reports the steps of batch `number` of `batches` to.

    Args:
        callback: is given the steps done and those to do, over all batches, after each.
        number: of the batch, from 0.
        batches: how many there are.
    """
    if callback is None:
        return None

    def report(diffusion: Any, step: int, timestep: Tensor, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        per_batch = diffusion.num_timesteps
        callback(number * per_batch + step + 1, batches * per_batch)
        return tensors

    return report
