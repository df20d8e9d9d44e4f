"""The map of a collection as a PNG image."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from photism.collection.projection import CollectionMap
from photism.extras import require
from photism.files import as_utf8, atomic_path
from photism.output_files import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE_IN, DPI = (12.0, 9.0), 120
COLOURS = 10
"""Names with a colour of their own: those that most points have."""
MAX_LABELS = 60
MAX_LABEL_LENGTH = 28
LABEL_SIZE_PT = 8
CHARACTER = (0.0068, 0.021)
"""Width and height of a character of a label, relative to the axes."""


def write_map_image(found: CollectionMap, target: Path, *, title: str = "") -> None:
    """Draw a map to a PNG file: points in the colours of the most frequent names, and names where they fit.

    Args:
        found: the map.
        target: the file, written under a temporary name and then renamed.
        title: name of the collection.

    Raises:
        InputError: matplotlib is not installed.
    """
    require("matplotlib", "a map as PNG", "collection")
    from matplotlib.figure import Figure
    from matplotlib.patheffects import withStroke

    figure = Figure(figsize=SIZE_IN, dpi=DPI, layout="constrained")
    axes = figure.subplots()
    _draw_points(axes, found)
    for name, x, y in placed_labels(found):
        label = axes.text(x, y, name, fontsize=LABEL_SIZE_PT, ha="center", va="center", parse_math=False, zorder=3)
        label.set_path_effects([withStroke(linewidth=2.5, foreground="white")])
    heading = as_utf8(printable(f"{title}: {found.about}" if title else found.about))
    axes.set_title(heading, loc="left", fontsize=10, parse_math=False)
    axes.set_xlim(-0.03, 1.03)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xticks([])
    axes.set_yticks([])
    with atomic_path(target) as unfinished:
        figure.savefig(unfinished, format="png")


def colour_numbers(names: tuple[str, ...]) -> tuple[list[str], NDArray[np.int64]]:
    """Return the names that have a colour, and for each point (N,) the index of its own; -1 for all others."""
    frequent = [name for name, _ in Counter(name for name in names if name).most_common(COLOURS)]
    index = {name: number for number, name in enumerate(frequent)}
    return frequent, np.array([index.get(name, -1) for name in names], np.int64)


def placed_labels(found: CollectionMap) -> list[tuple[str, float, float]]:
    """Return names with their places, the most frequent ones first, none of which covers another.

    A name stands at the point that is nearest to the median of the points that have it.
    """
    numbers: dict[str, list[int]] = {}
    for number, name in enumerate(found.names):
        if name:
            numbers.setdefault(name, []).append(number)
    placed: list[tuple[str, float, float, float]] = []
    for name, members in sorted(numbers.items(), key=lambda item: (-len(item[1]), item[0])):
        points = found.points[members]
        x, y = points[np.abs(points - np.median(points, axis=0)).sum(axis=1).argmin()]
        text = _shortened(name)
        width = CHARACTER[0] * len(text)
        x = min(max(x, width / 2), 1 - width / 2)  # so that it ends within the axes
        if all(abs(x - a) > (width + w) / 2 or abs(y - b) > CHARACTER[1] for _, a, b, w in placed):
            placed.append((text, float(x), float(y), width))
        if len(placed) == MAX_LABELS:
            break
    return [(text, x, y) for text, x, y, _ in placed]


def _draw_points(axes: Axes, found: CollectionMap) -> None:
    from matplotlib import colormaps

    frequent, numbers = colour_numbers(found.names)
    colours: Any = colormaps["tab10"]
    size = float(np.clip(40_000 / max(1, len(numbers)), 6, 60))
    others = found.points[numbers < 0]
    axes.scatter(others[:, 0], others[:, 1], s=size, color="0.72", linewidths=0, zorder=1)
    for number, name in enumerate(frequent):
        points = found.points[numbers == number]
        label = _shortened(name)
        axes.scatter(points[:, 0], points[:, 1], s=size, color=colours(number), linewidths=0, label=label, zorder=2)
    if frequent:
        legend = axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=8)
        for text in legend.get_texts():
            text.set_parse_math(False)


def _shortened(name: str) -> str:
    name = as_utf8(printable(" ".join(name.split())))
    return name if len(name) <= MAX_LABEL_LENGTH else f"{name[: MAX_LABEL_LENGTH - 1]}…"
