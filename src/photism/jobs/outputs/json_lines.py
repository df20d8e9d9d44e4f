"""JSON Lines: a row in each line. The ids in the rows are the record of what is done."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from photism.errors import InputError
from photism.files import atomic_path
from photism.jobs.done_rows import ROW_ID, DoneRows, RowId, parse_id
from photism.jobs.outputs.appending import append
from photism.jobs.outputs.errors_file import errors_path
from photism.jobs.outputs.journal import NO_JOB_WROTE_IT, REPLACE, Journal
from photism.jobs.rows import as_json_line, make_rows
from photism.sole_writer import sole_writer

if TYPE_CHECKING:
    from photism.jobs.job import Outcome
    from photism.jobs.provenance import Provenance
    from photism.manifest.entry import Entry

LAST_ID = re.compile(rb'"id": "(' + ROW_ID.pattern.encode() + rb')"\}\r?\n$')
"""The id at the end of a row as it is written here, which is found faster than by reading the row."""


class _Line(NamedTuple):
    """A line of a file, and the offset of its first byte."""

    start: int
    text: bytes

    @property
    def row_id(self) -> RowId | None:
        """Id of the row; None if the line is no such row."""
        if found := LAST_ID.search(self.text):
            return parse_id(found[1].decode())
        try:
            row = json.loads(self.text)
        except ValueError:
            return None
        return parse_id(row.get("id")) if isinstance(row, dict) else None


class JsonLines:
    """A file of JSON Lines that is appended to.

    Args:
        path: the file.
        provenance: what the rows are computed with.
        columns: names of columns that rows of the job may have.
        force: replace rows that were computed with something else, and a file that no job wrote.
        lock: no other process can open the file meanwhile; without it, the caller sees to that.

    Attributes:
        done: the recordings that the file has.
        errors_path: file of the recordings that are in error.

    Raises:
        InputError: the file has other rows, or another process is writing it.
    """

    def __init__(
        self,
        path: Path,
        provenance: Provenance,
        columns: Collection[str],
        *,
        force: bool = False,
        lock: bool = True,
    ) -> None:
        self._path, self._run, self._columns = path, provenance.run, columns
        self.done, self.errors_path = DoneRows(), errors_path(path)
        with ExitStack() as resources:
            if lock:
                resources.enter_context(sole_writer(path))
            journal = Journal.of_file(path)
            if force:
                for each in (path, self.errors_path):
                    each.unlink(missing_ok=True)
            elif path.exists():
                journal.check_same(path, provenance)
                self._resume(is_ours=journal.provenance is not None)
            journal.begin(provenance)
            self._file = resources.enter_context(path.open("ab", buffering=0))
            self._resources = resources.pop_all()

    def write(self, row_id: str, entry: Entry, outcome: Outcome) -> None:
        """Append the rows of a recording."""
        lines = b"".join(as_json_line(row) for row in make_rows(row_id, entry, outcome, self._columns))
        append(self._file, lines, self._path)
        self.done.add(entry.key)

    def discard(self, entry: Entry) -> None:
        """Remove the rows of other versions of a recording when the file is closed."""
        self.done.discard(entry.key)

    def close(self) -> None:
        """Remove rows that were replaced, and close the file."""
        with self._resources:
            os.fsync(self._file.fileno())
            self._file.close()
            if self.done.has_superseded:
                self.done.sort()
                _remove_superseded(self._path, self.done)

    def _resume(self, *, is_ours: bool) -> None:
        """Read which recordings the file has, cut off rows that a kill left incomplete, and remove replaced ones.

        Args:
            is_ours: the file is known to be of this run, so that an incomplete line may be cut off.
        """
        end = self._read_ids(is_ours=is_ours)
        with self._path.open("rb+") as file:
            file.truncate(end)
        self.done.sort()
        if self.done.has_superseded:
            _remove_superseded(self._path, self.done)
            self.done.has_superseded = False

    def _read_ids(self, *, is_ours: bool) -> int:
        """Read which recordings the file has, and return the offset at which the rows of the last complete one end.

        Args:
            is_ours: the file is known to be of this run, so that an incomplete line may be cut off.

        Raises:
            InputError: a line is not a row of this run.
        """
        key, end, count = "", 0, 0
        for number, line in enumerate(_read_lines(self._path), start=1):
            is_whole = line.text.endswith(b"\n")
            if not is_whole and (is_ours or number > 1):
                break
            row_id = line.row_id if is_whole else None
            if row_id is None or row_id.run != self._run:
                line_number = f"{self._path}: line {number}"
                if row_id is None:
                    raise InputError(f"{line_number} {NO_JOB_WROTE_IT}")
                raise InputError(f"{line_number} was computed with another model or settings; {REPLACE}")
            key, count = row_id.key, count + 1 if row_id.key == key else 1
            if count == row_id.windows:
                self.done.add(key)
                end = line.start + len(line.text)
        return end


def _read_lines(path: Path) -> Iterator[_Line]:
    start = 0
    with path.open("rb") as file:
        for text in file:
            yield _Line(start, text)
            start += len(text)


def _remove_superseded(path: Path, done: DoneRows) -> None:
    """Rewrite a file without the rows of versions that are not the last one."""
    with atomic_path(path) as unfinished, unfinished.open("wb") as file:
        for line in _read_lines(path):
            row_id = line.row_id
            if row_id is not None and row_id.key in done:
                file.write(line.text)
