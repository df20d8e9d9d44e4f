"""Plots of labelled recordings, read from the figure."""

from math import ceil

import numpy as np
import pytest
from PIL import Image

from photism.listening.plot import MAX_TICKS, plot_segments
from photism.listening.segments import Segment


@pytest.fixture
def figures(monkeypatch):
    """List of the figures that are saved."""
    from matplotlib.figure import Figure

    saved = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda figure, *a, **k: saved.append(figure) or save(figure, *a, **k))
    return saved


def plot(folder, seconds, segments, block=100_000, **arguments):
    """Plot noise that comes in blocks."""
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, round(16_000 * seconds)).astype(np.float32)
    blocks = (samples[start : start + block] for start in range(0, len(samples), block))
    plot_segments(folder / "t.png", blocks, segments, duration_s=seconds, **arguments)


def test_a_row_for_each_label_in_order_of_appearance(figures, tmp_path):
    segments = [Segment(0, 2, "b", 0.9), Segment(1, 1.1, "$a_1$" + "x" * 60, 0.1), Segment(3, 4, "b", 0.5)]
    plot(tmp_path, 4, segments, title="sound")
    waveform_axes, row_axes = figures[0].axes
    names = [tick.get_text() for tick in row_axes.get_yticklabels()]
    assert names == ["b", "$a_1$" + "x" * 36 + "…"]
    bars = [[path.get_extents().bounds for path in each.get_paths()] for each in row_axes.collections]
    np.testing.assert_allclose(bars[0], [(0, -0.4, 2, 0.8), (3, -0.4, 1, 0.8)])
    np.testing.assert_allclose(bars[1], [(1, 0.6, 0.1, 0.8)])
    assert [text.get_text() for text in row_axes.texts] == ["0.90", "0.50"]
    shades = row_axes.collections[0].get_facecolors()
    assert shades[0, 3] == 1 > shades[1, 3]
    assert [tick.get_text() for tick in row_axes.get_xticklabels()] == [
        "0 s",
        "0.5 s",
        *(f"{seconds:g} s" for seconds in np.arange(1, 4.5, 0.5)),
    ]
    assert waveform_axes.get_title("left") == "sound"
    with Image.open(tmp_path / "t.png") as picture:
        assert picture.size[0] == 1440


@pytest.mark.parametrize(
    ("seconds", "first", "last"), [(0.025, "0 s", "0.025 s"), (90, "0:00", "1:30"), (3600, "0:00:00", "1:00:00")]
)
def test_time_labels_suit_the_duration(figures, tmp_path, seconds, first, last):
    block = np.zeros(16_000, np.float32)
    blocks = (block[: round(16_000 * (seconds - start))] for start in range(ceil(seconds)))
    plot_segments(tmp_path / "t.png", blocks, [], duration_s=seconds)
    ticks = [tick.get_text() for tick in figures[0].axes[1].get_xticklabels()]
    assert (ticks[0], ticks[-1]) == (first, last)
    assert len(ticks) <= MAX_TICKS


def test_labels_that_are_not_shown_are_counted(figures, tmp_path):
    segments = [Segment(0, 1 + index, f"class {index}", 0.5) for index in range(50)]
    plot(tmp_path, 60, segments)
    row_axes = figures[0].axes[1]
    assert len(row_axes.get_yticks()) == 40
    assert row_axes.get_yticklabels()[0].get_text() == "class 10"
    assert row_axes.get_xlabel() == "time; 10 more labels are not shown"


@pytest.mark.parametrize("seconds", [0.025, 1.003])
@pytest.mark.parametrize("block", [7, 1000, 100_000])
def test_the_waveform_is_that_of_all_samples_in_blocks_of_any_length(figures, tmp_path, seconds, block):
    plot(tmp_path, seconds, [], block=block)
    (filled,) = figures[0].axes[0].collections
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, round(16_000 * seconds)).astype(np.float32)
    starts = np.unique(np.linspace(0, len(samples), 1200, endpoint=False).astype(int))
    low, high = np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)
    drawn = filled.get_paths()[0].vertices[:, 1]
    assert {round(float(value), 5) for value in drawn} == {round(float(value), 5) for value in (*low, *high)}
