"""What is called after each denoising step: the callbacks of Photism and of diffusers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from torch import Tensor

from photism.audioldm2.denoising import AfterStep
from photism.audioldm2.request import SoundRequest
from photism.errors import InputError

StepCallback: TypeAlias = Callable[[Any, int, Tensor, Mapping[str, Tensor]], "Mapping[str, Tensor] | None"]
"""Called with the pipeline, the number of a step, its timestep and {"latents": …}; may return other latents."""
OldCallback: TypeAlias = Callable[[int, Tensor, Tensor], None]
"""Called with the number of a step, its timestep and the latents: `callback` of diffusers, before `StepCallback`."""


def combined_callback(
    pipeline: Any,
    request: SoundRequest,
    scheduler: Any,
    *,
    on_step_end: StepCallback | None,
    callback: OldCallback | None,
    callback_steps: Any,
) -> AfterStep:
    """Return the function that `denoise` calls after each step.

    Args:
        pipeline: pipeline that denoises.
        request: what it generates.
        scheduler: copy of the pipeline's scheduler that takes the steps.
        on_step_end: called after each step.
        callback: called every `callback_steps` steps, of which a scheduler of second order evaluates two as one.
        callback_steps: number of steps from one call to the next.

    Raises:
        InputError: `callback_steps` is not a number of steps.
    """
    if not isinstance(callback_steps, int) or callback_steps < 1:
        raise InputError(f"callback_steps must be a whole number of at least 1; got {callback_steps!r}")

    def after_step(step: int, timestep: Tensor, latents: Tensor) -> Tensor:
        """Call the callbacks and return the latents, which the newer one may change."""
        order = scheduler.order
        evaluations = len(scheduler.timesteps) - request.first_step * order
        extra = evaluations - (request.steps - request.first_step) * order
        ends_step = step + 1 == evaluations or (step + 1 > extra and (step + 1) % order == 0)
        if callback is not None and ends_step and step % callback_steps == 0:
            callback(step // order, timestep, latents)
        if on_step_end is None:
            return latents
        changed = on_step_end(pipeline, step, timestep, {"latents": latents})
        return (changed or {}).get("latents", latents)

    return after_step
