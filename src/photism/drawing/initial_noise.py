"""Initial noise of a diffusers pipeline: what it draws from a seed, and other noise in its place.

A text-to-image pipeline takes its initial noise as an argument. One that starts from an image does not: it draws noise
from its generators, after it has sampled the latents of the image with them, and adds it to these latents.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

from torch import Tensor


class _Drawn(Exception):
    """Ends a generation as soon as the pipeline has drawn its noise."""

    def __init__(self, noise: Tensor) -> None:
        super().__init__()
        self.noise = noise


def replace_added_noise(diffusion: Any, noise: Tensor) -> None:
    """Let a pipeline add this noise to the image it starts from, in place of the noise that it draws.

    Args:
        diffusion: a shallow copy of an image-to-image pipeline; its scheduler is replaced by a copy.
        noise: standard normal noise (B, C, H, W).
    """
    _intercept(diffusion, lambda drawn: noise.to(drawn))


def draw_added_noise(diffusion: Any, generate: Callable[[], object]) -> Tensor:
    """Return the noise that a pipeline draws for the image it starts from, and generate no image.

    Args:
        diffusion: a shallow copy of an image-to-image pipeline; its scheduler is replaced by a copy.
        generate: calls it.
    """

    def end(noise: Tensor) -> Tensor:
        raise _Drawn(noise)

    _intercept(diffusion, end)
    try:
        generate()
    except _Drawn as drawn:
        return drawn.noise
    raise TypeError(f"{type(diffusion).__name__} adds no noise to an image")


def _intercept(diffusion: Any, change: Callable[[Tensor], Tensor]) -> None:
    scheduler = copy(diffusion.scheduler)
    add_noise = scheduler.add_noise  # of the copy, whose timesteps the call sets

    def changed(original: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        return add_noise(original, change(noise), timesteps)

    scheduler.add_noise = changed
    diffusion.scheduler = scheduler
