"""A picture of what is heard when: the waveform, and below it a row for each label."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from photism.audio.waveform import Waveform
from photism.errors import InputError
from photism.files import atomic_path
from photism.listening.windows import Segment

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH_IN, DPI = 12.0, 120
WAVEFORM_IN, ROW_IN, MARGINS_IN = 1.6, 0.32, 1.1
COLUMNS = 1200
"""Of the waveform: more than there are pixels would only take time."""
MOST_ROWS = 40
LONGEST_NAME = 42
SCORE_SHARE = 0.05
"""Of the time shown, from which on a segment has room for its score."""
FAINTEST = 0.25
"""Opacity of the lowest score; the highest is 1."""
TICKS_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
MOST_TICKS = 13


def check_matplotlib() -> None:
    """See whether pictures can be drawn.

    Raises:
        InputError: what draws them is not installed.
    """
    if find_spec("matplotlib") is None:
        raise InputError("a picture needs matplotlib: pip install 'photism[listening]'")


def write_timeline(
    target: Path, waveform: Waveform, segments: Sequence[Segment], *, title: str = "", dpi: int = DPI
) -> None:
    """Draws a recording and its segments to a PNG.

    Rows are in the order in which their labels first appear; where there are more than 40, those that last longest.
    The higher its score among those shown, the fuller a segment's colour.

    Args:
        target: the file, written beside it and renamed.
        waveform: the recording.
        segments: of it.
        title: above it.
        dpi: pixels an inch; the picture is 12 inches wide.
    """
    from matplotlib.figure import Figure

    rows, left_out = _rows(segments)
    height_in = WAVEFORM_IN + ROW_IN * max(1, len(rows)) + MARGINS_IN
    figure = Figure(figsize=(WIDTH_IN, height_in), dpi=dpi, layout="constrained")
    ratios = [WAVEFORM_IN, ROW_IN * max(1, len(rows))]
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=ratios)
    _draw_waveform(above, waveform)
    above.set_title(_shortened(title, 120), loc="left", parse_math=False)
    _draw_rows(below, rows, waveform.duration_s)
    note = f"time; {left_out} more labels are not shown" if left_out else "time"
    below.set_xlabel(note)
    with atomic_path(target) as unfinished:
        figure.savefig(unfinished, format="png")


def _rows(segments: Sequence[Segment]) -> tuple[dict[str, list[Segment]], int]:
    """Segments by label, in order of appearance, and how many labels are left out."""
    by_label: defaultdict[str, list[Segment]] = defaultdict(list)
    for segment in segments:
        by_label[segment.label].append(segment)
    lasting = sorted(by_label, key=lambda label: -sum(end - start for start, end, *_ in by_label[label]))
    shown = set(lasting[:MOST_ROWS])
    return {label: found for label, found in by_label.items() if label in shown}, len(by_label) - len(shown)


def _draw_waveform(axes: Axes, waveform: Waveform) -> None:
    low, high = _envelope(waveform.samples)
    time = np.linspace(0, waveform.duration_s, len(low))
    axes.fill_between(time, low, high, color="0.35", linewidth=0.4)
    extent = float(max(1e-3, np.abs(waveform.samples).max()))
    axes.set_ylim(-1.05 * extent, 1.05 * extent)
    axes.set_yticks([-extent, 0, extent], [f"{-extent:.2g}", "0", f"{extent:.2g}"])
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _envelope(samples: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The lowest and the highest sample of each column."""
    starts = np.unique(np.linspace(0, len(samples), COLUMNS, endpoint=False).astype(int))
    return np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)


def _draw_rows(axes: Axes, rows: Mapping[str, Sequence[Segment]], duration_s: float) -> None:
    from matplotlib import colormaps

    colors: Any = colormaps["tab10"]
    scores = [segment.score for found in rows.values() for segment in found] or [0.0]
    low, extent = min(scores), max(scores) - min(scores)
    for index, found in enumerate(rows.values()):
        stretches = [(start_s, end_s - start_s) for start_s, end_s, *_ in found]
        shares = [1.0 if extent == 0 else (segment.score - low) / extent for segment in found]
        shades = [(*colors(index % 10)[:3], FAINTEST + (1 - FAINTEST) * share) for share in shares]
        axes.broken_barh(stretches, (index - 0.4, 0.8), facecolors=shades, linewidth=0)
        for start_s, end_s, _, score in found:
            if end_s - start_s >= SCORE_SHARE * duration_s:
                place = (start_s + end_s) / 2
                axes.text(place, index, f"{score:.2f}", ha="center", va="center", fontsize=8)
    axes.set_xlim(0, duration_s)
    axes.set_ylim(max(1, len(rows)) - 0.5, -0.5)
    axes.set_yticks(range(len(rows)), [_shortened(label, LONGEST_NAME) for label in rows], parse_math=False)
    ticks = _ticks(duration_s)
    axes.set_xticks(ticks, [_clock(tick, ticks) for tick in ticks])
    axes.grid(axis="x", color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _ticks(duration_s: float) -> list[float]:
    step = next((step for step in TICKS_S if duration_s / step < MOST_TICKS), duration_s / MOST_TICKS)
    return [round(index * step, 3) for index in range(int(duration_s / step) + 1)]


def _clock(seconds: float, ticks: Sequence[float]) -> str:
    if ticks[-1] < 60:
        return f"{seconds:g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if ticks[-1] >= 3600 else f"{minutes}:{rest:02}"


def _shortened(text: str, most: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - 1]}…"
