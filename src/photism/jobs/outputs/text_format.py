"""Text formats of results, such as CSV, subtitles and RTTM."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from photism.jobs.rows import MANIFEST_PREFIX, json_value

if TYPE_CHECKING:
    from photism.jobs.job import Outcome

JSON_LINES = "jsonl"
"""Format of a JSON object in each line; "json" is a document."""

AsText: TypeAlias = "Callable[[Mapping[str, Any], Outcome, str], str]"
"""Function from the row of a recording, its outcome, and its name in RTTM and CTM, to its text."""


@dataclass(frozen=True)
class TextFormat:
    """A text format of the results of recordings.

    Attributes:
        suffix: suffix of its files.
        as_text: returns the text of a recording.
        header: first line of a file, with its line break.
        is_joint: a file can hold several recordings.
        is_list: the texts are JSON values, which a file of several recordings has as the elements of a list.
    """

    suffix: str
    as_text: AsText
    header: str = ""
    is_joint: bool = True
    is_list: bool = False


def with_columns(csv_format: TextFormat, columns: Mapping[str, str]) -> TextFormat:
    """Return a CSV format with further columns, such as those of a manifest.

    Args:
        csv_format: a CSV format.
        columns: the key of the row of a recording for each name of a column. A name that the format has gets
            `MANIFEST_PREFIX`.
    """
    taken = csv_format.header.rstrip("\n").split(",")
    names = [f"{MANIFEST_PREFIX}{name}" if name in taken else name for name in columns]

    def as_text(row: Mapping[str, Any], outcome: Outcome, recording: str) -> str:
        """Return the rows of a recording with the further columns."""
        more = [_as_cell(row.get(key)) for key in columns.values()]
        rows = csv.reader(io.StringIO(csv_format.as_text(row, outcome, recording)))
        return _as_csv([*each, *more] for each in rows)

    return replace(csv_format, header=_as_csv([[*taken, *names]]), as_text=as_text)


def as_arranged(csv_format: TextFormat, columns: Sequence[str]) -> TextFormat:
    """Return a CSV format with its columns at their places among others, which are empty."""

    def as_text(row: Mapping[str, Any], outcome: Outcome, recording: str) -> str:
        """Return the rows of a recording."""
        return arrange(csv_format.as_text(row, outcome, recording), columns_of([csv_format.header]), columns)

    return replace(csv_format, header=_as_csv([columns]), as_text=as_text)


def arrange(text: str, columns: Sequence[str], arranged: Sequence[str]) -> str:
    """Return rows of CSV with their columns at their places among others, which are empty."""
    rows = (dict(zip(columns, row, strict=True)) for row in csv.reader(io.StringIO(text)))
    return _as_csv([row.get(name, "") for name in arranged] for row in rows)


def columns_of(lines: Iterable[str]) -> list[str]:
    """Return the cells of the first row of CSV."""
    return next(csv.reader(lines), [])


def _as_csv(rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _as_cell(value: Any) -> Any:
    """Return a value of a row as CSV has it: lists and objects as JSON."""
    value = json_value(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value
