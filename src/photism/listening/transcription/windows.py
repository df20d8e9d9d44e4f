"""How a long recording is heard in overlapped windows: what each of them hears, and what is kept of it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple


class Window(NamedTuple):
    """Frames of a recording: those that are heard at once, and those in their middle that are kept."""

    start: int
    stop: int
    keep_start: int
    keep_stop: int


def windows(start: int, stop: int, *, length: int, overlap: int) -> Iterator[Window]:
    """Windows of equal length, evenly spread, of which neighbours are joined in the middle of what they share.

    Args:
        start: the first of the frames that are to be heard.
        stop: one past the last. If they are no more than `length`, one window is enough.
        length: of a window.
        overlap: frames that two neighbours share at least, below `length`.
    """
    frames = stop - start
    if frames <= length:
        yield Window(start, stop, start, stop)
        return
    count = -(-(frames - overlap) // (length - overlap))
    starts = [start + round(number * (frames - length) / (count - 1)) for number in range(count)]
    joints = [(left + length + right) // 2 for left, right in pairwise(starts)]
    for first, keep_start, keep_stop in zip(starts, [start, *joints], [*joints, stop], strict=True):
        yield Window(first, first + length, keep_start, keep_stop)
