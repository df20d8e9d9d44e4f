"""A text file of the results of several recordings, such as CSV, RTTM or a JSON document."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, cast

from photism.errors import InputError
from photism.files import atomic_path, sibling
from photism.jobs.done_rows import DoneRows, parse_id
from photism.jobs.outputs.appending import append
from photism.jobs.outputs.errors_file import errors_path
from photism.jobs.outputs.journal import REPLACE, Journal
from photism.jobs.outputs.text_format import TextFormat, arrange, as_arranged, columns_of
from photism.jobs.rows import make_row
from photism.sole_writer import sole_writer

if TYPE_CHECKING:
    from photism.jobs.job import Outcome
    from photism.jobs.provenance import Provenance
    from photism.manifest.entry import Entry

LIST_START, LIST_SEPARATOR, LIST_END = b"[\n", b",\n", b"\n]\n"


class TextFile:
    """A text file that is appended to, and a journal of the offset at which the text of each recording ends.

    On opening, what follows the last offset is cut off. CSV keeps the columns that it has; new ones are appended to
    them.

    Args:
        path: the file.
        provenance: what the results are computed with.
        columns: names of columns that rows of the job may have.
        text_format: format of the file.
        name_of: returns the name of a recording in RTTM and CTM.
        force: replace results that were computed with something else, and a file that no job wrote.

    Attributes:
        done: the recordings that the file has.
        errors_path: file of the recordings that are in error.

    Raises:
        InputError: the file has other results or was changed, or another process is writing it.
    """

    def __init__(
        self,
        path: Path,
        provenance: Provenance,
        columns: Collection[str],
        text_format: TextFormat,
        *,
        name_of: Callable[[Entry], str],
        force: bool = False,
    ) -> None:
        self.done, self.errors_path = DoneRows(), errors_path(path)
        self._path, self._columns, self._format, self._name_of = path, columns, text_format, name_of
        self._journal, self._next_journal = Journal.of_file(path), Journal(sibling(path, ".next-journal", prefix="."))
        self._end = 0
        with ExitStack() as resources:
            resources.enter_context(sole_writer(path))
            if force:
                for each in (path, self.errors_path):
                    each.unlink(missing_ok=True)
            if path.exists() and path.stat().st_size:
                self._resume(provenance)
            else:
                self._journal.begin(provenance)
            self._file = resources.enter_context(path.open("ab", buffering=0))
            self._journal.open()
            resources.callback(self._journal.close)
            self._resources = resources.pop_all()

    def write(self, row_id: str, entry: Entry, outcome: Outcome) -> None:
        """Append the text of a recording, and then a record of it to the journal."""
        row = make_row(row_id, entry, outcome, self._columns)
        text = self._format.as_text(row, outcome, self._name_of(entry)).encode("utf8", "backslashreplace")
        data = self._before(self._end, self._format.header) + (text.rstrip(b"\n") if self._format.is_list else text)
        append(self._file, data, self._path)
        self._end += len(data)
        self._journal.add({"id": row_id, "end": self._end})
        self.done.add(entry.key)

    def discard(self, entry: Entry) -> None:
        """Remove the results of other versions of a recording when the file is closed."""
        self.done.discard(entry.key)

    def close(self) -> None:
        """Remove results that were replaced, and complete the file."""
        with self._resources:
            if self.done.has_superseded:
                self._journal.close()
                self.done.sort()
                self._remove_superseded()
                self._journal.open()
            with self._path.open("ab", buffering=0) as file:
                if self._format.is_list:
                    append(file, LIST_END if self._end else b"[]\n", self._path)
                self._journal.add({"size": file.tell()})
                os.fsync(file.fileno())

    def _before(self, end: int, header: str) -> bytes:
        """Return what stands before the text of a recording in a file that ends at an offset."""
        if self._format.is_list:
            return LIST_SEPARATOR if end else LIST_START
        return b"" if end else header.encode("utf8", "backslashreplace")

    def _resume(self, provenance: Provenance) -> None:
        """Read which recordings the file has, and cut off a text that a kill left without its record.

        Raises:
            InputError: the file is not of this run, or was changed since.
        """
        if self._journal.provenance is None:
            raise InputError(f"{self._path} exists; choose another output, or --force to overwrite it")
        self._journal.check_same(self._path, provenance)
        self._finish_removal()
        size, records_end = self._path.stat().st_size, 0
        for record, record_end in self._journal.records():
            if record.get("size", size) != size or record.get("end", 0) > size:
                raise InputError(f"{self._path} was changed since it was written; {REPLACE}")
            if row_id := parse_id(record.get("id")):
                self.done.add(row_id.key)
                self._end, records_end = record["end"], record_end
        columns = self._columns_in_file() if self._format.header and self._end else []
        self._journal.cut(records_end)
        os.truncate(self._path, self._end)
        self.done.sort()
        if columns and columns != columns_of([self._format.header]):
            self._keep_columns(columns)

    def _columns_in_file(self) -> list[str]:
        """Return the columns that the file has.

        Raises:
            InputError: it is of another format.
        """
        with self._path.open(encoding="utf8", newline="") as file:
            found = columns_of(file)
        if found[:1] != columns_of([self._format.header])[:1]:
            raise InputError(f"{self._path} is not CSV; {REPLACE}")
        return found

    def _keep_columns(self, found: Sequence[str]) -> None:
        """Write rows with the columns of the file at their places, after appending those that are new to the file."""
        own = columns_of([self._format.header])
        columns = [*found, *(name for name in own if name not in found)]
        earlier, self._format = as_arranged(self._format, found), as_arranged(self._format, columns)
        if columns != found:
            self._rewrite(earlier.header, lambda _, text: arrange(text.decode(), found, columns).encode())

    def _remove_superseded(self) -> None:
        """Rewrite the file and the journal without the texts of versions that are not the last one."""
        self._rewrite(self._format.header, lambda key, text: text if key in self.done else None)

    def _rewrite(self, header: str, change: Callable[[str, bytes], bytes | None]) -> None:
        """Rewrite the file and the journal.

        The new journal is complete before the new file takes the place of the old one, whose size tells after a kill
        which of the two journals it belongs to.

        Args:
            header: header that the file has.
            change: returns the new text of a recording, given its key and its text; None for none.
        """
        self._next_journal.begin(cast("Provenance", self._journal.provenance))
        self._next_journal.open()
        with atomic_path(self._path) as unfinished, self._path.open("rb") as old, unfinished.open("wb") as new:
            start = 0
            for record, _ in self._journal.records():
                row_id = parse_id(record["id"])
                text = old.read(record["end"] - start)[len(self._before(start, header)) :]
                start = record["end"]
                changed = None if row_id is None else change(row_id.key, text)
                if changed is not None:
                    new.write(self._before(new.tell(), self._format.header) + changed)
                    self._next_journal.add({"id": record["id"], "end": new.tell()})
            self._end = new.tell()
            self._next_journal.close()
        self._finish_removal()

    def _finish_removal(self) -> None:
        """Let the new journal take the place of the old one, if the file is the new one."""
        if self._next_journal.path.exists():
            ends = [record["end"] for record, _ in self._next_journal.records()]
            if self._path.stat().st_size == (ends[-1] if ends else 0):
                self._next_journal.path.replace(self._journal.path)
            else:
                self._next_journal.path.unlink()
