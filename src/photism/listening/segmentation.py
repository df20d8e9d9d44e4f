"""Segmentation: merge neighbouring windows, or frames, with the same label."""

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


def merge_windows(
    ranges_s: Sequence[tuple[float, float]],
    scores: NDArray[np.floating],
    names: Sequence[str],
    *,
    problem_type: ProblemType,
    threshold: float | None = None,
) -> list[Segment]:
    """Merge neighbouring windows with the same label into segments, in order of time.

    Args:
        ranges_s: start and end in seconds of the range that each of W windows stands for; neighbours touch.
        scores: (W, C).
        names: names of the C classes.
        problem_type: "single_label": a window has its best class. "multi_label": a window has each class that reaches
            the threshold. "regression": every value of every window is a segment of its own.
        threshold: minimum score; by default 0.5 for a multi-label problem and none otherwise.
    """
    if problem_type == "regression":
        return [
            Segment(start_s, end_s, name, float(score))
            for (start_s, end_s), row in zip(ranges_s, scores, strict=True)
            for name, score in zip(names, row, strict=True)
            if threshold is None or score >= threshold
        ]
    if threshold is None and problem_type == "multi_label":
        threshold = MULTI_LABEL_THRESHOLD
    is_present = np.ones(scores.shape, bool) if threshold is None else scores >= threshold
    if problem_type == "single_label":
        is_present &= np.arange(len(names)) == scores.argmax(1)[:, None]
    segments = [
        Segment(ranges_s[start][0], ranges_s[stop - 1][1], names[index], float(scores[start:stop, index].mean()))
        for index in map(int, np.flatnonzero(is_present.any(0)))
        for start, stop in find_runs(is_present[:, index])
    ]
    return sorted(segments, key=lambda segment: segment.start_s)


def find_runs(mask: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Yield the start and the stop (exclusive) of each run of true values in a mask (W,)."""
    changes = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    return zip(changes[::2].tolist(), changes[1::2].tolist(), strict=True)
