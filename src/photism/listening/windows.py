"""Windows over a recording, and what neighbouring ones say alike, joined to segments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from photism.audio.waveform import FRAME_SAMPLES, SAMPLING_RATE
from photism.audio.windowing import Window, cut_windows, kept_ranges
from photism.errors import InputError

Reading: TypeAlias = Literal["one", "several", "values"]
"""What scores mean: one class is right, or several may be, or they are numbers, such as of a regression."""

SEVERAL_THRESHOLD = 0.5
"""From which on one of several classes is there, where nothing else is said: as likely as not."""


class Segment(NamedTuple):
    """A stretch of a recording, what it is called, and how sure that is."""

    start_s: float
    end_s: float
    label: str
    score: float  # the mean over the windows that it is joined of


@dataclass(frozen=True)
class Windows:
    """How a recording is cut into windows of one length.

    Attributes:
        window_s: length, at least 25 ms.
        hop_s: from the start of one to that of the next, at most a window; by default half of one.

    Raises:
        InputError: one of them is out of range.
    """

    window_s: float
    hop_s: float | None = None

    def __post_init__(self) -> None:
        if not self.window_samples >= FRAME_SAMPLES:
            raise InputError(f"window_s must be at least {FRAME_SAMPLES / SAMPLING_RATE} s; got {self.window_s}")
        if not 1 <= self.hop_samples <= self.window_samples:
            raise InputError(
                f"hop_s must be above 0 and at most the window of {self.window_s:g} s, so that nothing is left out; "
                f"got {self.hop_s}"
            )

    @property
    def window_samples(self) -> int:
        """Samples of a window."""
        return _samples(self.window_s)

    @property
    def hop_samples(self) -> int:
        """Samples from one start to the next."""
        return self.window_samples // 2 if self.hop_s is None else _samples(self.hop_s)

    def spans(self, samples: int) -> list[Window]:
        """First sample of each window, and the one after its last.

        The last window ends with the recording, and so may begin less than a hop after the one before it. A recording
        that is no longer than a window is one.

        Args:
            samples: of the recording.
        """
        return cut_windows(samples, length=self.window_samples, hop=self.hop_samples)


def cells(spans: Sequence[Window]) -> list[tuple[float, float]]:
    """The stretch that each window speaks for, in seconds: neighbours meet in the middle of what they share."""
    return [(start / SAMPLING_RATE, stop / SAMPLING_RATE) for start, stop in kept_ranges(spans)]


def join(
    stretches: Sequence[tuple[float, float]],
    scores: NDArray[np.floating],
    names: Sequence[str],
    *,
    reading: Reading,
    threshold: float | None = None,
) -> list[Segment]:
    """What neighbouring windows say alike, in order of time.

    Args:
        stretches: W, as `cells` makes them.
        scores: (W, C).
        names: of the C classes.
        reading: "one": a window is called by its best class. "several": by each class that reaches the threshold.
            "values": every number of every window is told, and nothing is joined.
        threshold: that a score must reach; by default none where one class is right, and 0.5 where several may be.
    """
    if reading == "values":
        return [
            Segment(start_s, end_s, name, float(score))
            for (start_s, end_s), row in zip(stretches, scores, strict=True)
            for name, score in zip(names, row, strict=True)
            if threshold is None or score >= threshold
        ]
    if threshold is None and reading == "several":
        threshold = SEVERAL_THRESHOLD
    is_there = np.ones(scores.shape, bool) if threshold is None else scores >= threshold
    if reading == "one":
        is_there &= np.arange(len(names)) == scores.argmax(1)[:, None]
    found = [
        Segment(stretches[first][0], stretches[after - 1][1], names[index], float(scores[first:after, index].mean()))
        for index in map(int, np.flatnonzero(is_there.any(0)))
        for first, after in runs(is_there[:, index])
    ]
    return sorted(found, key=lambda segment: segment.start_s)


def runs(is_there: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Where a (W,) row is true: the first place of each run, and the one after its last."""
    changes = np.flatnonzero(np.diff(is_there.astype(np.int8), prepend=0, append=0))
    return zip(changes[::2].tolist(), changes[1::2].tolist(), strict=True)


def _samples(seconds: float) -> int:
    """0 for what is no length."""
    return round(seconds * SAMPLING_RATE) if 0 < seconds < float("inf") else 0
