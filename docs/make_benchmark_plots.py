"""Draw the plots of docs/benchmarks.md from the figures in benchmarks/results.

    python docs/make_benchmark_plots.py benchmarks/results docs/plots

Each file becomes a bar chart in SVG. Its background and text follow the colour scheme of the system, and its text is
large enough for a phone. With the scale "row", the longest bar of each row has the full width; with "common", that of
the whole plot.
"""

import argparse
import json
from html import escape
from pathlib import Path
from typing import Any

WIDTH, MARGIN = 440, 16  # pixels of the drawing, which is scaled to the page; all lengths below too
BAR_WIDTH = 230
TITLE_HEIGHT, ROW_HEIGHT, BAR_HEIGHT, BAR_GAP, ROW_GAP, LEGEND_HEIGHT = 34, 22, 18, 3, 12, 22
STYLE = """
.paper { fill: #ffffff } text { fill: #1f2328; font: 14px system-ui, sans-serif }
.title { font-weight: 600; font-size: 16px } .small { font-size: 12.5px }
.bar0 { fill: #6a58e0 } .bar1 { fill: #a8a1ba } .bar2 { fill: #7f788e }
@media (prefers-color-scheme: dark) {
.paper { fill: #1b1d23 } text { fill: #e6e6ea } .bar0 { fill: #9284ff } .bar1 { fill: #6f6c7c } .bar2 { fill: #93909f }
}
"""


def plot(results: dict[str, Any]) -> str:
    """Return the chart of a file of results as SVG."""
    rows = results["rows"]
    series = list(dict.fromkeys(name for row in rows for name in row["values"]))
    largest = max(value for row in rows for value in row["values"].values())
    shapes = [f'<text class="title" x="{MARGIN}" y="{MARGIN + 10}">{escape(results["title"])}</text>']
    top = TITLE_HEIGHT + MARGIN / 2
    if len(series) > 1:
        for index, name in enumerate(series):
            shapes.append(f'<rect class="bar{index}" x="{MARGIN}" y="{top:g}" width="12" height="12" rx="2"/>')
            shapes.append(f'<text class="small" x="{MARGIN + 18}" y="{top + 11:g}">{escape(name)}</text>')
            top += LEGEND_HEIGHT
    for row in rows:
        scale = largest if results["scale"] == "common" else max(row["values"].values())
        shapes.append(f'<text class="small" x="{MARGIN}" y="{top + 14:g}">{escape(row["name"])}</text>')
        top += ROW_HEIGHT
        for name, value in row["values"].items():
            length = max(1.5, BAR_WIDTH * value / scale)
            shapes.append(
                f'<rect class="bar{series.index(name)}" x="{MARGIN}" y="{top:g}" width="{length:.1f}" '
                f'height="{BAR_HEIGHT}" rx="2"/>'
            )
            label = f"{value:,g} {results['unit']}{compared(row['values'], name, results['better'])}"
            shapes.append(f'<text class="small" x="{MARGIN + length + 6:.1f}" y="{top + 13:g}">{escape(label)}</text>')
            top += BAR_HEIGHT + BAR_GAP
        top += ROW_GAP
    better = f"{results['better']} is better" + ("; each row has its own scale" * (results["scale"] == "row"))
    shapes.append(f'<text class="small" x="{MARGIN}" y="{top + 8:g}">{better}</text>')
    height = top + 24
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}" '
        f'role="img"><title>{escape(describe(results))}</title><style>{STYLE}</style>'
        f'<rect class="paper" width="{WIDTH}" height="{height:g}" rx="8"/>{"".join(shapes)}</svg>\n'
    )


def compared(values: dict[str, float], name: str, better: str) -> str:
    """Return how many times as much a series takes as the first; empty for the first, and where more is better."""
    first = next(iter(values))
    return "" if name == first or better == "higher" else f" ({values[name] / values[first]:.3g} ×)"


def describe(results: dict[str, Any]) -> str:
    """Return all figures as a sentence."""
    rows = [
        f"{row['name']}: " + ", ".join(f"{name} {value:g} {results['unit']}" for name, value in row["values"].items())
        for row in results["rows"]
    ]
    return f"{results['title']}. {'; '.join(rows)}."


def main() -> None:
    """Draw all results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="folder of JSON files")
    parser.add_argument("plots", type=Path, help="folder of SVG files")
    arguments = parser.parse_args()
    arguments.plots.mkdir(parents=True, exist_ok=True)
    for path in sorted(arguments.results.glob("*.json")):
        results = json.loads(path.read_text(encoding="utf8"))
        (arguments.plots / f"{path.stem}.svg").write_text(plot(results), encoding="utf8")


if __name__ == "__main__":
    main()
