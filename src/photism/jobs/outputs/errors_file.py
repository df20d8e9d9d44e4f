"""The recordings that are in error, as rows of JSON Lines next to an output."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from photism.files import atomic_path, sibling
from photism.jobs.done_rows import PLACE_DIGITS, DoneRows, parse_id
from photism.jobs.outputs.appending import append
from photism.jobs.rows import Stage, as_json_line, make_error

if TYPE_CHECKING:
    from photism.manifest.entry import Entry

FOLDER_ERRORS = "errors.jsonl"
"""Name of the file of errors in a folder."""


def errors_path(output: Path) -> Path:
    """Return the file of errors of an output that is a file: next to it, and another one than of other suffixes."""
    return sibling(output, f".{FOLDER_ERRORS}")


class ErrorsFile:
    """File of the recordings that are in error; there is none as long as there are no errors.

    Several runs may write the file of an index at once: the last error of a recording counts. Each run tries them
    again. Those of earlier runs stay until a run has processed them, or their file is gone.

    Args:
        path: the file.

    Attributes:
        count: number of errors of this run.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.count = path, 0
        self._places: set[str] = set()  # of recordings and rows in error in this run

    def add(self, entry: Entry, row_id: str, where: Stage, error: Exception) -> None:
        """Append an error of a recording."""
        row = make_error(row_id, entry, where, error)
        if not self.count:
            _end_last_line(self.path)
        with self.path.open("ab", buffering=0) as file:
            append(file, as_json_line(row), self.path)
        self._places.add(_place(row))
        self.count += 1

    def close(self, done: DoneRows) -> Path | None:
        """Remove errors of earlier runs that were tried again, and return the file unless no error is left.

        Args:
            done: the recordings that the output has.
        """
        done.sort()
        while True:
            try:
                kept = self._remove_old(done)
            except FileNotFoundError:  # another run may have deleted it
                return None
            except _ChangedError:
                continue
            if kept:
                return self.path
            self.path.unlink(missing_ok=True)
            return None

    def _remove_old(self, done: DoneRows) -> int:
        """Write the file without errors that are over or were repeated, and return how many are left.

        Raises:
            FileNotFoundError: there is no file.
            _ChangedError: another run has written or replaced it meanwhile.
        """
        kept = 0
        # The file is closed before it is replaced, which Windows demands.
        with atomic_path(self.path) as unfinished, self.path.open("rb") as before, unfinished.open("wb") as file:
            last = {_place(row): number for number, row in enumerate(_rows(before))}
            before.seek(0)
            for number, row in enumerate(_rows(before)):
                place = _place(row)
                is_over = place not in self._places and (_is_done(row, done) or _is_gone(row))
                if last.get(place) == number and not is_over:
                    file.write(as_json_line(row))
                    kept += 1
            now = self.path.stat()
            if now.st_size != before.tell() or not os.path.samestat(now, os.fstat(before.fileno())):
                raise _ChangedError
        return kept


class _ChangedError(Exception):
    """Another run has written the file."""


def _place(row: dict[str, Any]) -> str:
    """Return what rows of the same recording, or of the same line of a manifest, have in common."""
    found = parse_id(row.get("id"))
    return str(row.get("file")) if found is None else found.key[:PLACE_DIGITS]


def _is_done(row: dict[str, Any], done: DoneRows) -> bool:
    found = parse_id(row.get("id"))
    return found is not None and done.has_place(found.key)


def _is_gone(row: dict[str, Any]) -> bool:
    """Return whether the file of a recording is no longer there, as far as that can be said of a path."""
    file = str(row.get("file"))
    is_path = "://" not in file and "#" not in file
    return is_path and not os.path.lexists(file)


def _rows(file: IO[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file, without an incomplete one at its end."""
    for line in file:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            yield row


def _end_last_line(path: Path) -> None:
    """End a last line that a kill left incomplete, and which is not read."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        content_end = file.seek(0, 2)
        if content_end:
            file.seek(content_end - 1)
            if file.read(1) != b"\n":
                file.write(b"\n")
