"""Plots of the figures in benchmarks/results, as bar charts in SVG, which benchmarks/make_tables.py writes.

The background and the text of a plot follow the colour scheme of the system, and its text is large enough for a phone.
The longest bar of each row has the full width; with `is_common`, that of the whole plot.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import NamedTuple

WIDTH, MARGIN = 440, 16  # pixels of the drawing, which is scaled to the page; all lengths below too
BAR_WIDTH = 230
EACH_SCALE = "; each row has its own scale"
TITLE_HEIGHT, ROW_HEIGHT, BAR_HEIGHT, BAR_GAP, ROW_GAP, LEGEND_HEIGHT = 34, 22, 18, 3, 12, 22
STYLE = """
.paper { fill: #ffffff } text { fill: #1f2328; font: 14px system-ui, sans-serif }
.title { font-weight: 600; font-size: 16px } .small { font-size: 12.5px }
.bar0 { fill: #6a58e0 } .bar1 { fill: #a8a1ba } .bar2 { fill: #7f788e }
@media (prefers-color-scheme: dark) {
.paper { fill: #1b1d23 } text { fill: #e6e6ea } .bar0 { fill: #9284ff } .bar1 { fill: #6f6c7c } .bar2 { fill: #93909f }
}
"""


@dataclass(frozen=True)
class Plot:
    """What a plot shows of a file of results: its rows, and the bars of each.

    Attributes:
        source: file in benchmarks/results, without its extension.
        title: heading of the plot.
        cases: names of the rows by their cases; with `keys`, names of the bars.
        sides: names of the bars by their sides; not with `keys`.
        key: figure that is shown.
        keys: names of the rows by their figures.
        unit: of the figures.
        is_more_better: whether a longer bar is better.
        is_common: whether bars of all rows have the same scale.
    """

    source: str
    title: str
    cases: Mapping[str, str]
    sides: Mapping[str, str]
    key: str = "s"
    keys: Mapping[str, str] | None = None
    unit: str = "s"
    is_more_better: bool = False
    is_common: bool = False

    def rows(self, results: Path) -> dict[str, dict[str, Bar]]:
        """Return the bars of each row by their names."""
        records = json.loads((results / f"{self.source}.json").read_text(encoding="utf8"))["records"]
        rows: dict[str, dict[str, Bar]] = {name: {} for name in (self.keys or self.cases).values()}
        for record in records:
            case, side = record["case"], record.get("side", "")
            if case not in self.cases:
                continue
            for key, row in (self.keys or {}).items():
                rows[row][self.cases[case]] = Bar(record[key])
            if side in self.sides and self.key in record:
                ratio = None if self.key == "MB" else record.get("ratio")
                rows[self.cases[case]][self.sides[side]] = Bar(record[self.key], ratio)
        order = list((self.cases if self.keys else self.sides).values())
        return {row: dict(sorted(bars.items(), key=lambda bar: order.index(bar[0]))) for row, bars in rows.items()}


class Bar(NamedTuple):
    """A figure, and how many times the first figure of its row it is, if that was recorded from exact figures."""

    value: float
    ratio: float | None = None


def draw(plot: Plot, results: Path) -> str:
    """Return a plot as SVG."""
    rows = plot.rows(results)
    names = list(dict.fromkeys(name for bars in rows.values() for name in bars))
    largest = max(bar.value for bars in rows.values() for bar in bars.values())
    shapes = [f'<text class="title" x="{MARGIN}" y="{MARGIN + 10}">{escape(plot.title)}</text>']
    top = TITLE_HEIGHT + MARGIN / 2
    if len(names) > 1:
        for index, name in enumerate(names):
            shapes.append(f'<rect class="bar{index}" x="{MARGIN}" y="{top:g}" width="12" height="12" rx="2"/>')
            shapes.append(f'<text class="small" x="{MARGIN + 18}" y="{top + 11:g}">{escape(name)}</text>')
            top += LEGEND_HEIGHT
    for row, bars in rows.items():
        scale = largest if plot.is_common else max(bar.value for bar in bars.values())
        shapes.append(f'<text class="small" x="{MARGIN}" y="{top + 14:g}">{escape(row)}</text>')
        top += ROW_HEIGHT
        for name, bar in bars.items():
            length = max(1.5, BAR_WIDTH * bar.value / scale)
            shapes.append(
                f'<rect class="bar{names.index(name)}" x="{MARGIN}" y="{top:g}" width="{length:.1f}" '
                f'height="{BAR_HEIGHT}" rx="2"/>'
            )
            label = escape(f"{bar.value:,g} {plot.unit}{times_the_first(bars, name, plot)}")
            shapes.append(f'<text class="small" x="{MARGIN + length + 6:.1f}" y="{top + 13:g}">{label}</text>')
            top += BAR_HEIGHT + BAR_GAP
        top += ROW_GAP
    better = f"{'higher' if plot.is_more_better else 'lower'} is better"
    shapes.append(
        f'<text class="small" x="{MARGIN}" y="{top + 8:g}">{better}{"" if plot.is_common else EACH_SCALE}</text>'
    )
    height = top + 24
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}" '
        f'role="img"><title>{escape(describe(plot, results))}</title><style>{STYLE}</style>'
        f'<rect class="paper" width="{WIDTH}" height="{height:g}" rx="8"/>{"".join(shapes)}</svg>\n'
    )


def times_the_first(bars: Mapping[str, Bar], name: str, plot: Plot) -> str:
    """Return how many times the first bar of a row a bar is; empty for the first, and where more is better."""
    first = next(iter(bars))
    if name == first or plot.is_more_better:
        return ""
    return f" ({bars[name].ratio or bars[name].value / bars[first].value:.3g} ×)"


def describe(plot: Plot, results: Path) -> str:
    """Return all figures of a plot as a sentence."""
    rows = [
        f"{row}: " + ", ".join(f"{name} {bar.value:,g} {plot.unit}" for name, bar in bars.items())
        for row, bars in plot.rows(results).items()
    ]
    return f"{plot.title}. {'; '.join(rows)}."
