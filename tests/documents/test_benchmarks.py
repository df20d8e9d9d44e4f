"""The plots of the benchmarks show the figures of benchmarks/README.md, each with its machine, command and date."""

import json
import re
import runpy
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
RESULTS = sorted((ROOT / "benchmarks/results").glob("*.json"))
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?|\.\d+")
PLOTS = runpy.run_path(str(ROOT / "docs/make_benchmark_plots.py"))


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_a_plot_shows_figures_that_were_measured(path: Path) -> None:
    results = json.loads(path.read_text(encoding="utf8"))
    tables = (ROOT / "benchmarks/README.md").read_text(encoding="utf8")
    measured = {float(number.replace(",", "")) for number in NUMBER.findall(tables)}
    assert {value for row in results["rows"] for value in row["values"].values()} <= measured
    plot = (ROOT / f"docs/plots/{path.stem}.svg").read_text(encoding="utf8")
    assert plot == PLOTS["plot"](results)
    ElementTree.fromstring(plot)
    page = (ROOT / "docs/benchmarks.md").read_text(encoding="utf8")
    assert f"](plots/{path.stem}.svg)" in page
    for part in ("command", "machine", "recorded"):
        assert results[part] in page


def test_a_bar_of_the_common_scale_is_as_long_as_its_value() -> None:
    rows = [{"name": "a", "values": {"x": 1.0}}, {"name": "b", "values": {"x": 4.0}}]
    results = {"title": "t", "unit": "s", "better": "lower", "rows": rows}
    bar = re.compile(r'class="bar0" x="16" y="[^"]*" width="([^"]*)"')
    assert bar.findall(PLOTS["plot"]({**results, "scale": "common"})) == ["57.5", "230.0"]
    assert bar.findall(PLOTS["plot"]({**results, "scale": "row"})) == ["230.0", "230.0"]


def test_more_than_the_first_series_is_compared_with_it() -> None:
    values = {"ours": 2.0, "theirs": 5.0}
    assert PLOTS["compared"](values, "ours", "lower") == ""
    assert PLOTS["compared"](values, "theirs", "lower") == " (2.5 ×)"
    assert PLOTS["compared"](values, "theirs", "higher") == ""
