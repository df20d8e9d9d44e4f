"""Overlapping windows over a sound that is longer than what the UNet was trained on, or that is a loop.

All windows are denoised together: at each step, the UNet's predictions for them are added up with cross-fade weights,
and the whole sound takes the step. The windows of a loop continue from its end to its beginning.

Source: MultiDiffusion, arXiv 2302.08113, equation 5, with cross-fade weights in place of equal ones.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from photism.audio.windowing import Window, crossfade_weights, cut_circular_windows, cut_windows, positions

OVERLAP = 0.25
"""Overlap of neighbouring windows, as a fraction of a window."""


@dataclass(frozen=True)
class WindowPlan:
    """Windows along the time axis.

    Attributes:
        windows: ranges of frames, of equal length; the `stop` of one that continues at the beginning of a loop is above
            `total`.
        overlap: frames over which the weight of a window rises and falls.
        total: frames of the whole sound.
    """

    windows: tuple[Window, ...]
    overlap: int
    total: int

    def __len__(self) -> int:
        return len(self.windows)

    def upsampled(self, factor: int) -> WindowPlan:
        """Return the same windows at a frame rate that is `factor` times as high."""
        windows = tuple(Window(start * factor, stop * factor) for start, stop in self.windows)
        return WindowPlan(windows, self.overlap * factor, self.total * factor)

    def subset(self, first: int, last: int) -> WindowPlan:
        """Return windows `first` to `last` - 1, to cut only these."""
        return WindowPlan(self.windows[first:last], self.overlap, self.total)

    def cut(self, whole: Tensor) -> Tensor:
        """Cut into windows: (B, C, total, W) -> (B * windows, C, length, W), the windows of an item consecutive."""
        parts = whole[:, :, positions(self.windows, self.total, device=whole.device)]  # (B, C, windows, length, W)
        return parts.transpose(1, 2).flatten(0, 1)

    def join(self, parts: Tensor) -> Tensor:
        """Add up what `cut` returned with cross-fade weights: (B * windows, C, length, W) -> (B, C, total, W)."""
        frames = positions(self.windows, self.total, device=parts.device)
        weights = crossfade_weights(self.windows, self.total, fade=self.overlap, device=parts.device)
        parts = parts.unflatten(0, (-1, len(self))).transpose(1, 2)  # (B, C, windows, length, W)
        weighted = parts * weights[..., None].to(parts.dtype)
        whole = parts.new_zeros(*parts.shape[:2], self.total, parts.shape[-1])
        return whole.index_add_(2, frames.flatten(), weighted.flatten(2, 3))


def plan_windows(total: int, length: int, *, is_loop: bool = False) -> WindowPlan | None:
    """Cover a sound with evenly spaced windows; return None if one window is enough and it is no loop.

    Args:
        total: frames of the sound.
        length: frames of a window; a loop may have shorter ones.
        is_loop: whether the end of the sound continues at its beginning.
    """
    if total <= length and not is_loop:
        return None
    overlap = max(1, round(length * OVERLAP))
    if is_loop:
        length = min(length, total)
        overlap = max(1, min(overlap, total // 2))
        windows = cut_circular_windows(total, length=length, hop=length - overlap)
    else:
        windows = cut_windows(total, length=length, hop=length - overlap, placement="even")
    return WindowPlan(tuple(windows), overlap, total)
