"""Recordings that a table lists: CSV, JSON Lines, a JSON list or Parquet, with a row for each recording or segment."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from decimal import Decimal
from hashlib import blake2b
from itertools import chain
from pathlib import PurePath
from typing import Any, cast

from photism.audio.sources import check_segment
from photism.errors import InputError
from photism.manifest.columns import (
    END_COLUMNS,
    SOUND_COLUMNS,
    START_COLUMNS,
    columns_of,
    is_missing,
    segment_of_row,
)
from photism.manifest.entry import Entry
from photism.manifest.files import file_name, folder_of, place_entry, relative_name, resolved, url_identity
from photism.manifest.parquet import parquet_count, parquet_rows
from photism.manifest.recognition import suffix_of
from photism.manifest.tables import NumberedRow, checked_row, json_rows, open_list, read_lines, table_rows
from photism.output_files import without_credentials

TABLE_SUFFIXES = frozenset({"csv", "json", "jsonl", "ndjson", "parquet", "tsv"})


@dataclass(frozen=True)
class TableListing:
    """Recordings that a table lists, whose other columns are kept. Paths are relative to the folder of the table.

    Attributes:
        path: path or URL of the table.
        allow_private_urls: accept loopback, private and link-local addresses.
    """

    path: str
    allow_private_urls: bool = False

    def entries(self) -> Iterator[Entry]:
        """Yield an entry for each row, with a problem for a row that cannot be used."""
        folder, name = folder_of(self.path), PurePath(file_name(self.path)).stem
        identity = url_identity(self.path)
        for row in self.rows():
            if row.problem:
                where = f"{without_credentials(self.path)}, line {row.line}"
                yield Entry(where, "", f"{name}/{row.line}", problem=row.problem)
            else:
                place = f"{without_credentials(self.path)}#{row.line - 1}"
                entry = row_entry(
                    row.values, place, f"{name}/{row.line - 1}", folder, allow_private_urls=self.allow_private_urls
                )
                is_inside = identity and entry.location == place
                yield replace(entry, identity=f"{identity}#{row.line - 1}") if is_inside else entry

    def rows(self) -> Iterator[NumberedRow]:
        """Yield the rows, also those that cannot be used. A file that turns out to be damaged ends with a problem."""
        number = 0
        try:
            for row in self._rows():
                number = row.line
                yield row
        except InputError as error:
            if not number:
                raise
            yield NumberedRow(number + 1, {}, str(error))

    def count(self) -> int:
        """Return the number of rows."""
        suffix = suffix_of(self.path)
        if suffix == "parquet":
            return parquet_count(self.path, allow_private_urls=self.allow_private_urls)
        if suffix in ("jsonl", "ndjson"):  # without parsing them
            return sum(1 for line in read_lines(self.path, allow_private_urls=self.allow_private_urls) if line.strip())
        return sum(1 for _ in self._rows())

    def check(self) -> None:
        """Check that there are rows, and that they have a column with a recording.

        Raises:
            InputError: the table is empty, cannot be read or has no such column.
        """
        rows = self.rows()
        first = next(rows, None)
        if first is None:
            raise InputError(f"{without_credentials(self.path)}: the list is empty")
        usable = next((row for row in chain([first], rows) if not row.problem), None)
        if usable is None:
            raise InputError(first.problem)
        if not any(name in usable.values for name in SOUND_COLUMNS):
            raise InputError(
                f"{without_credentials(self.path)} needs a column {' or '.join(SOUND_COLUMNS)} with the recording; "
                f"it has {', '.join(map(str, usable.values))}"
            )

    def _rows(self) -> Iterator[NumberedRow]:
        suffix = suffix_of(self.path)
        if suffix == "parquet":
            return parquet_rows(self.path, allow_private_urls=self.allow_private_urls)
        if suffix in ("csv", "tsv"):
            return table_rows(self.path, allow_private_urls=self.allow_private_urls)
        if suffix == "json" and _begins_with_bracket(self.path, allow_private_urls=self.allow_private_urls):
            return _json_list(self.path, allow_private_urls=self.allow_private_urls)
        return json_rows(self.path, allow_private_urls=self.allow_private_urls)


def row_entry(
    row: Mapping[str, Any],
    location: str,
    name: str,
    folder: str,
    sound_columns: Sequence[str] = SOUND_COLUMNS,
    *,
    allow_private_urls: bool = False,
) -> Entry:
    """Return the entry of a row of a table.

    Args:
        row: the row. Its recording is a path, a URL, the bytes of a file, or both as in the Audio feature of datasets.
        location: location of the row, and of its recording if that is only bytes.
        name: `Entry.name` of such a recording.
        folder: folder or URL that the path of a recording is relative to.
        sound_columns: columns that may hold the recording, the preferred one first.
        allow_private_urls: accept loopback, private and link-local addresses.
    """
    used = columns_of(row, sound_columns).used
    sound: Any = row[used[0]] if used else None
    if isinstance(sound, Mapping):
        audio = cast("Mapping[str, Any]", sound)
        sound = audio.get("path") if audio.get("bytes") is None else audio["bytes"]
    if isinstance(sound, bytes):
        entry = Entry(location, blake2b(sound, digest_size=16).hexdigest(), name, source=sound)
    elif isinstance(sound, str) and not is_missing(sound):
        entry = place_entry(resolved(sound, folder), relative_name(sound), allow_private_urls=allow_private_urls)
    else:
        named = used or [each for each in sound_columns if each in row] or sound_columns
        problem = f"{location}: no recording in {' or '.join(named)}"
        return Entry(location, "", name, problem=problem)
    not_kept = {used[0], _column_in(row, START_COLUMNS), _column_in(row, END_COLUMNS), ""}
    columns = {name: plain_value(value) for name, value in row.items() if name not in not_kept}
    start_s, end_s, problem = _segment(row, entry.location)
    return replace(entry, start_s=start_s, end_s=end_s, columns=columns, problem=entry.problem or problem)


def _segment(row: Mapping[str, Any], location: str) -> tuple[float, float | None, str]:
    """Return the start and the end of the segment that a row names, and what is wrong with it."""
    try:
        start_s, end_s = segment_of_row(row, "the row")
    except InputError as error:
        return 0.0, None, f"{location}: {error}"
    try:
        check_segment(start_s, end_s, location)
    except InputError as error:
        return start_s, end_s, str(error)
    return start_s, end_s, ""


def _column_in(row: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return which of some columns is used, or the first one that is there; none if there is none."""
    return next(iter((*columns_of(row, names).used, *(name for name in names if name in row))), "")


def _begins_with_bracket(path: str, *, allow_private_urls: bool) -> bool:
    return (
        next((line for line in read_lines(path, allow_private_urls=allow_private_urls) if line.strip()), "")
        .lstrip()
        .startswith("[")
    )


def _json_list(path: str, *, allow_private_urls: bool) -> Iterator[NumberedRow]:
    """Yield the objects of a JSON file that is a list of them; their numbers are counted from 1."""
    try:
        with closing(open_list(path, allow_private_urls=allow_private_urls)) as file:
            rows: list[Any] = json.load(file)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{without_credentials(path)} must be a JSON list or JSON Lines; it cannot be read: {error}"
        ) from None
    for number, row in enumerate(rows, start=1):
        try:
            yield NumberedRow(number, checked_row(row))
        except InputError as error:
            yield NumberedRow(number, {}, f"{without_credentials(path)}, row {number}: {error}")


def plain_value(value: Any) -> Any:
    """Return a value of a table as JSON has it: times as ISO 8601, decimals as numbers, NaN and bytes as null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): plain_value(each) for name, each in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [plain_value(each) for each in cast("list[Any]", value)]
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return plain_value(float(value))
    return value if isinstance(value, str | int | None) else None
