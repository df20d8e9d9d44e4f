"""A Parquet file, written in blocks that are merged at the end."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from photism.errors import InputError
from photism.files import atomic_path, discard_folder, sibling
from photism.jobs.done_rows import DoneRows, parse_id
from photism.jobs.outputs.errors_file import errors_path
from photism.jobs.outputs.journal import NO_JOB_WROTE_IT, check_same
from photism.jobs.outputs.table_rows import METADATA, TableRows, as_type, import_pyarrow, metadata_of
from photism.jobs.provenance import Provenance
from photism.jobs.rows import make_rows
from photism.sole_writer import sole_writer

if TYPE_CHECKING:
    from photism.jobs.job import Outcome
    from photism.manifest.entry import Entry

BLOCK = re.compile(r"(?P<generation>[0-9]+)-(?P<number>[0-9]+)\.parquet")
"""Name of a block: the generation of the file that it will be merged into, and its number."""
MERGED_ROWS = 10_000
"""Rows that are held in memory when blocks are merged."""


class Parquet:
    """A Parquet file, next to which blocks of rows wait in a hidden folder to be merged into it.

    Each merge counts up the generation of the file, so that blocks which a kill left after their merge are known.

    Args:
        path: the file.
        provenance: what the rows are computed with.
        columns: columns of the job, as `TableRows` describes them.
        force: replace rows that were computed with something else, and a file that no job wrote.

    Attributes:
        done: the recordings that the file and the blocks have.
        errors_path: file of the recordings that are in error.

    Raises:
        InputError: the file has other rows, another process is writing it, or pyarrow is missing.
    """

    def __init__(self, path: Path, provenance: Provenance, columns: Mapping[str, Any], *, force: bool = False) -> None:
        import_pyarrow()
        self._path, self._columns, self._provenance = path, columns, provenance
        self._blocks = sibling(path, ".blocks", prefix=".")
        self.done, self.errors_path = DoneRows(), errors_path(path)
        self._rows, self._generation, self._number = TableRows(columns), 1, 0
        with ExitStack() as resources:
            resources.enter_context(sole_writer(path))
            if force:
                self._remove()
            self._resume()
            self._blocks.mkdir(exist_ok=True)
            self._resources = resources.pop_all()

    def write(self, row_id: str, entry: Entry, outcome: Outcome) -> None:
        """Add the rows of a recording to the next block."""
        self._rows.add(make_rows(row_id, entry, outcome, self._columns))
        self.done.add(entry.key)
        if self._rows.is_block:
            self._write_block()

    def discard(self, entry: Entry) -> None:
        """Remove the rows of other versions of a recording when the file is closed."""
        self.done.discard(entry.key)

    def close(self) -> None:
        """Write the last block, and merge the blocks into the file."""
        with self._resources:
            if len(self._rows):
                self._write_block()
            if self.done.has_superseded or next(self._blocks.iterdir(), None):
                self._merge()
            discard_folder(self._blocks)

    def _remove(self) -> None:
        for each in (self._path, self.errors_path):
            each.unlink(missing_ok=True)
        if self._blocks.exists():
            discard_folder(self._blocks)

    def _resume(self) -> None:
        """Read which recordings the file and the blocks have, and remove blocks that were merged.

        Raises:
            InputError: no job wrote the file, or another one did.
        """
        if self._path.exists():
            self._generation = 1 + self._read(self._path)["generation"]
        for block in self._block_files():
            if int(block.name.partition("-")[0]) < self._generation:
                block.unlink()
                continue
            self._read(block)
            self._number = 1 + int(block.stem.partition("-")[2])
        self.done.sort()

    def _read(self, path: Path) -> dict[str, Any]:
        """Read the columns of a file and which recordings it has, and return its metadata.

        Raises:
            InputError: no job wrote it, or another one did.
        """
        pa = import_pyarrow()
        try:
            file = pa.parquet.ParquetFile(path)
            metadata = json.loads((file.schema_arrow.metadata or {})[METADATA.encode()])
            found = Provenance.from_dict(metadata)
        except (pa.ArrowException, OSError, KeyError, ValueError, TypeError):
            raise InputError(f"{path} {NO_JOB_WROTE_IT}") from None
        with file:
            check_same(self._path, found, self._provenance)
            self._rows.types |= {field.name: field.type for field in file.schema_arrow}
            batches = file.iter_batches(MERGED_ROWS, columns=["id"])
            self.done.add_rows(chain.from_iterable(batch.column(0).to_pylist() for batch in batches))
        return metadata

    def _block_files(self) -> list[Path]:
        names = sorted(each.name for each in self._blocks.glob("*") if BLOCK.fullmatch(each.name))
        return [self._blocks / name for name in names]

    def _write_block(self) -> None:
        pa = import_pyarrow()
        table = self._rows.take().replace_schema_metadata(metadata_of(self._provenance, self._columns))
        block = self._blocks / f"{self._generation:06d}-{self._number:08d}.parquet"
        with atomic_path(block) as unfinished:
            pa.parquet.write_table(table, unfinished)
        self._number += 1

    def _merge(self) -> None:
        """Write the rows of the file and of the blocks, without those that were replaced, as the new file."""
        pa = import_pyarrow()
        self.done.sort()
        sources = [*([self._path] if self._path.exists() else []), *self._block_files()]
        names = sorted(self._rows.types, key=lambda name: name == "id")
        metadata = metadata_of(self._provenance, self._columns, generation=self._generation)
        schema = pa.schema([(name, self._rows.types[name]) for name in names], metadata)
        with atomic_path(self._path) as unfinished, pa.parquet.ParquetWriter(unfinished, schema) as writer:
            for source in sources:
                for table in self._tables(source):
                    missing = [name for name in names if name not in table.column_names]
                    for name in missing:
                        table = table.append_column(name, pa.nulls(len(table), self._rows.types[name]))
                    columns = [as_type(table.column(name), self._rows.types[name]) for name in names]
                    writer.write_table(pa.table(columns, schema=schema))

    def _tables(self, path: Path) -> Iterator[Any]:
        """Yield the rows of a file that were not replaced."""
        pa = import_pyarrow()
        with pa.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(MERGED_ROWS):
                table = pa.Table.from_batches([batch])
                if self.done.has_superseded:
                    ids = map(parse_id, table.column("id").to_pylist())
                    table = table.filter(pa.array([each is None or each.key in self.done for each in ids]))
                if len(table):
                    yield table
