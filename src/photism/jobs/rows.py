"""Rows of recordings: the recording, the columns of its manifest, the fields of the outcome, and an id."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from photism.errors import InputError, NotFiniteError
from photism.jobs.done_rows import window_ids
from photism.jobs.job import Outcome

if TYPE_CHECKING:
    from photism.manifest.entry import Entry

OWN_COLUMNS = ("file", "start_s", "end_s", "id")
"""Columns that every job has: the recording, its segment, and the id of the row."""
TIME_DIGITS = 6
"""Decimals of a sum of times in seconds, which is then not 0.6000000000000001."""
MANIFEST_PREFIX = "manifest_"
"""Prefix of a column of a manifest whose name a column of the job has."""

Stage: TypeAlias = Literal["listing", "reading", "model", "writing"]
"""Where an error occurred: in the manifest, in the recording, in the output of the model, or in the file of rows."""


def make_rows(row_id: str, entry: Entry, outcome: Outcome, columns: Collection[str]) -> list[dict[str, Any]]:
    """Return the rows of a recording: one, or one for each of its windows.

    Args:
        row_id: id of the recording's row.
        entry: the recording.
        outcome: its outcome. Times of windows become those of the file that the recording is a segment of.
        columns: names of columns that rows of the job may have.
    """
    if outcome.windows is None:
        return [make_row(row_id, entry, outcome, columns)]
    start = describe_recording(entry) | manifest_columns(entry, columns)
    rows: list[dict[str, Any]] = []
    for window, window_id in zip(outcome.windows, window_ids(row_id, len(outcome.windows)), strict=True):
        rows.append({**start, **outcome.fields, **window, **times_in_file(window, entry.start_s), "id": window_id})
    return rows


def times_in_file(window: Mapping[str, Any], segment_start_s: float) -> dict[str, float]:
    """Return the times of a window of a segment, in seconds of the file, rounded to a microsecond."""
    return {name: round(segment_start_s + window[name], TIME_DIGITS) for name in ("start_s", "end_s")}


def make_row(row_id: str, entry: Entry, outcome: Outcome, columns: Collection[str]) -> dict[str, Any]:
    """Return the row of a recording; the arguments are those of `make_rows`."""
    return {**describe_recording(entry), **manifest_columns(entry, columns), **outcome.fields, "id": row_id}


def describe_recording(entry: Entry) -> dict[str, Any]:
    """Return the location of a recording, and the times of the segment if it is one."""
    is_segment = entry.start_s > 0 or entry.end_s is not None
    return {"file": entry.location, **({"start_s": entry.start_s, "end_s": entry.end_s} if is_segment else {})}


def make_error(row_id: str, entry: Entry, where: Stage, error: Exception) -> dict[str, Any]:
    """Return the row of a recording that is in error."""
    return {**describe_recording(entry), "what": " ".join(str(error).split()), "where": where, "id": row_id}


def stage_of(error: InputError) -> Stage:
    """Return the stage in which the worker of a job found an error."""
    return "model" if isinstance(error, NotFiniteError) else "reading"


def manifest_columns(entry: Entry, columns: Collection[str]) -> dict[str, Any]:
    """Return the columns of the manifest; one whose name the job uses gets `MANIFEST_PREFIX`."""
    return {manifest_column(name, columns): value for name, value in entry.columns.items()}


def manifest_column(name: str, columns: Collection[str]) -> str:
    """Return the name that a column of a manifest has in a row, given the columns of the job."""
    return f"{MANIFEST_PREFIX}{name}" if name in OWN_COLUMNS or name in columns else name


def as_json_line(row: Mapping[str, Any]) -> bytes:
    """Return a row as one line of JSON in UTF-8.

    The bytes of a file name that is not UTF-8 are escaped, so that JSON reads the same name.
    """
    return (json.dumps(json_value(row), ensure_ascii=False) + "\n").encode("utf8", "backslashreplace")


def json_value(value: Any) -> Any:
    """Return a value as JSON has it: arrays as lists, NaN as null, and what JSON does not know as text."""
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Mapping):
        return {str(name): json_value(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(each) for each in value]
    dtype = getattr(value, "dtype", None)
    if dtype is None:
        return str(value)
    if value.ndim == 0:
        return json_value(value.item())
    if dtype.name == "float32":  # the shortest decimals that are the same number in float32
        return json_value([float(str(each)) if value.ndim == 1 else each for each in value])
    return json_value(value.tolist())
