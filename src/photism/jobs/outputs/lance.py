"""A Lance data set, to which blocks of rows are added."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from photism.errors import InputError
from photism.files import as_utf8, discard_folder
from photism.jobs.done_rows import PLACE_DIGITS, DoneRows
from photism.jobs.outputs.errors_file import errors_path
from photism.jobs.outputs.journal import NO_JOB_WROTE_IT, check_same
from photism.jobs.outputs.table_rows import METADATA, TableRows, as_type, import_pyarrow, metadata_of
from photism.jobs.provenance import RUN_DIGITS, Provenance
from photism.jobs.rows import make_rows
from photism.lance_table import LanceTable, import_lance, is_table, lance_column_name, sql_in
from photism.sole_writer import sole_writer

if TYPE_CHECKING:
    from photism.jobs.job import Outcome
    from photism.lance_table import ArrowSchema
    from photism.manifest.entry import Entry

ORIGINAL_NAME = b"photism-name"
"""Key of the metadata of a column: its name before Lance restricted it."""
PLACE = f"left(id, {RUN_DIGITS + 1 + PLACE_DIGITS})"
"""The part of an id that all versions of a recording have in common, in SQL."""


class Lance:
    """A Lance data set, each block of rows of which is one commit.

    Args:
        path: folder of the data set.
        provenance: what the rows are computed with.
        columns: columns of the job, as `TableRows` describes them.
        force: replace a data set whose rows were computed with something else, or that no job wrote.

    Attributes:
        done: the recordings that the data set has.
        errors_path: file of the recordings that are in error, next to the data set.

    Raises:
        InputError: the data set has other rows, another process is writing it, the path is something else, or pylance
            is missing.
    """

    def __init__(self, path: Path, provenance: Provenance, columns: Mapping[str, Any], *, force: bool = False) -> None:
        import_lance()
        self._path, self._columns, self._provenance = path, columns, provenance
        self.done, self.errors_path = DoneRows(), errors_path(path)
        self._rows, self._replaced = TableRows(columns), set[str]()
        self._names = _ColumnNames()
        self._table: LanceTable | None = None
        with ExitStack() as resources:
            resources.enter_context(sole_writer(path))
            if force:
                self.errors_path.unlink(missing_ok=True)
                if is_table(str(path)):
                    discard_folder(path)
            if is_table(str(path)):
                self._resume(LanceTable.open(str(path)))
            self._resources = resources.pop_all()

    def write(self, row_id: str, entry: Entry, outcome: Outcome) -> None:
        """Add the rows of a recording to the next block."""
        rows = make_rows(row_id, entry, outcome, self._columns)
        self._rows.add([{self._names.of(name): value for name, value in row.items()} for row in rows])
        self._replace(entry)
        self.done.add(entry.key)
        if self._rows.is_block:
            self._write_block()

    def discard(self, entry: Entry) -> None:
        """Remove the rows of other versions of a recording with the next block."""
        self._replace(entry)
        self.done.discard(entry.key)

    def close(self) -> None:
        """Write the last block, and merge small files of the data set."""
        with self._resources:
            if len(self._rows):
                self._write_block()
            if self._table is not None:
                if self._replaced:
                    self._table.delete(sql_in(PLACE, self._replaced))
                self._table.compact()

    def _replace(self, entry: Entry) -> None:
        if self.done.has_place(entry.key):
            self._replaced.add(f"{self._provenance.run}-{entry.key[:PLACE_DIGITS]}")

    def _resume(self, table: LanceTable) -> None:
        """Read the columns and which recordings the data set has.

        Raises:
            InputError: no job wrote it, or another one did.
        """
        try:
            found = Provenance.from_dict(json.loads(table.metadata[METADATA]))
        except (KeyError, ValueError, TypeError):
            raise InputError(f"{self._path} {NO_JOB_WROTE_IT}") from None
        check_same(self._path, found, self._provenance)
        self._rows.types = {field.name: field.type for field in table.schema}
        self._names.read(table.schema)
        self.done.add_rows(table.column("id"))
        self.done.sort()
        self._table = table

    def _write_block(self) -> None:
        """Add the rows, and remove those that they replace, in one commit."""
        pa = import_pyarrow()
        rows = self._rows.take()
        schema = self._names.noted_in(rows.schema)
        if self._table is None:
            metadata = metadata_of(self._provenance, self._columns)
            self._table = LanceTable.create(str(self._path), schema, metadata)
        self._table.add_columns(schema)
        self._table.change_types(schema, as_type)
        schema = self._table.schema
        table = pa.table({field.name: rows.column(field.name) for field in schema}, schema=schema)
        self._table.insert(table, replaces=sql_in(PLACE, self._replaced) if self._replaced else None)
        self._replaced.clear()


class _ColumnNames:
    """Names of columns in the data set, different ones for different columns such as a.b and a_b.

    The data set has the original name of each in the metadata of the column.
    """

    def __init__(self) -> None:
        self._stored: dict[str, str] = {}

    def of(self, name: str) -> str:
        """Return the name that a column has in the data set."""
        if name not in self._stored:
            allowed, taken = lance_column_name(name), set(self._stored.values())
            numbered = (f"{allowed}_{number}" for number in count(2))
            self._stored[name] = next(each for each in chain([allowed], numbered) if each not in taken)
        return self._stored[name]

    def read(self, schema: ArrowSchema) -> None:
        """Read the names from a data set."""
        for field in schema:
            original = (field.metadata or {}).get(ORIGINAL_NAME)
            self._stored[field.name if original is None else original.decode()] = field.name

    def noted_in(self, schema: ArrowSchema) -> ArrowSchema:
        """Return columns with their original names in their metadata."""
        for original, stored in self._stored.items():
            number = schema.get_field_index(stored)
            if original != stored and number >= 0:
                schema = schema.set(number, schema.field(number).with_metadata({ORIGINAL_NAME: as_utf8(original)}))
        return schema
