"""Plot a labelled recording: its waveform, and below it a row of segments for each label."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from photism.audio.sampling import SAMPLING_RATE
from photism.extras import require
from photism.files import as_utf8, atomic_path
from photism.listening.segments import Segment
from photism.output_files import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH_IN, DPI = 12.0, 120
WAVEFORM_IN, ROW_IN, MARGINS_IN = 1.6, 0.32, 1.1
COLUMNS = 1200
"""Columns of the waveform: as many as there are pixels."""
MAX_ROWS = 40
MAX_NAME_LENGTH = 42
MAX_TITLE_LENGTH = 120
MIN_FRACTION_WITH_SCORE = 0.05
"""Fraction of the recording from which on a segment has room for its score."""
MIN_OPACITY = 0.25
"""Opacity of the segment with the lowest score; the highest has 1."""
TICKS_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
MAX_TICKS = 13


def check_matplotlib() -> None:
    """Check that plots can be drawn.

    Raises:
        InputError: matplotlib is not installed.
    """
    require("matplotlib", "a plot", "listening")


def plot_segments(
    target: Path,
    blocks: Iterable[NDArray[np.float32]],
    segments: Sequence[Segment],
    *,
    duration_s: float,
    title: str = "",
    dpi: int = DPI,
) -> None:
    """Plot a recording and its segments to a PNG file.

    Labels are in order of their first segment; of more than 40 labels, those with the longest total duration are shown.
    The opacity of a segment shows its score, from the lowest to the highest in the plot.

    Args:
        target: the file, written under a temporary name and then renamed.
        blocks: samples (T,) of the recording, in blocks of any length.
        segments: its segments.
        duration_s: duration of the recording.
        title: title of the plot.
        dpi: pixels per inch; the plot is 12 inches wide.
    """
    from matplotlib.figure import Figure

    rows, hidden = _rows(segments)
    height_in = WAVEFORM_IN + ROW_IN * max(1, len(rows)) + MARGINS_IN
    figure = Figure(figsize=(WIDTH_IN, height_in), dpi=dpi, layout="constrained")
    ratios = [WAVEFORM_IN, ROW_IN * max(1, len(rows))]
    waveform_axes, row_axes = figure.subplots(2, 1, sharex=True, height_ratios=ratios)
    _draw_waveform(waveform_axes, blocks, duration_s)
    waveform_axes.set_title(_shortened(as_utf8(printable(title)), MAX_TITLE_LENGTH), loc="left", parse_math=False)
    _draw_rows(row_axes, rows, duration_s)
    row_axes.set_xlabel(f"time; {hidden} more labels are not shown" if hidden else "time")
    with atomic_path(target) as unfinished:
        figure.savefig(unfinished, format="png")


def _rows(segments: Sequence[Segment]) -> tuple[dict[str, list[Segment]], int]:
    """Return the segments by label, in order of appearance, and the number of labels that are not shown."""
    by_label: defaultdict[str, list[Segment]] = defaultdict(list)
    for segment in segments:
        by_label[segment.label].append(segment)
    by_duration = sorted(by_label, key=lambda label: -sum(end - start for start, end, *_ in by_label[label]))
    shown = set(by_duration[:MAX_ROWS])
    return {label: each for label, each in by_label.items() if label in shown}, len(by_label) - len(shown)


def _draw_waveform(axes: Axes, blocks: Iterable[NDArray[np.float32]], duration_s: float) -> None:
    low, high = _envelope(blocks, round(duration_s * SAMPLING_RATE))
    time = np.linspace(0, duration_s, len(low))
    axes.fill_between(time, low, high, color="0.35", linewidth=0.4)
    extent = float(max(1e-3, -low.min(), high.max()))
    axes.set_ylim(-1.05 * extent, 1.05 * extent)
    axes.set_yticks([-extent, 0, extent], [f"{-extent:.2g}", "0", f"{extent:.2g}"])
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _envelope(blocks: Iterable[NDArray[np.float32]], sample_count: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the lowest and the highest sample of each column."""
    starts = np.unique(np.linspace(0, sample_count, COLUMNS, endpoint=False).astype(int))
    low, high = np.full(len(starts), np.inf), np.full(len(starts), -np.inf)
    position = 0  # of the block in the recording
    for block in blocks:
        first = np.searchsorted(starts, position, side="right") - 1
        columns = slice(first, np.searchsorted(starts, position + len(block)))
        offsets = np.maximum(starts[columns] - position, 0)
        low[columns] = np.minimum(low[columns], np.minimum.reduceat(block, offsets))
        high[columns] = np.maximum(high[columns], np.maximum.reduceat(block, offsets))
        position += len(block)
    return low, high


def _draw_rows(axes: Axes, rows: Mapping[str, Sequence[Segment]], duration_s: float) -> None:
    from matplotlib import colormaps

    colors: Any = colormaps["tab10"]
    scores = [segment.score for row in rows.values() for segment in row] or [0.0]
    low, extent = min(scores), max(scores) - min(scores)
    for index, row in enumerate(rows.values()):
        bars = [(start_s, end_s - start_s) for start_s, end_s, *_ in row]
        fractions = [1.0 if extent == 0 else (segment.score - low) / extent for segment in row]
        shades = [(*colors(index % 10)[:3], MIN_OPACITY + (1 - MIN_OPACITY) * fraction) for fraction in fractions]
        axes.broken_barh(bars, (index - 0.4, 0.8), facecolors=shades, linewidth=0)
        for start_s, end_s, _, score in row:
            if end_s - start_s >= MIN_FRACTION_WITH_SCORE * duration_s:
                axes.text((start_s + end_s) / 2, index, f"{score:.2f}", ha="center", va="center", fontsize=8)
    axes.set_xlim(0, duration_s)
    axes.set_ylim(max(1, len(rows)) - 0.5, -0.5)
    axes.set_yticks(range(len(rows)), [_shortened(label, MAX_NAME_LENGTH) for label in rows], parse_math=False)
    ticks = _ticks(duration_s)
    axes.set_xticks(ticks, [_clock(tick, ticks) for tick in ticks])
    axes.grid(axis="x", color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _ticks(duration_s: float) -> list[float]:
    step = next((step for step in TICKS_S if duration_s / step < MAX_TICKS), duration_s / MAX_TICKS)
    return [round(index * step, 3) for index in range(int(duration_s / step) + 1)]


def _clock(seconds: float, ticks: Sequence[float]) -> str:
    if ticks[-1] < 60:
        return f"{seconds:g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if ticks[-1] >= 3600 else f"{minutes}:{rest:02}"


def _shortened(text: str, max_length: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= max_length else f"{text[: max_length - 1]}…"
