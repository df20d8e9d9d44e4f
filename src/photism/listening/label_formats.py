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


def format_labels(
    file: str, labels: Labels, format: LabelFormat, *, fields: Mapping[str, Any], with_times: bool
) -> str:
    """Return the labels of a recording in a format; the lines of several recordings can be joined.

    Args:
        file: name of the recording.
        labels: its labels.
        format: one of `LABEL_FORMATS`. "csv" is without the header, `CSV_HEADER`.
        fields: further JSON fields of the recording.
        with_times: print times in a table.
    """
    if format == "csv":
        return as_csv(file, labels.segments)
    if format == "audacity":
        return as_audacity(labels.segments)
    if format == "table":
        closest = labels.closest["label"]
        if labels.known is False:
            return as_table(file, labels.segments, with_times=with_times) + f"  {unknown_text(closest)}\n"
        if labels.silent:
            return as_table(file, (), with_times=with_times) + f"  Nothing to hear (closest: {closest})\n"
        return as_table(file, labels.segments, with_times=with_times)
    return as_json({"file": file} | dict(fields))


def classes_as_dict(labels: Labels, *, is_whole: bool) -> dict[str, Any]:
    """Return the JSON fields of a recording that was classified, as a whole or in windows."""
    if not is_whole:
        return labels.as_dict()
    classes = [{"label": segment.label, "score": segment.score} for segment in labels.segments]
    return {"duration_s": labels.duration_s, "silent": labels.silent, "labels": classes}


def captions_as_dict(labels: Labels, *, threshold: float | None, is_whole: bool) -> dict[str, Any]:
    """Return the JSON fields of a recording for which captions were ranked, whether it is known or not.

    Args:
        labels: the captions.
        threshold: minimum score of a caption of a whole recording.
        is_whole: whether the whole recording was ranked; otherwise its windows were.
    """
    known = {"known": labels.known}
    if not is_whole:
        return known | labels.as_dict()
    ranked = [each for each in labels.windows[0].scores if threshold is None or each["score"] >= threshold]
    whole = {"duration_s": labels.duration_s, "silent": labels.silent}
    return whole | known | {"heard": [{"caption": each["label"], "score": each["score"]} for each in ranked]}


def unknown_text(closest: str) -> str:
    """Return the message for a recording whose sound the model does not know."""
    return f"No known sound recognised (closest: {closest})"


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
