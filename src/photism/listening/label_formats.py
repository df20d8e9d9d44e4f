"""Formats of labels: a table, JSON lines, CSV, and a label track for Audacity."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from photism.listening.segments import Segment
from photism.output_files import printable

if TYPE_CHECKING:
    from photism.listening.windowed_scores import Labels

LabelFormat: TypeAlias = Literal["table", "json", "csv", "audacity"]

LABEL_FORMATS: tuple[LabelFormat, ...] = get_args(LabelFormat)
SUFFIXES: Mapping[LabelFormat, str] = {"table": ".txt", "json": ".jsonl", "csv": ".csv", "audacity": ".txt"}
"""File suffix of each format."""
CSV_HEADER = "file,start_s,end_s,label,score\n"


def format_labels(file: str, labels: Labels, format: LabelFormat, *, whole: Mapping[str, Any] | None) -> str:
    """Return the labels of a recording in a format; the lines of several recordings can be joined.

    Args:
        file: name of the recording.
        labels: its labels.
        format: one of `LABEL_FORMATS`. "csv" is without the header, `CSV_HEADER`.
        whole: JSON fields, if the whole recording was labelled; None if windows were.
    """
    if format == "csv":
        return as_csv(file, labels.segments)
    if format == "audacity":
        return as_audacity(labels.segments)
    if format == "table":
        return as_table(file, labels.segments, with_times=whole is None)
    return as_json({"file": file} | (labels.as_dict() if whole is None else dict(whole)))


def whole_classes(labels: Labels) -> dict[str, Any]:
    """Return the JSON fields of a recording that was classified as a whole."""
    classes = [{"label": segment.label, "score": segment.score} for segment in labels.segments]
    return {"duration_s": labels.duration_s, "labels": classes}


def whole_captions(labels: Labels) -> dict[str, Any]:
    """Return the JSON fields of a recording to which captions were ranked as a whole."""
    return {"heard": [{"caption": segment.label, "score": segment.score} for segment in labels.segments]}


def as_table(file: str, segments: Iterable[Segment], *, with_times: bool) -> str:
    """Return the name of a recording, and a line for each of its segments."""
    lines = [printable(file)]
    for start_s, end_s, label, score in segments:
        times = f"  {start_s:8.2f} – {end_s:8.2f} s" if with_times else ""
        lines.append(f"{times}  {score:5.2f}  {label}")
    return "\n".join(lines) + "\n"


def as_json(values: Mapping[str, Any]) -> str:
    """Return an object as one line of JSON."""
    return json.dumps(values, ensure_ascii=False) + "\n"


def as_csv(file: str, segments: Iterable[Segment]) -> str:
    """Return a row for each segment of a recording, in the columns of `CSV_HEADER`."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    for each in segments:
        rows.writerow((file, _decimal(each.start_s), _decimal(each.end_s), each.label, _decimal(each.score)))
    return out.getvalue()


def as_audacity(segments: Iterable[Segment]) -> str:
    """Return a label track that Audacity imports: start and end in seconds and a label, separated by tabs."""
    return "".join(f"{start_s:.6f}\t{end_s:.6f}\t{' '.join(label.split())}\n" for start_s, end_s, label, _ in segments)


def _decimal(number: float) -> str:
    """Return a number with at most six decimals, without trailing zeros."""
    return f"{number:.6f}".rstrip("0").rstrip(".")
