"""Rows of an index: their columns, and how they are written while they are computed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from photism.errors import InputError
from photism.jobs.done_rows import PLACE_DIGITS, DoneRows, RowId, parse_id, window_ids
from photism.jobs.outputs.table_rows import TableRows
from photism.jobs.rows import MANIFEST_PREFIX
from photism.lance_table import LanceTable, lance_column_name, sql_in
from photism.output_files import STANDARD_INPUT

if TYPE_CHECKING:
    from photism.jobs.job import Outcome
    from photism.lance_table import ArrowSchema
    from photism.manifest.entry import Entry

OWN_COLUMNS = (
    "id",
    "location",
    "start_s",
    "end_s",
    "duration_s",
    "vector",
    "captions",
    "known",
    "labels",
    "loudness_lufs",
    "warnings",
    "fingerprint",
    "version",
)
"""Columns that every index has.

`start_s` and `end_s` are the times of the row within the file: of the recording, of the segment that a manifest lists,
or of the window. `end_s` is null for a recording that is no segment: its row reaches to the end of the file.
`duration_s` is the duration of the recording or segment.
"""
RESERVED = frozenset({*OWN_COLUMNS, "file", "score"})
"""Names that a column of a manifest does not have: the columns of an index, and what is printed of a hit."""
PLACE = "left(id, 25)"
"""The beginning of an id that rows of a recording have in common, in SQL: the run and the place."""
VERSION = "left(id, 33)"
"""The beginning that rows of one version of a recording have in common: the run and the key."""


def index_schema(width: int) -> ArrowSchema:
    """Return the columns that every index has with their types, for vectors of a width."""
    import pyarrow as pa

    captions = pa.list_(pa.struct([("caption", pa.string()), ("score", pa.float32())]))
    labels = pa.list_(pa.struct([("label", pa.string()), ("score", pa.float32())]))
    types = {
        "vector": pa.list_(pa.float32(), width),
        "captions": captions,
        "known": pa.bool_(),
        "labels": labels,
        "loudness_lufs": pa.float32(),
        "warnings": pa.list_(pa.string()),
        **dict.fromkeys(("start_s", "end_s", "duration_s"), pa.float64()),
    }
    return pa.schema([(name, types.get(name, pa.string())) for name in OWN_COLUMNS])


def stored_location(location: str) -> str:
    """Return an absolute path or URL as it is stored: a path that is not UTF-8 as the URI of its file."""
    try:
        location.encode()
    except UnicodeEncodeError:
        return "file://" + quote(os.fsencode(location))
    return location


def errors_path(uri: str) -> Path:
    """Return the file of errors of an index: next to it, or of one in object storage in the current folder."""
    path = Path(f"{uri.rstrip('/')}.errors.jsonl")
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
        changed: number of recordings of which the rows of another version were replaced.
        repeated: number of recordings of which rows of the same version were replaced.
    """

    def __init__(self, table: LanceTable, run: str, fingerprint: str, *, force: bool = False) -> None:
        self._table, self._run, self._fingerprint, self._force = table, run, fingerprint, force
        self._rows = TableRows(dict.fromkeys(OWN_COLUMNS), widens=False)  # other processes may write the same columns
        self._rows.types = _types(table)
        self._replaced: list[str] = []
        self._discarded: list[str] = []
        self.errors_path = errors_path(table.uri)
        self.changed = self.repeated = 0
        self._indexed = _recordings_in(table)
        self.done = DoneRows() if force else self._indexed

    def write(self, row_id: str, entry: Entry, outcome: Outcome) -> None:
        """Write the rows of a recording, in place of those of its other versions.

        Raises:
            InputError: it cannot be read again, since it is standard input, or its manifest has an unfit value.
        """
        if entry.location == STANDARD_INPUT:
            raise InputError("- is standard input, which cannot be read again from an index; give a file")
        common = {column_name(name): value for name, value in entry.columns.items()} | outcome.fields
        common["location"] = stored_location(entry.absolute_location)
        common["fingerprint"], common["version"] = self._fingerprint, entry.version
        rows: list[dict[str, Any]] = []
        if outcome.windows is None:  # without an end, the row reaches to the end of the file
            rows.append({**common, "start_s": entry.start_s, "end_s": entry.end_s, "id": row_id})
        else:
            for window, each in zip(outcome.windows, window_ids(row_id, len(outcome.windows)), strict=True):
                times = {name: entry.start_s + window[name] for name in ("start_s", "end_s")}
                rows.append({**common, **window, **times, "id": each})
        self._rows.add(rows)
        if self._indexed.has_place(entry.key):
            self._replaced.append(self._place(entry))
            is_changed = self._indexed.has_other_version(entry.key)
            self.changed += is_changed
            self.repeated += not is_changed
        self.done.add(entry.key)
        if self._rows.is_block:
            self._commit()

    def discard(self, entry: Entry) -> None:
        """Remove the rows of a recording that has changed and cannot be read now, when the index is closed.

        Those of one that is not there stay: it may be on a disk that is missing.
        """
        if not entry.problem and self._indexed.has_place(entry.key):
            self._discarded.append(self._place(entry))

    def close(self) -> None:
        """Write the last rows, and delete those of recordings that became unreadable."""
        self._commit()
        if self._discarded:
            self._table.delete(sql_in(PLACE, self._discarded))

    def _place(self, entry: Entry) -> str:
        """Return the beginning of the ids of all rows of a recording."""
        return f"{self._run}-{entry.key[:PLACE_DIGITS]}"

    def _commit(self) -> None:
        if not len(self._rows):
            return
        self._rows.types |= _types(self._table)  # another process may have added columns
        rows = self._rows.take()
        self._table.add_columns(rows.schema)
        replaces = sql_in(PLACE, self._replaced) if self._replaced else None
        self._table.insert(rows.select(self._table.schema.names), replaces=replaces, overwrite=self._force)
        self._replaced = []


def column_name(name: str) -> str:
    """Return the name that a column of a manifest has in an index."""
    allowed = lance_column_name(name)
    return f"{MANIFEST_PREFIX}{allowed}" if allowed in RESERVED else allowed


def _types(table: LanceTable) -> dict[str, Any]:
    """Return the types of the columns of a table by their names."""
    return {each.name: each.type for each in table.schema}


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
