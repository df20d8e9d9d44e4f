"""TextGrid files: annotations that the phonetics program Praat reads.

Source: https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html, the long text format.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

MS_PER_S = 1000


class Interval(NamedTuple):
    """A labelled interval of a tier."""

    start_s: float
    end_s: float
    text: str


def as_textgrid(tiers: Mapping[str, Sequence[Interval]], duration_s: float) -> str:
    """Return a TextGrid, with times to a millisecond.

    Praat requires that the intervals of a tier follow each other without a gap and have a length: gaps become intervals
    without text, an interval that overlaps the one before begins at its end, and one without length lasts 1 ms.

    Args:
        tiers: intervals by the name of their tier, in order of their times.
        duration_s: duration of the recording.
    """
    in_ms = {name: list(_intervals_ms(intervals)) for name, intervals in tiers.items()}
    last_ms = max([round(duration_s * MS_PER_S), 1, *(each[-1][1] for each in in_ms.values() if each)])
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", *_range(0, last_ms), "tiers? <exists>"]
    lines += [f"size = {len(tiers)}", "item []:"]
    for number, (name, intervals) in enumerate(in_ms.items(), start=1):
        if not intervals or intervals[-1][1] < last_ms:
            intervals.append((intervals[-1][1] if intervals else 0, last_ms, ""))
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f"        name = {_quoted(name)}"]
        lines += [*_range(0, last_ms, indent=8), f"        intervals: size = {len(intervals)}"]
        for index, (start_ms, end_ms, text) in enumerate(intervals, start=1):
            lines += [f"        intervals [{index}]:", *_range(start_ms, end_ms, indent=12)]
            lines.append(f"            text = {_quoted(text)}")
    return "\n".join([*lines, ""])


def _intervals_ms(intervals: Sequence[Interval]) -> Iterator[tuple[int, int, str]]:
    """Yield intervals in milliseconds, and those without text in their gaps."""
    previous_ms = 0
    for start_s, end_s, text in intervals:
        start_ms = max(previous_ms, round(start_s * MS_PER_S))
        end_ms = max(start_ms + 1, round(end_s * MS_PER_S))
        if start_ms > previous_ms:
            yield previous_ms, start_ms, ""
        yield start_ms, end_ms, text
        previous_ms = end_ms


def _range(start_ms: int, end_ms: int, *, indent: int = 0) -> tuple[str, str]:
    space = " " * indent
    return f"{space}xmin = {start_ms / MS_PER_S:.3f}", f"{space}xmax = {end_ms / MS_PER_S:.3f}"


def _quoted(text: str) -> str:
    """Return a string of Praat, in which quotation marks are doubled."""
    return '"' + text.replace('"', '""') + '"'
