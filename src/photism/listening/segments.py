"""Labelled segments of a recording."""

from __future__ import annotations

from typing import NamedTuple

from photism.display.markup import block, note
from photism.display.short_repr import MAX_LENGTH, short_repr, shortened
from photism.display.timeline import timeline

MAX_NAMES = 20


class Segment(NamedTuple):
    """A segment of a recording with a label.

    Attributes:
        start_s: start, in seconds.
        end_s: end, in seconds.
        label: the label, or the name of a speaker.
        score: mean score of its windows or frames.
    """

    start_s: float
    end_s: float
    label: str
    score: float

    def __repr__(self) -> str:
        return short_repr(self)


class Segments(tuple[Segment, ...]):
    """Segments of a recording in order of time. It is a tuple, and equal to one."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return the number of segments and their labels in one line."""
        labels = ", ".join(dict.fromkeys(each.label for each in self[:MAX_NAMES]))
        return shortened(f"{type(self).__name__}({len(self):,}: {labels})", MAX_LENGTH)

    def _repr_html_(self) -> str:
        if not self:
            return block(note("There are no segments."))
        return block(timeline(self, max(each.end_s for each in self)))
