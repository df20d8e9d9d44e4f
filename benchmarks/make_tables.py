"""Write the tables of the documents and the plots from the figures in benchmarks/results.

    python -m benchmarks.make_tables

A document has a place for the tables of a folder of results: `<!-- results: encoder -->` to `<!-- end -->`, for a plot
of benchmarks/plot_list.py: `<!-- plot: encoder -->`, and for the ratios of the encoder by machine:
`<!-- encoder by machine -->`. What is between them is replaced.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.plot_list import PLOTS
from benchmarks.plots import describe, draw

ROOT = Path(__file__).parents[1]
RESULTS, PICTURES = ROOT / "benchmarks/results", ROOT / "docs/plots"
DOCUMENTS = ("README.md", "benchmarks/README.md", "docs/concepts/packing.md")
BLOCK = re.compile(r"(<!-- (results|plot|encoder by machine)(?:: ([\w-]+))? -->\n).*?(<!-- end -->)", re.DOTALL)
ENCODER_CASES = {f"{seconds} s": f"one clip of {seconds} s" for seconds in (10, 30, 60)}
ENCODER_CASES["32 clips of mixed lengths"] = "32 clips with durations of the corpus"
"""Columns of the table of the encoder by machine, with their cases."""

COMPARED = {"case", "side", *(f"{name}{end}" for name in ("s", "MB", "ratio") for end in ("", "_min", "_max"))}
"""What the records of a comparison have."""

Document = dict[str, Any]
Record = dict[str, Any]


def read_results(folder: str) -> list[Document]:
    """Return the results of a folder, by the names of their files."""
    return [
        json.loads(path.read_text(encoding="utf8"))
        for path in sorted((RESULTS / folder).glob("*.json"), key=lambda each: each.stem)
    ]


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"|{'|'.join(f' {cell} ' if cell != '---' else cell for cell in line)}|\n" for line in lines)


def number(value: float, name: str = "") -> str:
    """Return a figure as text: counts in full, per cent with one decimal, others with the digits that were recorded.

    At most three of them are shown.
    """
    if name.endswith("%"):
        return f"{value:.1f}"
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    recorded = len(re.sub(r"^[-0.]+|\.", "", str(value)))
    return f"{value:#.{min(3, recorded) or 1}g}".removesuffix(".")


def cell(record: Record, name: str) -> str:
    """Return a figure of a record, with the range of its runs if that is known; empty if the record has none."""
    value, least, most = (record.get(f"{name}{suffix}") for suffix in ("", "_min", "_max"))
    extremes = "" if least is None or most is None else f"{number(least, name)} to {number(most, name)}"
    if value is None:
        return extremes
    return f"{number(value, name)} ({extremes})" if extremes else number(value, name)


def plain_table(records: Sequence[Record]) -> str:
    """Return a table with a row for each record, and a column for each figure."""
    keys = [key for record in sorted(records, key=len, reverse=True) for key in record]  # the fullest sets the order
    names = dict.fromkeys(re.sub("_(min|max)$", "", key) for key in keys if key not in ("case", "side"))
    rows = [
        [", ".join(filter(None, (each["case"], each.get("side")))), *(cell(each, name) for name in names)]
        for each in records
    ]
    return markdown_table(["", *names], rows)


def compared_table(records: Sequence[Record]) -> str:
    """Return a table with a row for each side that Photism is compared with in a case."""
    cases: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        cases[record["case"]].append(record)
    rows: list[list[str]] = []
    for case, sides in cases.items():
        ours = next((each for each in sides if each["side"].startswith("Photism") and "ratio" not in each), {})
        peers = [each for each in sides if each is not ours] or [{}]
        for peer in peers:
            values = [cell(ours, "s"), peer.get("side", ""), cell(peer, "s"), cell(peer, "ratio")]
            rows.append([case, *values, cell(ours, "MB"), cell(peer, "MB")])
    head = ["", "Photism, s", "compared with", "s", "ratio", "Photism, MB", "MB"]
    kept = [column for column in range(len(head)) if column == 0 or any(row[column] for row in rows)]
    return markdown_table([head[column] for column in kept], [[row[column] for column in kept] for row in rows])


def caption(document: Document) -> str:
    """Return a sentence on what was measured, on which machine and with which libraries."""
    machine, load, software = document["machine"], document["load"], document["software"]
    memory = machine["memory_gb"] and f"{machine['memory_gb']} GB"
    start = load["start"] is not None and f"load {load['start']:g} at the start"
    threads = document["threads"] is not None and f"{document['threads']} thread{'s' * (document['threads'] != 1)}"
    versions = [f"{name.replace('python', 'Python')} {version}" for name, version in software.items() if version]
    parts = [machine["label"], memory, load["remark"], start, threads, *versions, document["date"]]
    command = f", `{document['command']}`" if document["command"] else ""
    note = f" {document['note']}" if document["note"] else ""
    return f"**{document['title']}**{command}: {', '.join(filter(None, parts))}.{note}\n"


def tables(folder: str) -> str:
    """Return the tables of a folder of results."""
    documents = read_results(folder)
    if not documents:
        raise FileNotFoundError(f"{RESULTS / folder}: no results; write them there with --output")
    return "\n".join(f"{caption(each)}\n{table(each['records'])}" for each in documents)


def table(records: Sequence[Record]) -> str:
    """Return the table that shows records best: sides next to each other if their times were compared."""
    is_compared = all("side" in each and each.keys() <= COMPARED for each in records)
    return compared_table(records) if is_compared else plain_table(records)


def encoder_by_machine() -> str:
    """Return the range of the encoder's ratios over all runs on each machine, as a table."""
    ratios: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for document in read_results("encoder") + read_results("encoder-24-layers"):
        for record in document["records"]:
            found = [record[key] for key in ("ratio", "ratio_min", "ratio_max") if record.get(key) is not None]
            ratios[document["machine"]["label"]][record["case"]] += found
    rows = [[label, *(between(cases[case]) for case in ENCODER_CASES.values())] for label, cases in ratios.items()]
    return markdown_table(["", *ENCODER_CASES], rows)


def between(ratios: Sequence[float]) -> str:
    """Return a range of ratios."""
    least, most = (f"{each:.1f}" for each in (min(ratios), max(ratios)))
    return f"{least} ×" if least == most else f"{least} to {most} ×"


def picture(name: str, document: Path) -> str:
    """Return the plot of a name with its figures as alternative text."""
    up = "../" * (len(document.relative_to(ROOT).parts) - 1)
    return f"![{describe(PLOTS[name], RESULTS)}]({up}docs/plots/{name}.svg)\n"


def filled(document: Path) -> str:
    """Return a document with its tables and plots."""

    def fill(match: re.Match[str]) -> str:
        start, kind, name, end = match.groups()
        content = (
            encoder_by_machine()
            if kind == "encoder by machine"
            else tables(name)
            if kind == "results"
            else picture(name, document)
        )
        return f"{start}\n{content}\n{end}"

    return BLOCK.sub(fill, document.read_text(encoding="utf8"))


def main() -> None:
    """Write the documents and the plots."""
    for name in DOCUMENTS:
        (ROOT / name).write_text(filled(ROOT / name), encoding="utf8")
    for name, plot in PLOTS.items():
        (PICTURES / f"{name}.svg").write_text(draw(plot, RESULTS), encoding="utf8")


if __name__ == "__main__":
    main()
