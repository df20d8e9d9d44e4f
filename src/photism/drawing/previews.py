"""Previews of a generation: the images that the model predicts at a step, before the noise is gone."""

from __future__ import annotations

import time
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import WeakKeyDictionary

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from photism.display.short_repr import short_repr

if TYPE_CHECKING:
    from photism.drawing.generate import StepCallback

MAX_SIDE = 256
"""Longest side of a preview in pixels; the latents of larger images are averaged before they are decoded."""
MAX_SHARE = 1 / 5
"""Largest part of the time of the denoising steps that previews take; what would exceed it is skipped."""

_decoding_s: MutableMapping[Any, float] = WeakKeyDictionary()
"""How long the latest preview of each VAE took, in seconds for each position of the latents."""
FORGETTING = 0.9
"""Factor of that time after a call that had no preview for it: a busy moment does not rule out previews for good."""


@dataclass(frozen=True, eq=False)
class Preview:
    """Images as the model predicts them at a denoising step.

    Attributes:
        first: number of the first of them among all images of the call, which are counted recording by recording.
        images: the images, at most `MAX_SIDE` pixels high and wide.
        done: number of steps that are done, over all batches.
        total: number of all steps.
    """

    first: int
    images: Sequence[Image.Image]
    done: int
    total: int

    def __repr__(self) -> str:
        return short_repr(self)


PreviewCallback: TypeAlias = "Callable[[Preview], None]"


