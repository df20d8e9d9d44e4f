"""Noise in, latents of a sound out: the steps of a scheduler, with guidance, over windows where the sound is long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from typing import Any, TypeAlias

import torch
from torch import Tensor

from photism.audioldm2.cached_cross_attention import TextStates, forget_text, set_text
from photism.audioldm2.windows import Windows

Generators: TypeAlias = "torch.Generator | list[torch.Generator]"
AfterStep: TypeAlias = Callable[[int, Tensor, Tensor], Tensor]
"""Is given the number of the step, its time and the latents after it, and returns the latents to go on with."""

WINDOWS_AT_ONCE = 4


@dataclass(frozen=True, eq=False)
class Denoiser:
    """What takes the steps.

    Attributes:
        unet: AudioLDM 2's, with `install_constant_text`.
        scheduler: with its time steps set.
        guidance_scale: how far to go from the negative through the prompt; at most 1 is without guidance.
        eta: of DDIM, how much of the noise is fresh at each step.
        windows: of a long sound or a loop.
        windows_at_once: that the UNet is given.
    """

    unet: Any
    scheduler: Any
    guidance_scale: float
    eta: float
    windows: Windows | None
    windows_at_once: int = WINDOWS_AT_ONCE

    @torch.no_grad()
    def __call__(
        self,
        latents: Tensor,
        text: TextStates,
        *,
        timesteps: Tensor,
        generators: Generators,
        after_step: AfterStep,
    ) -> Tensor:
        """Takes all steps.

        Args:
            latents: (R * m, C, T, W) noisy ones, float32, m to a prompt.
            text: R rows of states, or 2 R with guidance, the negatives first.
            timesteps: of the scheduler, those that are to be taken.
            generators: of noise that a step adds, where the scheduler is one that adds any.
            after_step: looks at the latents after each step, and may change them.
        """
        accepted = signature(self.scheduler.step).parameters
        further = {"eta": self.eta, "generator": generators}
        further = {name: value for name, value in further.items() if name in accepted}
        set_text(self.unet, text)
        try:
            for number, time in enumerate(timesteps):
                noise = self._predict(self.scheduler.scale_model_input(latents, time), time, text)
                latents = self.scheduler.step(noise, time, latents, **further, return_dict=False)[0]
                latents = after_step(number, time, latents)
        finally:
            forget_text(self.unet)
        return latents

    def _predict(self, latents: Tensor, time: Tensor, text: TextStates) -> Tensor:
        """What the UNet predicts of the whole sound, guidance included."""
        if self.windows is None:
            return self._predict_window(latents, time, text)
        parts: list[Tensor] = []
        for first in range(0, len(self.windows), self.windows_at_once):
            some = self.windows.some(first, first + self.windows_at_once)
            predicted = self._predict_window(some.cut(latents), time, text)
            parts.append(predicted.unflatten(0, (-1, len(some))))  # (R * m, some, C, size, W)
        return self.windows.join(torch.cat(parts, dim=1).flatten(0, 1))

    def _predict_window(self, latents: Tensor, time: Tensor, text: TextStates) -> Tensor:
        guided = self.guidance_scale > 1
        latents = latents.to(self.unet.dtype)
        noise = self.unet(
            torch.cat([latents, latents]) if guided else latents,
            time,
            encoder_hidden_states=text.generated,
            encoder_hidden_states_1=text.encoded,
            return_dict=False,
        )[0].float()
        if not guided:
            return noise
        negative, positive = noise.chunk(2)
        return negative + self.guidance_scale * (positive - negative)
