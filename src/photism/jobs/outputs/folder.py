"""A folder with a text file for each recording."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from photism.files import as_utf8, atomic_text
from photism.jobs.outputs.errors_file import FOLDER_ERRORS
from photism.jobs.outputs.folder_files import FolderFiles
from photism.jobs.outputs.text_format import TextFormat
from photism.jobs.rows import make_row

if TYPE_CHECKING:
    from photism.jobs.job import Outcome
    from photism.jobs.provenance import Provenance
    from photism.manifest.entry import Entry

KEY_DIGITS = 8
"""Digits of the key of a recording in the name of its file, where it would be that of the file of errors."""


class Folder:
    """A folder of text files.

    Args:
        path: the folder, which is created with the folders that it is in.
        provenance: what the results are computed with.
        columns: names of columns that rows of the job may have.
        text_format: format of the files.
        name_of: returns the relative path of a recording's file without its suffix, different for each recording.
        force: replace results that were computed with something else, and files that no job wrote.

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
        self._columns, self._format, self._name_of = columns, text_format, name_of
        self._files = FolderFiles(path, provenance, force=force)
        self.done, self.errors_path = self._files.done, self._files.errors_path
        self.discard, self.close = self._files.discard, self._files.close

    def write(self, row_id: str, entry: Entry, outcome: Outcome) -> None:
        """Write the file of a recording.

        Raises:
            InputError: a file of that name exists and is not of this recording, or there cannot be one.
        """
        (path,) = self._files.begin(row_id, entry, [self._file_name(entry)])
        row = make_row(row_id, entry, outcome, self._columns)
        text = self._format.as_text(row, outcome, self._name_of(entry))
        with atomic_text(path) as file:
            file.write(self._format.header + text)
        self.done.add(entry.key)

    def _file_name(self, entry: Entry) -> str:
        name = self._name_of(entry)
        if f"{name}{self._format.suffix}".lower() == FOLDER_ERRORS:  # file systems may not distinguish the case
            name = f"{name}-{entry.key[:KEY_DIGITS]}"
        return as_utf8(f"{name}{self._format.suffix}")
