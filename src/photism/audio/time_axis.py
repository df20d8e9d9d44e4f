"""Place decoded frames on the time axis of their container: silence for holes, no sample twice, and no drift.

A frame carries the time at which it begins, rounded to the container's unit, which is a millisecond in Matroska and
FLV. Its offset is that time less the duration of all samples before it. In an unbroken recording the offset is
constant but for the rounding. It rises at a hole, such as a pause of discontinuous transmission, and falls where frames
overlap. A shift that all of the next frames confirm is corrected with silence or by dropping samples; a single frame
with a wrong timestamp is not.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

CONFIRMING_FRAMES = 8  # frames that must agree on a shift, about 0.2 s
TOLERANCE_S = 0.01  # a smaller shift is rounding, or drift that is not corrected yet
LONGEST_HOLE_S = 3600.0  # a longer one is a damaged timestamp or another clock, and nobody wants it as silence
LONGEST_OVERLAP_S = 10.0  # timestamps that go back further are those of another clock


@dataclass(frozen=True, slots=True, eq=False)
class TimedFrame:
    """Decoded samples and the time at which they begin.

    Attributes:
        start_s: seconds from time zero; None if the container does not say.
        rate: sampling rate in Hz.
        samples: (C, T) in the type that the codec decodes to.
    """

    start_s: float | None
    rate: int
    samples: NDArray[Any]

    @property
    def duration_s(self) -> float:
        """Duration in seconds."""
        return self.samples.shape[1] / self.rate


def place_frames(
    frames: Iterator[TimedFrame],
    *,
    longest_overlap_s: float = LONGEST_OVERLAP_S,
    on_shift: Callable[[float, float], None] | None = None,
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Return the samples of frames so that each is at its time, counted from time zero.

    Args:
        frames: frames in the order in which they were decoded.
        longest_overlap_s: timestamps that go back by more seconds belong to another clock.
        on_shift: called with the seconds of the frames before a shift, and those by which the next frame is later or,
            if they are negative, earlier. A shift back by more than `longest_overlap_s`, or forward by more than
            `LONGEST_HOLE_S`, is to another clock: time then continues as if there were none.

    Yields:
        the sampling rate in Hz, and samples (C, T) of a frame or of at most a second of silence.
    """
    waiting: deque[tuple[float | None, TimedFrame]] = deque()  # frames with their offsets
    counted_s = 0.0  # duration of the frames that were taken
    placed_s = 0.0  # duration of the frames that were placed
    shift_s = 0.0  # by which the axis is later than the count
    missing = 0  # samples of silence before the next frame or, if negative, to be dropped from its beginning
    while True:
        for frame in islice(frames, CONFIRMING_FRAMES - len(waiting)):
            waiting.append((None if frame.start_s is None else frame.start_s - counted_s, frame))
            counted_s += frame.duration_s
        if not waiting:
            return
        change_s = _confirmed_change(waiting, shift_s)
        if len(waiting) < CONFIRMING_FRAMES and placed_s and change_s > LONGEST_OVERLAP_S:
            change_s = 0.0  # the last frames are too few to confirm a long hole
        _, frame = waiting.popleft()
        if change_s and on_shift is not None:
            on_shift(placed_s, change_s)
        count = round(change_s * frame.rate)
        shift_s += count / frame.rate
        if -longest_overlap_s <= change_s <= LONGEST_HOLE_S:
            missing += count
        if missing > 0:
            for start in range(0, missing, frame.rate):
                yield frame.rate, silence(frame.samples, min(frame.rate, missing - start))
            missing = 0
        placed_s += frame.duration_s
        dropped = min(-missing, frame.samples.shape[1])
        missing += dropped
        if dropped < frame.samples.shape[1]:
            yield frame.rate, frame.samples[:, dropped:]


def _confirmed_change(waiting: deque[tuple[float | None, TimedFrame]], shift_s: float) -> float:
    """Return by how much all waiting frames are later, or if it is negative earlier, than the shift places them."""
    if waiting[0][0] is None:
        return 0.0
    changes = [offset - shift_s for offset, _ in waiting if offset is not None]
    least, most = min(changes), max(changes)
    if least > TOLERANCE_S:
        return least
    return most if most < -TOLERANCE_S else 0.0


def silence(like: NDArray[Any], count: int) -> NDArray[Any]:
    """Return samples (C, count) of silence, of the channels and type of others."""
    zero = 128 if like.dtype.kind == "u" else 0  # unsigned samples have their zero in the middle
    return np.full((len(like), count), zero, like.dtype)
