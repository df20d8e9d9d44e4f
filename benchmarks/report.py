"""Write the results of a benchmark with its machine as JSON, from which the tables and plots are made.

    parser = argparse.ArgumentParser()
    add_output_option(parser)
    options = parser.parse_args()
    report = Report("Encoder, 2 layers", options)
    report.compare("one clip of 10 s", measure_runs(case, options))  # sides in turns: time, memory and ratio
    report.add("English", "vectors", **{"queries": 677, "R@10 %": 84.3})  # any other figures
    report.print()

benchmarks/results/schema.json describes the file, and benchmarks/README.md how a result becomes a row of its tables.
"""

from __future__ import annotations

import argparse
import datetime
import json
import shlex
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine, describe_software, load_average
from benchmarks.tables import table
from benchmarks.turns import Run
from photism.files import atomic_text

SIGNIFICANT_DIGITS = 4
LOCAL = ("--output", "--folder")
"""Options that name a place on the machine of the run, which nobody else has."""


def add_output_option(parser: argparse.ArgumentParser) -> None:
    """Declare `--output`."""
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the results with the machine to FILE (JSON)")


class Report:
    """Results of one run of a benchmark, written with each record, so that a run that is ended early loses none.

    Args:
        title: what is measured, without the machine.
        options: parsed arguments; `output` is the file or None, and `device`, `threads` and `runs` are recorded if the
            benchmark has them.
        note: what a reader has to know besides, such as random weights.
    """

    def __init__(self, title: str, options: argparse.Namespace, note: str = "") -> None:
        self.output: Path | None = options.output
        self.records: list[dict[str, Any]] = []
        self.document: dict[str, Any] = {
            "title": title,
            "command": command_line(),
            "date": datetime.date.today().isoformat(),
            "machine": describe_machine(str(getattr(options, "device", None) or "cpu")),
            "load": {"start": load_average(), "end": None, "remark": None},
            "software": describe_software(),
            "threads": getattr(options, "threads", None),
            "runs": getattr(options, "runs", None),
            "note": note,
        }

    def add(self, case: str, side: str | None = None, /, **values: float | Sequence[float] | None) -> None:
        """Record figures by their names with units.

        A sequence of repeated measurements becomes its median, minimum and maximum: `s`, `s_min` and `s_max`.
        """
        record: dict[str, Any] = {"case": case} if side is None else {"case": case, "side": side}
        for name, value in values.items():
            if isinstance(value, Sequence):
                some = (("", statistics.median(value)), ("_min", min(value)), ("_max", max(value)))
                record |= {f"{name}{suffix}": rounded(each) for suffix, each in some}
            else:
                record[name] = rounded(value)
        self.extend([record])

    def extend(self, records: Sequence[dict[str, Any]]) -> None:
        """Take over records of another report."""
        self.records += records
        self.write()

    def write(self) -> None:
        """Write the file, if there is one."""
        if self.output:
            self.document["load"]["end"] = load_average()
            with atomic_text(self.output) as file:
                file.write(format_document(self.document, self.records))

    def compare(self, case: str, sides: Mapping[str, Sequence[Run]], *, ours: str | None = None) -> None:
        """Record the time and peak memory of each side, and how many times as long as ours the others take.

        Args:
            case: name of the task.
            sides: runs of each side, as `turns.measure_runs` returns them.
            ours: the side that the others are compared with; by default the first.
        """
        medians_s = {side: statistics.median(run.seconds for run in runs) for side, runs in sides.items()}
        ours = ours or next(iter(sides))
        for side, runs in sides.items():
            ratio = {} if side == ours else {"ratio": medians_s[side] / medians_s[ours]}
            peak = max(run.megabytes for run in runs)
            memory = {"MB": round(peak)} if peak > 0 else {}  # a peak below that of loading is not known
            self.add(case, side, s=[run.seconds for run in runs], **memory, **ratio)

    def print(self) -> None:
        """Print the records as a table in Markdown."""
        print(f"{self.document['title']}\n\n{table(self.records)}", flush=True)


def rounded(value: float | None) -> float | None:
    """Round to the digits that a measurement can have."""
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}") if isinstance(value, float) else value


def command_line() -> str:
    """Return the command that runs this benchmark, without the options of `LOCAL`."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    program = ["python", "-m", spec.name] if spec else ["python", *sys.argv[:1]]
    words, kept = iter(sys.argv[1:]), list[str]()
    for word in words:
        if word in LOCAL:
            next(words, None)  # its value
        elif word.partition("=")[0] not in LOCAL:
            kept.append(word)
    return shlex.join([*program, *kept])


def format_document(document: dict[str, Any], records: Sequence[dict[str, Any]]) -> str:
    """Return a file of results as JSON with a line for each record."""
    lines = [f" {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)},\n" for name, value in document.items()]
    rows = ",\n".join(f"  {json.dumps(record, ensure_ascii=False)}" for record in records)
    return "{\n" + "".join(lines) + f' "records": [\n{rows}\n ]\n}}\n'
