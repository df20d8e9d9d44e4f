"""What was heard when, as files: a table, JSON, CSV, a label track for Audacity; nothing half-written."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

from photism.listening.windows import Segment

Format: TypeAlias = Literal["table", "json", "csv", "audacity"]
FORMATS: tuple[Format, ...] = ("table", "json", "csv", "audacity")
ENDINGS: Mapping[Format, str] = {"table": ".txt", "json": ".jsonl", "csv": ".csv", "audacity": ".txt"}
"""Of a file that is named after its recording."""
CSV_COLUMNS = ("file", "start_s", "end_s", "label", "score")


def as_table(file: str, segments: Iterable[Segment], *, with_times: bool) -> str:
    """The name of a recording, and a line for each segment of it."""
    lines = [file]
    for start_s, end_s, label, score in segments:
        times = f"  {start_s:8.2f} – {end_s:8.2f} s" if with_times else ""
        lines.append(f"{times}  {score:5.2f}  {label}")
    return "\n".join(lines) + "\n"


def as_json(values: Mapping[str, Any]) -> str:
    """One object in a line."""
    return json.dumps(values, ensure_ascii=False) + "\n"


def as_csv(file: str, segments: Iterable[Segment], *, header: bool) -> str:
    """A row for each segment, below the names of the columns where they are wanted."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    if header:
        rows.writerow(CSV_COLUMNS)
    for each in segments:
        rows.writerow((file, _exact(each.start_s), _exact(each.end_s), each.label, _exact(each.score)))
    return out.getvalue()


def as_audacity(segments: Iterable[Segment]) -> str:
    """A label track as Audacity imports it: start and end in seconds and a label, between tabs."""
    return "".join(f"{start_s:.6f}\t{end_s:.6f}\t{' '.join(label.split())}\n" for start_s, end_s, label, _ in segments)


def _exact(number: float) -> str:
    """To a microsecond or a millionth, without zeros at its end."""
    return f"{number:.6f}".rstrip("0").rstrip(".")
