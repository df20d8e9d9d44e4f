"""Columns of tables that list recordings: which hold the recording and its segment, and what is a missing value."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from photism.errors import InputError

SOUND_COLUMNS = (
    "audio", "file_name", "file", "path", "sound", "video", "audio_filepath", "location", "filename", "filepath",
    "audio_path", "wav",
)  # fmt: skip
"""Columns with a recording, the preferred one first; `audio_filepath` is NeMo's."""
START_COLUMNS, END_COLUMNS = ("start", "start_s", "start_time", "offset"), ("end", "end_s", "end_time")
DURATION_COLUMNS = ("duration", "duration_s")
"""Columns with the seconds from the start of a segment to its end; `offset` and `duration` are NeMo's."""


class Columns(NamedTuple):
    """Columns of a row from which its targets are read, and others that hold some and are not used."""

    used: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()


NO_COLUMNS = Columns()


def first_of(row: Mapping[str, Any], names: Sequence[str]) -> Any:
    """Return the value of the first of some columns that is not empty, or None."""
    columns = columns_of(row, names)
    return row[columns.used[0]] if columns.used else None


def columns_of(row: Mapping[str, Any], names: Sequence[str]) -> Columns:
    """Return the first of some columns that is not empty as the one to use."""
    filled = [name for name in names if not is_missing(row.get(name))]
    return Columns(tuple(filled[:1]), tuple(filled[1:]))


def is_missing(value: Any) -> bool:
    """Return whether a row has no value in a column: null, NaN, or nothing but spaces."""
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or (isinstance(value, str) and not value.strip())


def seconds_of(row: Mapping[str, Any], names: Sequence[str], recording: str) -> float | None:
    """Return the number in the first of some columns that is not empty, or None.

    Args:
        row: row of a data set.
        names: names of the columns.
        recording: how an error message refers to the recording.

    Raises:
        InputError: the value is not a number.
    """
    value = first_of(row, names)
    try:
        seconds = math.nan if value is None else float(value)
    except (TypeError, ValueError):
        raise InputError(f"{names[0]} must be seconds; {recording} has {value!r}") from None
    if math.isinf(seconds):
        raise InputError(f"{names[0]} must be seconds; {recording} has {value!r}")
    return None if math.isnan(seconds) else seconds


def segment_of_row(row: Mapping[str, Any], recording: str) -> tuple[float, float | None]:
    """Return the start and the end in seconds of the segment that a row names; 0 and None for all of a recording.

    A duration is that of the segment if the row has a start, and otherwise one of the recording, which says nothing.

    Args:
        row: row of a table.
        recording: how an error message refers to the recording.

    Raises:
        InputError: a value is not a number.
    """
    start_s = seconds_of(row, START_COLUMNS, recording)
    end_s = seconds_of(row, END_COLUMNS, recording)
    if start_s is not None and end_s is None:
        duration_s = seconds_of(row, DURATION_COLUMNS, recording)
        end_s = None if duration_s is None else start_s + duration_s
    return start_s or 0.0, end_s
