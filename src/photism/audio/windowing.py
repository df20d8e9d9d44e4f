"""Overlapping windows: where they start, how they are cut from a stream, and how their results are joined again.

Positions are integers in the caller's unit: samples, frames or tokens. To cover `total` positions with windows of
`length` whose starts are at most `hop` apart takes

    count = 1 + ceil((total - length) / hop)

windows: the first covers `length` positions, and each further one adds at most `hop`. Unless `total - length` is a
multiple of `hop`, the last window would end after the recording. `Placement` says what happens to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from photism.audio.waveform import SAMPLING_RATE

Placement: TypeAlias = Literal["even", "shifted", "short"]
"""Where windows start.

"even": evenly spread between the start and the end of the recording, rounded to whole positions.
"shifted": every `hop` positions; the last window starts earlier, so that it ends with the recording.
"short": every `hop` positions; the last window is shorter than the others.
"""

LONGEST_S = 1e9
"""More seconds than any recording has, 32 years."""


class Window(NamedTuple):
    """A range of positions, `start` included and `stop` excluded.

    Attributes:
        start: first position.
        stop: one after the last position.
    """

    start: int
    stop: int


def count_samples(duration_s: float) -> int:
    """Return the samples of a window or hop, at least 1; one that is longer than any recording may be shortened."""
    return max(1, round(min(duration_s, LONGEST_S) * SAMPLING_RATE))


def cut_windows(total: int, *, length: int, hop: int, placement: Placement = "shifted") -> list[Window]:
    """Cover a recording with overlapping windows.

    Args:
        total: length of the recording. A recording no longer than a window is one window, which is as long as it.
        length: length of a window.
        hop: largest distance between the starts of neighbouring windows, 1 to `length`.
        placement: where the windows start.

    Returns:
        the windows, ascending. All have the same length, except for a "short" last one.

    Raises:
        ValueError: the hop is out of range.
    """
    _check_hop(hop, length)
    last = total - length
    if last <= 0:
        return [Window(0, total)]
    count = 1 + -(-last // hop)  # rounded up
    if placement == "even":
        starts = [round(number * last / (count - 1)) for number in range(count)]
    elif placement == "shifted":
        starts = [min(number * hop, last) for number in range(count)]
    else:
        starts = [number * hop for number in range(count)]
    return [Window(start, min(start + length, total)) for start in starts]


def cut_circular_windows(total: int, *, length: int, hop: int) -> list[Window]:
    """Cover a loop, whose end continues at its start, with evenly spread windows.

    Args:
        total: length of the loop.
        length: length of a window, at most `total`.
        hop: largest distance between the starts of neighbouring windows, 1 to `length`.

    Returns:
        at least two windows, so that where one of them ends another one is not interrupted. The `stop` of a window that
        continues at the start of the loop is above `total`.

    Raises:
        ValueError: the hop is out of range.
    """
    _check_hop(hop, length)
    count = max(2, -(-total // hop))
    starts = [number * total // count for number in range(count)]
    return [Window(start, start + length) for start in starts]


def stream_windows(
    blocks: Iterable[NDArray[np.float32]], *, length: int, hop: int
) -> Iterator[tuple[Window, NDArray[np.float32]]]:
    """Cut windows from a recording that arrives in blocks, and hold one window and one block at a time.

    Args:
        blocks: samples (T,), in blocks of any length.
        length: samples of a window.
        hop: samples between the starts of neighbouring windows, 1 to `length`.

    Yields:
        each window of `cut_windows(total, length=length, hop=hop)`, and its samples.

    Raises:
        ValueError: the hop is out of range.
    """
    _check_hop(hop, length)
    held = np.empty(0, np.float32)
    held_from = 0  # position in the recording of the first sample in `held`
    start = 0  # of the next window

    def window(start: int, stop: int) -> tuple[Window, NDArray[np.float32]]:
        """Return a window of what is held."""
        return Window(start, stop), held[start - held_from : stop - held_from]

    for block in blocks:
        held = np.concatenate([held, block])
        while start + length <= held_from + len(held):
            yield window(start, start + length)
            # Keep the samples of this window: a shifted last window may start before the next one would.
            held, held_from = held[start - held_from :], start
            start += hop
    total = held_from + len(held)
    if start == 0:
        yield window(0, total)
    elif start - hop + length < total:
        yield window(total - length, total)


def stream_slices(blocks: Iterable[Tensor], windows: Iterable[Window]) -> Iterator[Tensor]:
    """Cut known windows from a recording that arrives in blocks, and hold one window and one block at a time.

    Args:
        blocks: values (L, ...), in blocks of any length.
        windows: windows in ascending order.

    Yields:
        the values of each window; of one that ends after the recording, those that there are.
    """
    arriving = iter(blocks)
    held, held_from = next(arriving), 0  # position in the recording of the first value in `held`
    for start, stop in windows:
        while held_from + len(held) < stop and (block := next(arriving, None)) is not None:
            dropped = min(len(held), start - held_from)
            held, held_from = torch.cat([held[dropped:], block]), held_from + dropped
        yield held[start - held_from : stop - held_from]


def kept_ranges(windows: Sequence[Window]) -> list[tuple[float, float]]:
    """Return the range that is kept of each window if neighbours are joined in the middle of their overlap.

    The ranges cover the recording without gap or overlap. A bound may lie half way between two positions.
    """
    middles = [(left.stop + right.start) / 2 for left, right in pairwise(windows)]
    return list(pairwise([windows[0].start, *middles, windows[-1].stop]))


def positions(windows: Sequence[Window], total: int, *, device: torch.device | None = None) -> Tensor:
    """Return the positions (W, L) of windows of equal length; those of a loop continue at its start."""
    starts = torch.tensor([window.start for window in windows], device=device)
    length = windows[0].stop - windows[0].start
    return (starts[:, None] + torch.arange(length, device=device)) % total


def crossfade_weights(
    windows: Sequence[Window], total: int, *, fade: int, device: torch.device | None = None
) -> Tensor:
    """Compute the weights (W, L) with which windows of equal length are added up to the whole.

    A window's weight rises linearly over its first `fade` positions and falls over its last. The weights are then
    divided by their sum at each position of the whole, so that they add up to 1 there.

    Args:
        windows: from `cut_windows` or `cut_circular_windows`.
        total: length of the recording or loop.
        fade: positions over which a weight rises, at least 1.
        device: of the result.
    """
    where = positions(windows, total, device=device)
    ramp = (torch.arange(where.shape[1], device=device) + 0.5).div(fade).clamp(max=1)
    weights = torch.minimum(ramp, ramp.flip(0)).expand(len(windows), -1)
    added_up = torch.zeros(total, device=device).index_add_(0, where.flatten(), weights.flatten())
    return weights / added_up[where]


def crossfade(before: Tensor, part: Tensor) -> None:
    """Fade from the earlier windows' values to those of a window where they overlap.

    This joins windows one after the other, in place, where `crossfade_weights` needs all of them at once.

    Args:
        before: (B, O, D) of the earlier windows at the first O positions of the window.
        part: (B, L, D) of the window; its first O positions are overwritten.
    """
    overlap = before.shape[1]
    rising = torch.arange(1, overlap + 1, device=part.device, dtype=part.dtype) / (overlap + 1)
    part[:, :overlap].lerp_(before, 1 - rising[:, None])


def _check_hop(hop: int, length: int) -> None:
    if not 1 <= hop <= length:
        raise ValueError(f"hop must be from 1 to the window's length of {length}; got {hop}")
