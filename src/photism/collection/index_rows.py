"""Rows of an index: their columns, and how they are written while they are computed."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from photism.errors import InputError
from photism.jobs.done_rows import PLACE_DIGITS, DoneRows, RowId, parse_id, window_ids
from photism.jobs.rows import json_value
from photism.lance_table import LanceTable, sql_in
from photism.output_files import STANDARD_INPUT

if TYPE_CHECKING:
    from photism.jobs.job import Outcome
    from photism.lance_table import ArrowSchema
    from photism.manifest.entry import Entry

BLOCK_ROWS = 1000
BLOCK_S = 20.0
"""Rows, and seconds, after which a commit is made; a process that is killed loses no more than that."""
PLACE = "left(id, 25)"
"""The beginning of an id that rows of a recording have in common, in SQL: the run and the place."""
VERSION = "left(id, 33)"
"""The beginning that rows of one version of a recording have in common: the run and the key."""


def index_schema(width: int) -> ArrowSchema:
    """Return the columns that every index has, for vectors of a width.

    `start_s` and `end_s` are those of the row within the file: of the recording, of the segment that a manifest lists,
    or of the window. `duration_s` is the duration of the recording or segment.
    """
    import pyarrow as pa

    captions = pa.list_(pa.struct([("caption", pa.string()), ("score", pa.float32())]))
    labels = pa.list_(pa.struct([("label", pa.string()), ("score", pa.float32())]))
    return pa.schema(
        [
            ("id", pa.string()),
            ("location", pa.string()),
            ("start_s", pa.float64()),
            ("end_s", pa.float64()),
            ("duration_s", pa.float64()),
            ("vector", pa.list_(pa.float32(), width)),
            ("captions", captions),
            ("known", pa.bool_()),
            ("labels", labels),
            ("loudness_lufs", pa.float32()),
            ("warnings", pa.list_(pa.string())),
            ("fingerprint", pa.string()),
            ("version", pa.string()),
        ]
    )


def stored_location(location: str) -> str:
    """Return an absolute path or URL as it is stored: a path that is not UTF-8 as the URI of its file."""
    try:
        location.encode()
    except UnicodeEncodeError:
        return "file://" + quote(os.fsencode(location))
    return location


def errors_path(uri: str) -> Path:
    """Return the file of errors of an index: next to it, or of one in object storage in the current folder."""
    path = Path(f"{uri.rstrip('/').removesuffix('.lance')}.errors.jsonl")
    return Path(path.name) if "://" in uri else path


class IndexRows:
    """Writer of the rows of an index, at which several processes may be at work at the same time.

    Args:
        table: the index.
        run: eight hex digits of its provenance.
        fingerprint: fingerprint of the model of the vectors.
        force: compute all recordings again.

    Attributes:
        done: the recordings that the index has.
        errors_path: file of the recordings that are in error.
        replaced: number of recordings that were in the index in another version, or are computed again.
    """

    def __init__(self, table: LanceTable, run: str, fingerprint: str, *, force: bool = False) -> None:
        self._table, self._run, self._fingerprint, self._force = table, run, fingerprint, force
        self._schema = table.schema
        self._rows: list[dict[str, Any]] = []
        self._replaced_places: list[str] = []
        self._discarded_places: list[str] = []
        self._last_commit = monotonic()
        self.errors_path, self.replaced = errors_path(table.uri), 0
        self._indexed = _recordings_in(table)
        self.done = DoneRows() if force else self._indexed

    def write(self, row_id: str, entry: Entry, outcome: Outcome) -> None:
        """Write the rows of a recording, in place of those of its other versions.

        Raises:
            InputError: it cannot be read again, since it is standard input, or its manifest has an unfit value.
        """
        if entry.location == STANDARD_INPUT:
            raise InputError("- is standard input, which cannot be read again from an index; give a file")
        columns = self._manifest_columns(entry)
        common = {
            "location": stored_location(entry.absolute_location),
            "fingerprint": self._fingerprint,
            "version": entry.version,
        }
        whole = {"start_s": 0.0, "end_s": outcome.duration_s}
        windows = [whole] if outcome.windows is None else outcome.windows
        ids = [row_id] if outcome.windows is None else window_ids(row_id, len(windows))
        for window, each in zip(windows, ids, strict=True):
            times = {name: entry.start_s + window[name] for name in ("start_s", "end_s")}
            self._rows.append({**columns, **outcome.fields, **window, **common, **times, "id": each})
        if self._indexed.has_place(entry.key):
            self._replaced_places.append(self._place(entry))
            self.replaced += 1
        self.done.add(entry.key)
        if len(self._rows) >= BLOCK_ROWS or monotonic() - self._last_commit > BLOCK_S:
            self._commit()

    def discard(self, entry: Entry) -> None:
        """Remove the rows of a recording that has changed and cannot be read now, when the index is closed.

        Those of one that is not there stay: it may be on a disk that is missing.
        """
        if not entry.problem and self._indexed.has_place(entry.key):
            self._discarded_places.append(self._place(entry))

    def close(self) -> None:
        """Write the last rows, and delete those of recordings that became unreadable."""
        self._commit()
        if self._discarded_places:
            self._table.delete(sql_in(PLACE, self._discarded_places))

    def _place(self, entry: Entry) -> str:
        """Return the beginning of the ids of all rows of a recording."""
        return f"{self._run}-{entry.key[:PLACE_DIGITS]}"

    def _commit(self) -> None:
        if self._rows:
            import pyarrow as pa

            self._schema = self._table.schema  # another process may have added columns
            rows = pa.table({name: self._array(name) for name in self._schema.names}, schema=self._schema)
            replaces = sql_in(PLACE, self._replaced_places) if self._replaced_places else None
            self._table.insert(rows, replaces=replaces, overwrite=self._force)
        self._rows, self._replaced_places, self._last_commit = [], [], monotonic()

    def _array(self, name: str) -> Any:
        import pyarrow as pa

        return pa.array([row.get(name) for row in self._rows], self._schema.field(name).type)

    def _manifest_columns(self, entry: Entry) -> dict[str, Any]:
        """Return the columns of the manifest as values of the types that the table has; new ones are added to it.

        Raises:
            InputError: a value is of another type than those of other recordings.
        """
        import pyarrow as pa

        values = {column_name(name): plain_value(value) for name, value in entry.columns.items()}
        values = {name: value for name, value in values.items() if value is not None}
        new = {name: value for name, value in values.items() if name not in self._schema.names}
        if new:
            self._table.add_columns(pa.schema([(name, pa.scalar(value).type) for name, value in new.items()]))
            self._schema = self._table.schema
        for name, value in values.items():
            try:
                pa.scalar(value, self._schema.field(name).type)
            except (pa.ArrowInvalid, pa.ArrowTypeError):
                kind = self._schema.field(name).type
                problem = f"column {name} has values of type {kind}, which {value!r} is not; change it in the list"
                raise InputError(f"{entry.location}: {problem}") from None
        return values


def column_name(name: str) -> str:
    """Return the name that a column of a manifest has in an index.

    Lance does not allow every name, and the columns of the index have theirs.
    """
    allowed = re.sub("[.`]", "_", name) or "column"
    is_taken = allowed in index_schema(1).names or allowed.startswith("_")
    return f"manifest_{allowed}" if is_taken else allowed


def plain_value(value: Any) -> str | bool | int | float | None:
    """Return a value of a manifest as text, number or truth value; None where there is none, and others as JSON."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    plain = json_value(value)
    return json.dumps(plain, ensure_ascii=False) if isinstance(plain, list | dict) else plain


def _recordings_in(table: LanceTable) -> DoneRows:
    """Return the recordings that an index has, after deleting rows of versions that others replaced.

    Two processes may have indexed a file that changed between them.
    """
    done = DoneRows()
    for row_id in _row_ids(table):
        done.add(row_id.key)
    done.sort()
    if done.has_superseded:
        table.delete(sql_in(VERSION, {f"{each.run}-{each.key}" for each in _row_ids(table) if each.key not in done}))
        done.has_superseded = False
    return done


def _row_ids(table: LanceTable) -> Iterator[RowId]:
    """Yield the ids of the rows; of a recording in windows, that of the first."""
    for row_id in map(parse_id, table.column("id")):
        if row_id is not None and row_id.window == 1:
            yield row_id
