"""Denoise latents: the steps of a scheduler, with classifier-free guidance, over windows if the sound is long."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import signature
from typing import Any, TypeAlias

import torch
from torch import Tensor

from photism.audioldm2.attention_arguments import attention_arguments
from photism.audioldm2.cached_cross_attention import TextConditioning, cached_cross_attention
from photism.audioldm2.components import Components
from photism.audioldm2.inpainting import keep_outside
from photism.audioldm2.prompt_embeds import PromptEmbeds
from photism.audioldm2.request import Generators, SoundRequest
from photism.audioldm2.windows import WindowPlan, plan_windows
from photism.cancellation import check_cancelled

AfterStep: TypeAlias = Callable[[int, Tensor, Tensor], Tensor]
"""Called with the number of a step, its timestep and the latents after it; returns the latents to continue with."""

WINDOWS_AT_ONCE = 4
"""Windows of a waveform that the UNet processes at once, without a batch size."""


@dataclass(frozen=True, eq=False)
class Denoiser:
    """A UNet and a scheduler.

    Attributes:
        unet: UNet of AudioLDM 2.
        scheduler: scheduler of diffusers whose timesteps are set.
        guidance_scale: classifier-free guidance scale; at most 1 is without guidance.
        eta: amount of fresh noise at each step of DDIM.
        cross_attention_kwargs: further arguments of the UNet's attention processors.
        windows: windows of a long sound or a loop.
        windows_at_once: windows that the UNet processes at once.
    """

    unet: Any
    scheduler: Any
    guidance_scale: float
    eta: float
    cross_attention_kwargs: Mapping[str, Any] | None
    windows: WindowPlan | None
    windows_at_once: int = WINDOWS_AT_ONCE

    @torch.no_grad()
    def __call__(
        self,
        latents: Tensor,
        text: TextConditioning,
        *,
        timesteps: Tensor,
        generators: Generators,
        after_step: AfterStep,
    ) -> Tensor:
        """Return the denoised latents.

        Args:
            latents: (R * m, C, T, W) noisy latents, float32, m consecutive ones for each prompt.
            text: R rows, or 2 R with guidance, the negative prompts first.
            timesteps: timesteps of the scheduler that are taken.
            generators: random generators of the noise that a stochastic scheduler adds.
            after_step: called after each step; may change the latents.
        """
        accepted = signature(self.scheduler.step).parameters
        further = {"eta": self.eta, "generator": generators}
        further = {name: value for name, value in further.items() if name in accepted}
        with (
            attention_arguments(self.unet, self.cross_attention_kwargs),
            cached_cross_attention(self.unet, text) as is_cached,
        ):
            for step, timestep in enumerate(timesteps):
                noise = self._predict(self.scheduler.scale_model_input(latents, timestep), timestep, text, is_cached)
                latents = self.scheduler.step(noise, timestep, latents, **further, return_dict=False)[0]
                latents = after_step(step, timestep, latents)
        return latents

    def _predict(self, latents: Tensor, timestep: Tensor, text: TextConditioning, is_cached: bool) -> Tensor:
        """Return the guided prediction for the whole sound."""
        if self.windows is None:
            return self._predict_window(latents, timestep, text, is_cached)
        parts: list[Tensor] = []
        for first in range(0, len(self.windows), self.windows_at_once):
            some = self.windows.subset(first, first + self.windows_at_once)
            predicted = self._predict_window(some.cut(latents), timestep, text, is_cached)
            parts.append(predicted.unflatten(0, (-1, len(some))))  # (R * m, some, C, length, W)
        return self.windows.join(torch.cat(parts, dim=1).flatten(0, 1))

    def _predict_window(self, latents: Tensor, timestep: Tensor, text: TextConditioning, is_cached: bool) -> Tensor:
        check_cancelled()
        is_guided = self.guidance_scale > 1
        latents = latents.to(self.unet.dtype)
        latents = torch.cat([latents, latents]) if is_guided else latents
        if not is_cached:
            text = text.repeated(len(latents) // len(text.encoder_hidden_states))
        noise = self.unet(
            latents,
            timestep,
            encoder_hidden_states=text.encoder_hidden_states,
            encoder_hidden_states_1=text.encoder_hidden_states_1,
            encoder_attention_mask_1=None if is_cached else text.encoder_attention_mask_1,
            return_dict=False,
        )[0].float()
        if not is_guided:
            return noise
        negative, positive = noise.chunk(2)
        return negative + self.guidance_scale * (positive - negative)


def denoise(
    components: Components,
    request: SoundRequest,
    embeds: PromptEmbeds,
    *,
    after_step: AfterStep,
    on_progress: Callable[[int, int], None],
    cross_attention_kwargs: Mapping[str, Any] | None = None,
) -> Tensor:
    """Generate the latents of all waveforms of a request, batch by batch.

    Args:
        components: components of the pipeline.
        request: what to generate.
        embeds: embeddings of its prompts.
        after_step: called after each step of each batch; may change the latents.
        on_progress: called after each step with the steps done and the steps of all batches.
        cross_attention_kwargs: further arguments of the UNet's attention processors.

    Returns:
        (B * n, C, F, W) float32 latents.
    """
    source = _encode_source(components, request)
    generators = request.generators()
    noise = _draw_noise(components, request, generators).to(components.device)
    latents = torch.empty_like(noise)
    windows = plan_windows(request.frames, components.checkpoint.window_frames, is_loop=request.settings.loop)
    scheduler = components.scheduler
    batches = list(request.batches())
    with components.on_device("unet") as (unet,):
        for number, (rows, waveforms) in enumerate(batches):
            scheduler.set_timesteps(request.steps, device=components.device)
            first = request.first_step * scheduler.order
            timesteps = scheduler.timesteps[first:]
            denoiser = Denoiser(
                unet,
                scheduler,
                request.guidance_scale,
                request.settings.eta,
                cross_attention_kwargs,
                windows,
                max(1, (request.settings.batch_size or WINDOWS_AT_ONCE) // len(waveforms)),
            )
            keep = None
            if request.source is not None and source is not None:
                mask = request.source.inpaint_mask(request.frames)
                keep = None if mask is None else keep_outside(mask, source, noise[waveforms], scheduler, timesteps)
            latents[waveforms] = denoiser(
                _first_latents(scheduler, noise[waveforms], source, first),
                embeds.select(rows).to(components.device, unet.dtype).conditioning(),
                timesteps=timesteps,
                generators=generators
                if isinstance(generators, torch.Generator)
                else [generators[i] for i in waveforms],
                after_step=_after_step(keep, after_step, on_progress, number, len(batches), len(timesteps)),
            )
    return latents


def _first_latents(scheduler: Any, noise: Tensor, source: Tensor | None, first: int) -> Tensor:
    """Return the latents before the first step that is taken: noise, or the noisy source where steps are skipped."""
    if not first or source is None:
        return noise * scheduler.init_noise_sigma
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(first)
    return scheduler.add_noise(source.expand_as(noise), noise, scheduler.timesteps[first : first + 1])


def _after_step(
    keep: Callable[[int, Tensor], Tensor] | None,
    after_step: AfterStep,
    on_progress: Callable[[int, int], None],
    batch: int,
    batches: int,
    steps: int,
) -> AfterStep:
    """Return what is done after a step of a batch: inpaint, then the caller's callbacks."""

    def after(step: int, timestep: Tensor, latents: Tensor) -> Tensor:
        """Return the latents to continue with."""
        latents = after_step(step, timestep, latents if keep is None else keep(step, latents))
        on_progress(batch * steps + step + 1, batches * steps)
        return latents

    return after


def _draw_noise(components: Components, request: SoundRequest, generators: Generators) -> Tensor:
    from diffusers.utils.torch_utils import randn_tensor

    if request.latents is not None:
        return request.latents.float()
    shape = (request.total, *components.checkpoint.latent_shape(request.frames))
    return randn_tensor(shape, generator=generators, device=components.device, dtype=torch.float32)


def _encode_source(components: Components, request: SoundRequest) -> Tensor | None:
    """Return the latents (1, C, F, W) of the recording to start from, if there is one."""
    if request.source is None:
        return None
    with components.on_device("vae") as (vae,):
        return request.source.encode(
            vae, components.checkpoint, device=components.device, is_loop=request.settings.loop
        ).float()
