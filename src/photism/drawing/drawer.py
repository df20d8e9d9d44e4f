"""Ready prompts in, pictures out: one call of a diffusion pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor

from photism.alignment import AudioPrompt

if TYPE_CHECKING:
    from PIL.Image import Image

StepCallback: TypeAlias = "Callable[[Any, int, Tensor, dict[str, Tensor]], dict[str, Tensor]]"
"""What diffusers calls `callback_on_step_end`."""


@dataclass(frozen=True, eq=False)
class PromptDrawer:
    """Draws ready prompts with settings that were chosen and checked; `AudioToImagePipeline.drawer` makes it.

    Attributes:
        diffusion: the diffusers pipeline. It is used, never changed.
        away: the prompt of one row that guidance leads away from; None for drawing without guidance.
        num_inference_steps: at least 1.
        guidance_scale: 0 or more.
        height, width: pixels; None for the diffusion model's.
        arguments: further ones of the diffusion pipeline.
    """

    diffusion: Any
    away: AudioPrompt | None
    num_inference_steps: int
    guidance_scale: float
    height: int | None
    width: int | None
    arguments: Mapping[str, Any]

    def __call__(
        self,
        prompts: AudioPrompt,
        seeds: Sequence[int],
        *,
        latents: Tensor | None = None,
        callback_on_step_end: StepCallback | None = None,
    ) -> list[Image]:
        """Draws a batch.

        Args:
            prompts: B rows, as the encoder makes them.
            seeds: B, of the noise of each picture: what it starts from, and what its steps add where the scheduler is
                one that adds any.
            latents: (B, *latent_shape) that the pictures start from in place of noise of their seeds, of variance 1.
            callback_on_step_end: of the diffusion pipeline.
        """
        embeds = {"prompt_embeds": prompts.prompt_embeds}
        if prompts.pooled_prompt_embeds is not None:
            embeds["pooled_prompt_embeds"] = prompts.pooled_prompt_embeds
        if self.away is not None:
            embeds["negative_prompt_embeds"] = self.away.prompt_embeds.expand(len(seeds), -1, -1)
            if self.away.pooled_prompt_embeds is not None:
                embeds["negative_pooled_prompt_embeds"] = self.away.pooled_prompt_embeds.expand(len(seeds), -1)
        given = {
            "height": self.height,
            "width": self.width,
            "latents": latents,
            "callback_on_step_end": callback_on_step_end,
        }
        # A generator for each picture, on the processor: its noise is the same in any batch and on any device.
        generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        diffusion = copy(self.diffusion)  # shares the models; what a call and the line below set stays off the caller's
        diffusion.set_progress_bar_config(disable=True)
        return diffusion(
            **embeds,
            **{name: value for name, value in given.items() if value is not None},
            **self.arguments,
            num_inference_steps=self.num_inference_steps,
            guidance_scale=self.guidance_scale,
            generator=generators,
        ).images

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the latents that a picture starts from."""
        scale = self.diffusion.vae_scale_factor
        if self.height is not None and self.width is not None:
            height, width = self.height // scale, self.width // scale
        else:
            size = self.diffusion.unet.config.sample_size
            height, width = (size, size) if isinstance(size, int) else size
        return self.diffusion.vae.config.latent_channels, height, width