class Previewer:
    """Decodes predictions of a call of a diffusers pipeline every few steps, and changes nothing of its result.

    A pipeline with a safety checker has no previews: it would show what the checker blacks out.

    Args:
        diffusion: a shallow copy of the pipeline, whose scheduler belongs to the call.
        every: number of steps from one preview to the next.
        callback: takes the previews.
        clock: time in seconds.
    """

    def __init__(
        self, diffusion: Any, every: int, callback: PreviewCallback, *, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._every, self._callback, self._clock = every, callback, clock
        self._predicted: Tensor | None = None
        self._has_forgotten = False
        self._vae, self._began_s, self._spent_s = diffusion.vae, clock(), 0.0
        if getattr(diffusion, "safety_checker", None) is None:
            self._record_predictions(diffusion.scheduler)

    def after_step(self, diffusion: Any, step: int) -> None:
        """Decode the prediction of a step if a preview is due, and there is time for it: for one image, or for more.

        Args:
            diffusion: the pipeline.
            step: number of the step, from 0.
        """
        predicted, self._predicted = self._predicted, None
        is_due = (step + 1) % self._every == 0 and step + 1 < count_timesteps(diffusion)
        if predicted is None or not is_due:
            return
        predicted = _shrunk(predicted, MAX_SIDE / diffusion.vae_scale_factor)
        positions = predicted[0, 0].numel()
        predicted.flatten()[0].item()  # a GPU has computed the steps by now, whose time does not count here
        began_s, total = self._clock(), count_timesteps(diffusion)
        allowed_s = MAX_SHARE * (began_s - self._began_s - self._spent_s)  # up to now
        image_s = positions * _decoding_s.get(self._vae, 0.0)
        left_s = allowed_s * total / (step + 1) - self._spent_s  # until the last step
        count = int(min(len(predicted), left_s / image_s)) if image_s else 1  # which measures the others
        if count < 1 and not self._has_forgotten and not self._spent_s:
            self._has_forgotten = True
            _decoding_s[self._vae] *= FORGETTING
        if self._spent_s > allowed_s or count < 1:
            return
        predicted = predicted[:count]
        images = decode_preview(diffusion, predicted)
        self._callback(Preview(0, images, done=step + 1, total=total))
        latest_s = self._clock() - began_s
        _decoding_s[self._vae] = latest_s / (count * positions)
        self._spent_s += latest_s

    def _record_predictions(self, scheduler: Any) -> None:
        """Let a scheduler record the prediction of each of its steps."""
        take_step = scheduler.step

        @wraps(take_step)  # diffusers looks at the parameters
        def step(model_output: Tensor, timestep: Any, sample: Tensor, *args: Any, **keywords: Any) -> Any:
            output = take_step(model_output, timestep, sample, *args, **{**keywords, "return_dict": True})
            self._predicted = predicted_original(scheduler, output, model_output, timestep, sample)
            return output if keywords.get("return_dict", True) else (output.prev_sample,)

        scheduler.step = step


def count_timesteps(diffusion: Any) -> int:
    """Return the number of steps of a diffusers pipeline's call, which earlier pipelines do not report themselves."""
    return getattr(diffusion, "num_timesteps", None) or len(diffusion.scheduler.timesteps)


def predicted_original(
    scheduler: Any, output: Any, model_output: Tensor, timestep: Tensor, sample: Tensor
) -> Tensor | None:
    """Return the latents without noise that a model predicts at a step of a scheduler, (B, C, H, W).

    A scheduler that reports them is believed. Those of DPM-Solver++ and UniPC keep them as their `model_outputs`. For
    the others that do not scale their samples, they follow from DDPM's forward process (Ho et al. 2020, equation 4),
    or its v-prediction (Salimans and Ho 2022, appendix D). None if they are not known.

    Args:
        scheduler: a scheduler of diffusers, after the step.
        output: what its step has returned.
        model_output: prediction of the UNet, after guidance.
        timestep: timestep of the step.
        sample: latents before the step.
    """
    for name in ("pred_original_sample", "denoised"):
        if getattr(output, name, None) is not None:
            return getattr(output, name)
    config = scheduler.config
    if config.get("predict_x0") or str(config.get("algorithm_type")).endswith("dpmsolver++"):
        return scheduler.model_outputs[-1]
    alphas = getattr(scheduler, "alphas_cumprod", None)
    if alphas is None or scheduler.init_noise_sigma != 1:
        return None
    alpha = alphas[int(timestep)].to(sample)
    kind = config.get("prediction_type", "epsilon")
    if kind == "epsilon":
        return (sample - (1 - alpha).sqrt() * model_output) / alpha.sqrt()
    if kind == "v_prediction":
        return alpha.sqrt() * sample - (1 - alpha).sqrt() * model_output
    return model_output if kind == "sample" else None


@torch.no_grad()
def decode_preview(diffusion: Any, latents: Tensor) -> list[Image.Image]:
    """Decode latents (B, C, H, W) to images. Values that are not finite become grey: it is the result that has none."""
    config = diffusion.vae.config
    latents = latents / config.scaling_factor
    if (mean := getattr(config, "latents_mean", None)) is not None:
        mean, deviation = (torch.tensor(each).view(1, -1, 1, 1).to(latents) for each in (mean, config.latents_std))
        latents = latents * deviation + mean
    decoded = diffusion.vae.decode(latents, return_dict=False)[0]  # (B, 3, height, width), -1 to 1
    levels = (decoded.float().nan_to_num(0.0, 0.0, 0.0).clamp(-1, 1) + 1) * 127.5
    # (B, 3, H, W) -> (B, H, W, 3)
    return [Image.fromarray(each) for each in levels.round().to("cpu", torch.uint8).permute(0, 2, 3, 1).numpy()]


def _shrunk(latents: Tensor, longest: float) -> Tensor:
    """Return latents (B, C, H, W) averaged to at most `longest` positions high and wide."""
    height, width = latents.shape[-2:]
    scale = longest / max(height, width)
    if scale >= 1:
        return latents
    return adaptive_avg_pool2d(latents, (max(1, int(height * scale)), max(1, int(width * scale))))


def report_previews(
    callback: PreviewCallback | None, number: int, batches: int, *, first: int
) -> PreviewCallback | None:
    """Return the callback of the previews of a batch, which counts its images and steps among those of all batches.

    Args:
        callback: takes the previews.
        number: number of the batch, from 0.
        batches: number of all batches.
        first: number of the batch's first image.
    """
    if callback is None:
        return None

    def report(preview: Preview) -> None:
        per_batch = preview.total
        done, total = number * per_batch + preview.done, batches * per_batch
        callback(Preview(first + preview.first, preview.images, done, total))

    return report


def with_previews(callback: StepCallback | None, previewer: Previewer) -> StepCallback:
    """Return a callback of a diffusers pipeline that calls another one, and then shows a preview if one is due."""

    def after_step(diffusion: Any, step: int, timestep: Tensor, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        changed = tensors if callback is None else callback(diffusion, step, timestep, tensors)
        previewer.after_step(diffusion, step)
        return changed

    return after_step
