"""Files of recordings in a folder, and a journal of which files are of which recording."""

from __future__ import annotations

import errno
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from photism.errors import InputError
from photism.jobs.done_rows import PLACE_DIGITS, DoneRows, parse_id
from photism.jobs.outputs.errors_file import FOLDER_ERRORS
from photism.jobs.outputs.journal import Journal
from photism.sole_writer import sole_writer

if TYPE_CHECKING:
    from photism.jobs.provenance import Provenance
    from photism.manifest.entry import Entry

UNFIT_NAMES = {errno.ENAMETOOLONG, errno.ENOTDIR, errno.EEXIST, errno.EISDIR}
"""Errors of a name that the folder cannot have: too long, or through or in place of something that is there."""


class FolderFiles:
    """Files of recordings in a folder, which is created with the folders that it is in.

    A recording is done if it is in the journal and its files exist. Its record is written before its files.

    Args:
        path: the folder.
        provenance: what the files are computed with.
        force: replace files that were computed with something else, and those that no job wrote.

    Attributes:
        done: the recordings that the folder has.
        errors_path: file of the recordings that are in error.

    Raises:
        InputError: the folder has files that were computed with something else, or another process is writing it.
    """

    def __init__(self, path: Path, provenance: Provenance, *, force: bool = False) -> None:
        self.done, self.errors_path = DoneRows(), path / FOLDER_ERRORS
        self._path = path
        path.mkdir(parents=True, exist_ok=True)
        self._journal = Journal(path / ".journal")
        self._recorded = _RecordedFiles(self._journal)
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

    def begin(self, row_id: str, entry: Entry, names: Sequence[str]) -> list[Path]:
        """Record the files of a recording, and return their paths, after removing those of its other versions.

        Args:
            row_id: id of the row of the recording.
            entry: the recording.
            names: relative paths of the files.

        Raises:
            InputError: a file of such a name exists and is not of this recording, or there cannot be one.
        """
        paths, earlier = [self._path / name for name in names], self._recorded.of(entry)
        try:
            for name, path in zip(names, paths, strict=True):
                path.parent.mkdir(parents=True, exist_ok=True)
                if _exists(path) and name not in earlier and not self._journal.overwrites:
                    raise InputError(
                        f"{path} exists and is not of this recording; rename it, or --force to overwrite it"
                    )
            self._remove([*earlier, *names])  # before the journal says that they are of this version
        except OSError as error:
            if error.errno not in UNFIT_NAMES:
                raise
            raise InputError(f"{error.filename}: {error.strerror}; rename the recording") from error
        self._journal.add({"id": row_id, "outputs": names})
        return paths

    def discard(self, entry: Entry) -> None:
        """Remove the files of another version of a recording."""
        self._remove(self._recorded.of(entry))

    def close(self) -> None:
        """Close the journal, and let other processes open the folder."""
        self._resources.close()

    def _resume(self) -> None:
        """Read which recordings have their files."""
        start = self._journal.records_start
        for record, end in self._journal.records():
            row_id = parse_id(record["id"])
            if row_id is not None:
                self._recorded.add(row_id.key, start)
                if all((self._path / name).exists() for name in record["outputs"]):
                    self.done.add(row_id.key)
            start = end
        self.done.sort()
        self._recorded.sort()

    def _remove(self, names: Sequence[str]) -> None:
        for name in names:
            (self._path / name).unlink(missing_ok=True)


class _RecordedFiles:
    """Where the journal has the last record of each recording, in sixteen bytes each.

    Its files may have other names than now, and some may be missing after a kill.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._places, self._offsets = array("Q"), array("Q")

    def add(self, key: str, offset: int) -> None:
        """Add the record at an offset, which `of` finds after `sort`."""
        self._places.append(int(key[:PLACE_DIGITS], 16))
        self._offsets.append(offset)

    def sort(self) -> None:
        """Sort the recordings, so that they can be looked up; of one recording, the last record is the last one."""
        import numpy as np

        places, offsets = np.frombuffer(self._places, np.uint64), np.frombuffer(self._offsets, np.uint64)
        order = np.argsort(places, kind="stable")
        self._places, self._offsets = array("Q", places[order].tobytes()), array("Q", offsets[order].tobytes())

    def of(self, entry: Entry) -> list[str]:
        """Return the names of the files of a recording in any version; none if earlier runs made none."""
        place = int(entry.key[:PLACE_DIGITS], 16)
        index = bisect_right(self._places, place) - 1
        if index < 0 or self._places[index] != place:
            return []
        return self._journal.record_at(self._offsets[index])["outputs"]


def _exists(path: Path) -> bool:
    """Return whether there is something of that name; unlike `Path.exists`, raise an error if the name is unfit."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    return True
