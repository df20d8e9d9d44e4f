"""Segmentation: merge neighbouring windows with the same label, and find runs of frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from photism.listening.segments import Segment

ProblemType: TypeAlias = Literal["single_label", "multi_label", "regression"]
"""Meaning of scores: one class is right, several may be right, or they are predicted values."""

MULTI_LABEL_THRESHOLD = 0.5
"""Default minimum score of a class in a segment, for a multi-label problem: as likely as not."""


class SegmentMerger:
    """Merger of neighbouring windows with the same label into segments, one window after the other.

    Args:
        names: names of the C classes.
        problem_type: "single_label": a window has its best class. "multi_label": a window has each class that reaches
            the threshold. "regression": every value of every window is a segment of its own.
        threshold: minimum score; by default 0.5 for a multi-label problem and none otherwise.
    """

    def __init__(self, names: Sequence[str], problem_type: ProblemType, threshold: float | None = None) -> None:
        self._names, self._problem_type = names, problem_type
        default = MULTI_LABEL_THRESHOLD if problem_type == "multi_label" else -np.inf
        self._threshold = default if threshold is None else threshold
        self._open: dict[int, tuple[float, list[np.floating]]] = {}  # start and scores, by class
        self._closed: list[tuple[int, Segment]] = []

    def add(self, start_s: float, scores: NDArray[np.floating]) -> None:
        """Add the next window.

        Args:
            start_s: start of the range that the window stands for, where that of the window before it ends.
            scores: scores (C,) of the window.
        """
        is_present = scores >= self._threshold
        if self._problem_type == "single_label":
            is_present &= np.arange(len(scores)) == scores.argmax()
        continues = self._problem_type != "regression"
        for index in list(self._open):
            if not (continues and is_present[index]):
                self._close(index, start_s)
        for index in map(int, np.flatnonzero(is_present)):
            self._open.setdefault(index, (start_s, []))[1].append(scores[index])

    def finish(self, end_s: float) -> list[Segment]:
        """Return the segments in order of time, those with the same start in order of the classes.

        Args:
            end_s: end of the last window.
        """
        for index in list(self._open):
            self._close(index, end_s)
        return [segment for _, segment in sorted(self._closed, key=lambda each: (each[1].start_s, each[0]))]

    def _close(self, index: int, end_s: float) -> None:
        start_s, scores = self._open.pop(index)
        self._closed.append((index, Segment(start_s, end_s, self._names[index], float(np.mean(scores)))))


def find_runs(mask: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Yield the start and the stop (exclusive) of each run of true values in a mask (W,)."""
    changes = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    return zip(changes[::2].tolist(), changes[1::2].tolist(), strict=True)
