"""Segments of a recording on a line for each label, as HTML; next to a player, a click plays a segment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from photism.display.markup import ACCENT, duration, limit_note, note, text
from photism.display.playable import part
from photism.display.short_repr import shortened

MAX_LABELS, MAX_SEGMENTS = 20, 500
"""Labels and segments that are shown: the first ones."""
MAX_LABEL_LENGTH = 60


class TimelineSegment(NamedTuple):
    """A segment of a recording with a label and a score."""

    start_s: float
    end_s: float
    label: str
    score: float


def timeline(segments: Iterable[tuple[float, float, str, float]], duration_s: float, *, plays: bool = False) -> str:
    """Return a line for each label, in order of their first segments.

    Args:
        segments: start and end in seconds, label and score of each.
        duration_s: duration of the recording, which is as wide as the lines.
        plays: whether there is a player, so that a click plays a segment.
    """
    by_label: defaultdict[str, list[TimelineSegment]] = defaultdict(list)
    given = [TimelineSegment(*each) for each in segments]
    for each in given[:MAX_SEGMENTS]:
        by_label[each.label].append(each)
    shown = list(by_label.items())[:MAX_LABELS]
    lines = "".join(_line(label, of_label, duration_s, plays=plays) for label, of_label in shown)
    count = sum(len(of_label) for _, of_label in shown)
    ends = f'<span>0 s</span><span style="float:right">{duration(duration_s)}</span>'
    return f'<div role="list">{lines}</div><div>{ends}</div>{note(limit_note(count, len(given), "segments"))}'


def _line(label: str, segments: Sequence[TimelineSegment], duration_s: float, *, plays: bool) -> str:
    bars = "".join(_bar(each, duration_s, plays=plays) for each in segments)
    total = duration(sum(each.end_s - each.start_s for each in segments))
    return (
        f'<div role="listitem"><div>{text(shortened(label, MAX_LABEL_LENGTH))} <small>{total}</small></div>'
        f'<div style="position:relative;height:1.2em;border-bottom:1px solid">{bars}</div></div>'
    )


def _bar(segment: TimelineSegment, duration_s: float, *, plays: bool) -> str:
    start_s, end_s, label, score = segment
    left, width = 100 * start_s / duration_s, 100 * (end_s - start_s) / duration_s
    about = f"{shortened(label, MAX_LABEL_LENGTH)}, {duration(start_s)} to {duration(end_s)}, score {score:.2f}"
    style = (
        f"position:absolute;top:0;height:1.1em;left:{left:.3f}%;width:{width:.3f}%;min-width:2px;border-radius:2px;"
        f"background:{ACCENT}"
    )
    return part(start_s, end_s, about, "", style=style, plays=plays)
