"""A path through latent noise along which neighbouring frames start from nearly the same noise."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from photism.seeds import SEED_LIMIT


class NoisePath:
    """Standard normal noise that moves from the noise of one seed to that of the next by spherical interpolation.

    For independent standard normal noises a and b, cos(t) a + sin(t) b is standard normal for every t, as the diffusion
    model expects. Half-way along a linear interpolation, the variance would be 1/2.

    Args:
        seed: seed of the noise at position 0.
        noise_of: returns the noise (1, C, H, W) of a seed.
        device: device of the result.
        dtype: dtype of the result.
    """

    def __init__(
        self, seed: int, noise_of: Callable[[int], Tensor], *, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.seed, self.noise_of, self.device, self.dtype = seed, noise_of, device, dtype
        self._ends: dict[int, Tensor] = {}

    def at(self, position: float) -> Tensor:
        """Return the noise (1, C, H, W) at a position; at a whole number n, the noise of seed + n."""
        number = math.floor(position)
        ends = (number, number + 1)
        self._ends = {end: self._ends[end] if end in self._ends else self._noise(end) for end in ends}
        angle = (position - number) * math.pi / 2
        noise = math.cos(angle) * self._ends[number] + math.sin(angle) * self._ends[number + 1]
        return noise.to(self.device, self.dtype)

    def _noise(self, number: int) -> Tensor:
        return self.noise_of((self.seed + number) % SEED_LIMIT).float().cpu()
