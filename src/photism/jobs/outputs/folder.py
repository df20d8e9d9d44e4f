"""A folder with a text file for each recording."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from photism.errors import InputError
from photism.files import as_utf8, atomic_text
from photism.jobs.done_rows import DoneRows, parse_id
from photism.jobs.outputs.errors_file import FOLDER_ERRORS
from photism.jobs.outputs.journal import Journal
from photism.jobs.outputs.lock import sole_writer
from photism.jobs.outputs.text_format import TextFormat
from photism.jobs.rows import make_row

if TYPE_CHECKING:
    from photism.jobs.job import Outcome
    from photism.jobs.provenance import Provenance
    from photism.manifest.entry import Entry


class Folder:
    """A folder of text files, and a journal of which file is of which recording.

    A recording is done if it is in the journal and its file exists. Its record is written before its file.

    Args:
        path: the folder, which is created with the folders that it is in.
        provenance: what the results are computed with.
        columns: names of columns that rows of the job may have.
        text_format: format of the files.
        name_of: returns the relative path of a recording's file without its suffix, different for each recording.
        force: replace results that were computed with something else, and files that are not of a job.

    Attributes:
        done: the recordings that the folder has.
        errors_path: file of the recordings that are in error.

    Raises:
        InputError: the folder has results that were computed with something else, or another process is writing it.
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
        self.done, self.errors_path = DoneRows(), path / FOLDER_ERRORS
        self._path, self._columns, self._format, self._name_of = path, columns, text_format, name_of
        path.mkdir(parents=True, exist_ok=True)
        self._journal = Journal(path / ".journal")
        with ExitStack() as resources:
            resources.enter_context(sole_writer(path / "folder"))
            if force:
                self.errors_path.unlink(missing_ok=True)
                self._journal.begin(provenance, overwrites=True)
            elif self._journal.provenance is None:
                self._journal.begin(provenance)
            else:
                self._journal.check_same(path, provenance)
                self._resume()
            self._journal.open()
            resources.callback(self._journal.close)
            self._resources = resources.pop_all()

    def write(self, row_id: str, entry: Entry, outcome: Outcome) -> None:
        """Write the file of a recording.

        Raises:
            InputError: a file of that name exists, and is not of this recording.
        """
        name = self._file_name(entry)
        path = self._path / name
        if path.exists():
            if not (self.done.has_place(entry.key) or self._journal.overwrites):
                raise InputError(f"{path} exists and is not of this recording; rename it, or --force to overwrite it")
            path.unlink()  # before the journal says that the file is of this version
        self._journal.add({"id": row_id, "output": name})
        path.parent.mkdir(parents=True, exist_ok=True)
        row = make_row(row_id, entry, outcome, self._columns)
        text = self._format.as_text(row, outcome, self._name_of(entry))
        with atomic_text(path) as file:
            file.write(self._format.header + text)
        self.done.add(entry.key)

    def discard(self, entry: Entry) -> None:
        """Remove the file of another version of a recording."""
        if self.done.has_place(entry.key):
            (self._path / self._file_name(entry)).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the journal."""
        self._resources.close()

    def _resume(self) -> None:
        """Read which recordings have their file."""
        for record, _ in self._journal.records():
            row_id = parse_id(record["id"])
            if row_id is not None and (self._path / record["output"]).exists():
                self.done.add(row_id.key)
        self.done.sort()

    def _file_name(self, entry: Entry) -> str:
        return as_utf8(f"{self._name_of(entry)}{self._format.suffix}")
