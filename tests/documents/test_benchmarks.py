"""The tables and plots of the documents are made of the results in benchmarks/results, which follow their schema."""

import argparse
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest

from benchmarks.make_tables import BLOCK, DOCUMENTS, PICTURES, RESULTS, ROOT, caption, filled
from benchmarks.plot_list import PLOTS
from benchmarks.plots import Bar, Plot, draw, times_the_first
from benchmarks.report import Report, add_output_option, command_line
from benchmarks.tables import number, table
from benchmarks.turns import Run

SCHEMA = json.loads((RESULTS / "schema.json").read_text(encoding="utf8"))
FILES = {path.relative_to(RESULTS).as_posix(): path for path in sorted(RESULTS.glob("*/*"))}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_has_the_tables_that_the_results_give(name: str) -> None:
    assert filled(ROOT / name) == (ROOT / name).read_text(encoding="utf8"), "run python -m benchmarks.make_tables"


def test_each_result_and_each_plot_has_a_place() -> None:
    places = {match[2:4] for name in DOCUMENTS for match in _blocks(name)}
    assert {("results", path.split("/")[0]) for path in FILES} | {("plot", name) for name in PLOTS} == {
        place for place in places if place[1]
    }


def _blocks(name: str) -> list[tuple[str, ...]]:
    return [(match[0], match[1], match[2], match[3]) for match in BLOCK.finditer((ROOT / name).read_text("utf8"))]


@pytest.mark.parametrize("name", FILES)
def test_results_follow_the_schema_and_their_ratios_are_quotients(name: str) -> None:
    document = json.loads(FILES[name].read_text(encoding="utf8"))
    jsonschema.validate(document, SCHEMA)
    ours: dict[str, dict[str, Any]] = {}
    for record in document["records"]:
        first = ours.setdefault(record["case"], record)
        for key in ("s", "per hour of audio"):  # both are rounded
            if "ratio" in record and key in record and key in first:
                assert record["ratio"] == pytest.approx(record[key] / first[key], rel=0.04)


def test_plots_show_the_results() -> None:
    assert {path.stem for path in PICTURES.glob("*.svg")} == set(PLOTS)
    for name, shown in PLOTS.items():
        written = (PICTURES / f"{name}.svg").read_text(encoding="utf8")
        assert written == draw(shown, RESULTS), "run python -m benchmarks.make_tables"
        ElementTree.fromstring(written)


def test_sides_of_a_comparison_are_in_one_row() -> None:
    records = [
        {"case": "10 s", "side": "Photism", "s": 0.1784, "s_min": 0.17, "s_max": 0.19, "MB": 63},
        {"case": "10 s", "side": "transformers", "s": 2.0, "MB": 1002, "ratio": 11.21},
        {"case": "5 min", "side": "Photism", "s": 14.7, "MB": 686},
        {"case": "1 h", "side": "transformers", "ratio_min": 1.2, "ratio_max": 1.6},
    ]
    assert table(records).splitlines() == [
        "|  | Photism, s | compared with | s | ratio | Photism, MB | MB |",
        "|---|---|---|---|---|---|---|",
        "| 10 s | 0.178 (0.17 to 0.19) | transformers | 2.0 | 11.2 | 63 | 1,002 |",
        "| 5 min | 14.7 |  |  |  | 686 |  |",
        "| 1 h |  | transformers |  | 1.2 to 1.6 |  |  |",
    ]


def test_other_figures_are_columns() -> None:
    records = [{"case": "text", "side": "vectors", "R@10 %": 84.0}, {"case": "text", "queries": 677, "R@10 %": 7.25}]
    assert table(records).splitlines()[:1] + table(records).splitlines()[2:] == [
        "|  | R@10 % | queries |",
        "| text, vectors | 84.0 |  |",
        "| text | 7.2 | 677 |",
    ]


DIGITS = {
    1.296: "1.30",
    0.33: "0.33",
    28.0: "28.0",
    161.4: "161",
    10286: "10,286",
    1234.5: "1,234",
    0.0: "0",
    -0.037: "-0.037",
}


@pytest.mark.parametrize(("value", "text"), DIGITS.items())
def test_a_figure_has_no_more_digits_than_were_recorded(value: float, text: str) -> None:
    assert number(value) == text


def test_a_caption_leaves_out_what_was_not_recorded() -> None:
    machine = {"label": "two cores", "cpu": None, "memory_gb": 24}
    document = {
        "title": "Encoder",
        "command": "python -m benchmarks.encoder",
        "date": None,
        "machine": machine,
        "load": {"start": 0.25, "end": 2.0, "remark": None},
        "software": {"python": "3.11", "torch": None},
        "threads": 1,
        "note": "Random weights.",
    }
    shown = "two cores, 24 GB, load 0.25 at the start, 1 thread, Python 3.11. Random weights.\n"
    assert caption(document) == f"**Encoder**, `python -m benchmarks.encoder`: {shown}"


def test_a_bar_is_as_long_as_its_value(tmp_path: Path) -> None:
    records = [{"case": "a", "side": "x", "s": 1.0}, {"case": "b", "side": "x", "s": 4.0}]
    (tmp_path / "some.json").write_text(json.dumps({"records": records}))
    names = {"a": "a", "b": "b"}
    bar = re.compile(r'class="bar0" x="16" y="[^"]*" width="([^"]*)"')
    assert bar.findall(draw(Plot("some", "t", names, {"x": "x"}, is_common=True), tmp_path)) == ["57.5", "230.0"]
    assert bar.findall(draw(Plot("some", "t", names, {"x": "x"}), tmp_path)) == ["230.0", "230.0"]


def test_more_than_the_first_bar_is_compared_with_it() -> None:
    bars = {"ours": Bar(2.0), "theirs": Bar(5.0), "others": Bar(4.0, 2.02)}
    lower, higher = (Plot("", "", {}, {}, is_more_better=each) for each in (False, True))
    assert [times_the_first(bars, name, lower) for name in bars] == ["", " (2.5 ×)", " (2.02 ×)"]
    assert times_the_first(bars, "theirs", higher) == ""


def test_a_report_follows_the_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "encoder.json"
    monkeypatch.setattr("sys.argv", ["encoder.py", "--only", "10 s", "--output", str(output), "--runs", "2"])
    parser = argparse.ArgumentParser()
    add_output_option(parser)
    options, _ = parser.parse_known_args()
    report = Report("Encoder", options)
    report.compare(
        "10 s", {"Photism": [Run(0.5, 9.6), Run(0.7, 9.2)], "transformers": [Run(1.23456, 20), Run(1.1, 30)]}
    )
    report.add("English", "vectors", **{"queries": 677, "R@10 %": None})
    document = json.loads(output.read_text(encoding="utf8"))
    jsonschema.validate(document, SCHEMA)
    assert document["records"] == [
        {"case": "10 s", "side": "Photism", "s": 0.6, "s_min": 0.5, "s_max": 0.7, "MB": 10},
        {"case": "10 s", "side": "transformers", "s": 1.167, "s_min": 1.1, "s_max": 1.235, "MB": 30, "ratio": 1.945},
        {"case": "English", "side": "vectors", "queries": 677, "R@10 %": None},
    ]
    assert command_line().endswith("--only '10 s' --runs 2")
