"""A long sound in windows that overlap, each as long as what the UNet was trained on.

All windows are denoised together: at each step, what the UNet predicts of them is joined with weights that fall off
towards their ends, so that no seam is left, and the sound as a whole takes the step. The windows of a loop go on from
its end to its beginning.

Source: MultiDiffusion, arXiv 2302.08113, equation 5, with weights in place of equal shares.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from photism.audio.windowing import Window, crossfade_weights, cut_circular_windows, cut_windows, positions

OVERLAP = 0.25
"""Of a window, that the next one shares with it."""


@dataclass(frozen=True)
class Windows:
    """Where windows lie along the time axis.

    Attributes:
        spans: frames of each, all of one size; the end of one that goes on at the beginning of a loop is past `total`.
        overlap: frames over which a window's weight rises, and falls.
        total: frames of the whole.
    """

    spans: tuple[Window, ...]
    overlap: int
    total: int

    def __len__(self) -> int:
        return len(self.spans)

    def finer(self, scale: int) -> Windows:
        """The same windows of frames that are `scale` times as short."""
        spans = tuple(Window(start * scale, stop * scale) for start, stop in self.spans)
        return Windows(spans, self.overlap * scale, self.total * scale)

    def some(self, first: int, last: int) -> Windows:
        """Windows `first` to `last` - 1."""
        return Windows(self.spans[first:last], self.overlap, self.total)

    def cut(self, whole: Tensor) -> Tensor:
        """(B, C, total, W) -> (B * windows, C, size, W), those of an item next to each other."""
        parts = whole[:, :, positions(self.spans, self.total, device=whole.device)]  # (B, C, windows, size, W)
        return parts.transpose(1, 2).flatten(0, 1)

    def join(self, parts: Tensor) -> Tensor:
        """(B * windows, C, size, W), cut by these windows, in one again: (B, C, total, W)."""
        frames = positions(self.spans, self.total, device=parts.device)
        weights = crossfade_weights(self.spans, self.total, fade=self.overlap, device=parts.device)
        parts = parts.unflatten(0, (-1, len(self))).transpose(1, 2)  # (B, C, windows, size, W)
        weighted = parts * weights[..., None].to(parts.dtype)
        whole = parts.new_zeros(*parts.shape[:2], self.total, parts.shape[-1])
        return whole.index_add_(2, frames.flatten(), weighted.flatten(2, 3))


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
        size = min(size, total)
        overlap = max(1, min(overlap, total // 2))
        spans = cut_circular_windows(total, length=size, hop=size - overlap)
    else:
        spans = cut_windows(total, length=size, hop=size - overlap, placement="even")
    return Windows(tuple(spans), overlap, total)
