"""Formats of labels: a table, JSON lines, CSV, and a label track for Audacity."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias, get_args

from photism.listening.segments import Segment

LabelFormat: TypeAlias = Literal["table", "json", "csv", "audacity"]

LABEL_FORMATS: tuple[LabelFormat, ...] = get_args(LabelFormat)
SUFFIXES: Mapping[LabelFormat, str] = {"table": ".txt", "json": ".jsonl", "csv": ".csv", "audacity": ".txt"}
"""File suffix of each format."""
CSV_COLUMNS = ("file", "start_s", "end_s", "label", "score")


def as_table(file: str, segments: Iterable[Segment], *, with_times: bool) -> str:
    """Return the name of a recording, and a line for each of its segments."""
    lines = [file]
    for start_s, end_s, label, score in segments:
        times = f"  {start_s:8.2f} – {end_s:8.2f} s" if with_times else ""
        lines.append(f"{times}  {score:5.2f}  {label}")
    return "\n".join(lines) + "\n"


def as_json(values: Mapping[str, Any]) -> str:
    """Return an object as one line of JSON."""
    return json.dumps(values, ensure_ascii=False) + "\n"


def as_csv(file: str, segments: Iterable[Segment], *, header: bool) -> str:
    """Return a row for each segment of a recording, with or without a header."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    if header:
        rows.writerow(CSV_COLUMNS)
    for each in segments:
        rows.writerow((file, _decimal(each.start_s), _decimal(each.end_s), each.label, _decimal(each.score)))
    return out.getvalue()


def as_audacity(segments: Iterable[Segment]) -> str:
    """Return a label track that Audacity imports: start and end in seconds and a label, separated by tabs."""
    return "".join(f"{start_s:.6f}\t{end_s:.6f}\t{' '.join(label.split())}\n" for start_s, end_s, label, _ in segments)


def _decimal(number: float) -> str:
    """Return a number with at most six decimals, without trailing zeros."""
    return f"{number:.6f}".rstrip("0").rstrip(".")
