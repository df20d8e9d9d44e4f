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
from benchmarks.tables import markdown_table, table

ROOT = Path(__file__).parents[1]
RESULTS, PICTURES = ROOT / "benchmarks/results", ROOT / "docs/plots"
DOCUMENTS = ("README.md", "benchmarks/README.md", "docs/concepts/packing.md")
BLOCK = re.compile(r"(<!-- (results|plot|encoder by machine)(?:: ([\w-]+))? -->\n).*?(<!-- end -->)", re.DOTALL)
ENCODER_CASES = {f"{seconds} s": f"one clip of {seconds} s" for seconds in (10, 30, 60)}
ENCODER_CASES["32 clips of mixed lengths"] = "32 clips with durations of the corpus"
"""Columns of the table of the encoder by machine, with their cases."""

Document = dict[str, Any]


def read_results(folder: str) -> list[Document]:
    """Return the results of a folder, by the names of their files."""
    return [
        json.loads(path.read_text(encoding="utf8"))
        for path in sorted((RESULTS / folder).glob("*.json"), key=lambda each: each.stem)
    ]


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


def encoder_by_machine() -> str:
    """Return the range of the encoder's ratios over all runs on each machine, as a table."""
    ratios: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for document in read_results("encoder") + read_results("encoder-24-layers"):
        for record in document["records"]:
            if record.get("side") != "transformers":
                continue
            found = [record[key] for key in ("ratio", "ratio_min", "ratio_max") if record.get(key) is not None]
            ratios[document["machine"]["label"]][record["case"]] += found
    rows = [[label, *(between(cases[case]) for case in ENCODER_CASES.values())] for label, cases in ratios.items()]
    return markdown_table(["", *ENCODER_CASES], [row for row in rows if any(row[1:])])


def between(ratios: Sequence[float]) -> str:
    """Return a range of ratios; empty if there is none."""
    least, most = (f"{each:.1f}" for each in (min(ratios, default=0), max(ratios, default=0)))
    return f"{least} to {most} ×" if least != most else f"{least} ×" if ratios else ""


def picture(name: str, document: Path) -> str:
    """Return the plot of a name with its figures as alternative text."""
    up = "../" * (len(document.relative_to(ROOT).parts) - 1)
    return f"![{describe(PLOTS[name], RESULTS)}]({up}docs/plots/{name}.svg)\n"


def filled(document: Path) -> str:
    """Return a document with its tables and plots."""

    def fill(match: re.Match[str]) -> str:
        start, kind, name, end = match.groups()
        if kind == "results":
            content = tables(name)
        else:
            content = picture(name, document) if kind == "plot" else encoder_by_machine()
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
