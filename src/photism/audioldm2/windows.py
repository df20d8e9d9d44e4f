"""A long sound in windows that overlap, each as long as what the UNet was trained on.

All windows are denoised together: at each step, what the UNet predicts of them is joined with weights that fall off
towards their ends, so that no seam is left, and the sound as a whole takes the step. The windows of a loop go on from
its end to its beginning.

Source: MultiDiffusion, arXiv 2302.08113, equation 5, with weights in place of equal shares.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor

OVERLAP = 0.25
"""Of a window, that the next one shares with it."""


@dataclass(frozen=True)
class Windows:
    """Where windows lie along the time axis.

    Attributes:
        starts: first frame of each.
        size: frames of each.
        overlap: frames over which a window's weight rises, and falls.
        total: frames of the whole.
    """

    starts: tuple[int, ...]
    size: int
    overlap: int
    total: int

    def __len__(self) -> int:
        return len(self.starts)

    def finer(self, scale: int) -> Windows:
        """The same windows of frames that are `scale` times as short."""
        starts = tuple(start * scale for start in self.starts)
        return Windows(starts, self.size * scale, self.overlap * scale, self.total * scale)

    def some(self, first: int, last: int) -> Windows:
        """Windows `first` to `last` - 1."""
        return Windows(self.starts[first:last], self.size, self.overlap, self.total)

    def cut(self, whole: Tensor) -> Tensor:
        """(B, C, total, W) -> (B * windows, C, size, W), those of an item next to each other."""
        frames = self._frames(whole.device)
        parts = whole[:, :, frames]  # (B, C, windows, size, W)
        return parts.transpose(1, 2).flatten(0, 1)

    def join(self, parts: Tensor) -> Tensor:
        """(B * windows, C, size, W), cut by these windows, in one again: (B, C, total, W)."""
        weights = self._weights(parts.device)
        parts = parts.unflatten(0, (-1, len(self))).transpose(1, 2)  # (B, C, windows, size, W)
        weighted = parts * weights[..., None].to(parts.dtype)
        whole = parts.new_zeros(*parts.shape[:2], self.total, parts.shape[-1])
        return whole.index_add_(2, self._frames(parts.device).flatten(), weighted.flatten(2, 3))

    def _frames(self, device: torch.device) -> Tensor:
        """(windows, size) frames of the whole; those of a loop go on from its end to its beginning."""
        starts = torch.tensor(self.starts, device=device)
        return (starts[:, None] + torch.arange(self.size, device=device)) % self.total

    def _weights(self, device: torch.device) -> Tensor:
        """(windows, size): of each frame they add up to 1."""
        ramp = (torch.arange(self.size, device=device) + 0.5).div(self.overlap).clamp(max=1)
        weights = torch.minimum(ramp, ramp.flip(0)).expand(len(self), -1)
        frames = self._frames(device)
        total = torch.zeros(self.total, device=device).index_add_(0, frames.flatten(), weights.flatten())
        return weights / total[frames]


def plan_windows(total: int, size: int, *, is_loop: bool = False) -> Windows | None:
    """Windows that cover a sound evenly; None where it is one window, and no loop.

    Args:
        total: frames of the sound.
        size: frames of a window, at most.
        is_loop: the sound's end goes on in its beginning.
    """
    if total <= size and not is_loop:
        return None
    overlap = max(1, round(size * OVERLAP))
    if is_loop:
        # At least two, so that where one is cut, another one is whole.
        size = min(size, total)
        overlap = max(1, min(overlap, total // 2))
        count = max(2, ceil(total / (size - overlap)))
        return Windows(tuple(number * total // count for number in range(count)), size, overlap, total)
    count = ceil((total - size) / (size - overlap)) + 1
    starts = tuple(round(number * (total - size) / (count - 1)) for number in range(count))
    return Windows(starts, size, overlap, total)
