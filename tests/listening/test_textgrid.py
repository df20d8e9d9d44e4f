"""TextGrids, written out by hand, and read by Praat where its Python package is installed."""

import pytest

from photism.listening.textgrid import Interval, as_textgrid

TIERS = {
    "words": [Interval(0.25, 0.5, 'x "hi" said'), Interval(0.5, 0.875, "καλημέρα")],
    "none": [],
}


def test_gaps_are_intervals_without_text():
    assert (
        as_textgrid(TIERS, 1.0)
        == """\
File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0.000
xmax = 1.000
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0.000
        xmax = 1.000
        intervals: size = 4
        intervals [1]:
            xmin = 0.000
            xmax = 0.250
            text = ""
        intervals [2]:
            xmin = 0.250
            xmax = 0.500
            text = "x ""hi"" said"
        intervals [3]:
            xmin = 0.500
            xmax = 0.875
            text = "καλημέρα"
        intervals [4]:
            xmin = 0.875
            xmax = 1.000
            text = ""
    item [2]:
        class = "IntervalTier"
        name = "none"
        xmin = 0.000
        xmax = 1.000
        intervals: size = 1
        intervals [1]:
            xmin = 0.000
            xmax = 1.000
            text = ""
"""
    )


def read_with_praat(text, path):
    """Return the names of the tiers, and the times and texts of the intervals."""
    parselmouth = pytest.importorskip("parselmouth", reason="Praat's package praat-parselmouth is not installed")
    path.write_text(text, encoding="utf8")
    praat, grid = parselmouth.praat, parselmouth.read(str(path))
    tiers = {}
    for tier in range(1, praat.call(grid, "Get number of tiers") + 1):
        intervals = [
            tuple(
                praat.call(grid, f"Get {what} of interval", tier, index) for what in ("start time", "end time", "label")
            )
            for index in range(1, praat.call(grid, "Get number of intervals", tier) + 1)
        ]
        tiers[praat.call(grid, "Get tier name", tier)] = intervals
    return tiers


def test_praat_reads_it(tmp_path):
    assert read_with_praat(as_textgrid(TIERS, 1.0), tmp_path / "a.TextGrid") == {
        "words": [(0, 0.25, ""), (0.25, 0.5, 'x "hi" said'), (0.5, 0.875, "καλημέρα"), (0.875, 1, "")],
        "none": [(0, 1, "")],
    }


def test_intervals_that_overlap_have_no_length_or_end_late_stay_readable(tmp_path):
    tiers = {"words": [Interval(0.0, 0.5, "a"), Interval(0.4, 0.4, "b"), Interval(0.9, 1.2, "c")]}
    assert read_with_praat(as_textgrid(tiers, 1.0), tmp_path / "a.TextGrid") == {
        "words": [(0, 0.5, "a"), (0.5, 0.501, "b"), (0.501, 0.9, ""), (0.9, 1.2, "c")]
    }
    assert read_with_praat(as_textgrid({"words": []}, 0.0), tmp_path / "b.TextGrid") == {"words": [(0, 0.001, "")]}
