"""A way through noise, on which neighbouring pictures start from nearly the same."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from photism.drawing.seeds import SEED_LIMIT


class NoisePath:
    """Standard normal noise that goes from that of one seed to that of the next, and on.

    The way is a quarter of a circle. Noises of different seeds are independent, so that any point of it is standard
    normal again, as the diffusion model expects; half-way on a straight line the variance would be a half.

    Args:
        seed: of the noise that the path starts from.
        shape: of one picture's latents.
        device, dtype: of what comes out.
    """

    def __init__(self, seed: int, shape: Sequence[int], *, device: torch.device, dtype: torch.dtype) -> None:
        self.seed, self.shape, self.device, self.dtype = seed, (1, *shape), device, dtype
        self._ends: dict[int, Tensor] = {}

    def at(self, position: float) -> Tensor:
        """(1, *shape); at a whole `position`, what a picture with the seed `seed` + `position` starts from."""
        number = math.floor(position)
        ends = (number, number + 1)
        self._ends = {end: self._ends[end] if end in self._ends else self._noise(end) for end in ends}
        angle = (position - number) * math.pi / 2
        turned = math.cos(angle) * self._ends[number] + math.sin(angle) * self._ends[number + 1]
        return turned.to(self.device, self.dtype)

    def _noise(self, number: int) -> Tensor:
        generator = torch.Generator("cpu").manual_seed((self.seed + number) % SEED_LIMIT)
        return torch.randn(self.shape, generator=generator, dtype=self.dtype).float()
