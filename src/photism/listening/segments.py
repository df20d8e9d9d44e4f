"""Labelled segments of a recording."""

from __future__ import annotations

from typing import NamedTuple


class Segment(NamedTuple):
    """A segment of a recording with a label and the mean score of its windows or frames."""

    start_s: float
    end_s: float
    label: str
    score: float
