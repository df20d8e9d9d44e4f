"""A folder with the images of each recording."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from photism.errors import InputError
from photism.files import as_utf8, atomic_path, check_folder
from photism.jobs.done_rows import DoneRows, parse_id
from photism.jobs.outputs.errors_file import FOLDER_ERRORS
from photism.jobs.outputs.journal import Journal
from photism.jobs.outputs.lock import sole_writer

if TYPE_CHECKING:
    from photism.jobs.job import Outcome
    from photism.jobs.provenance import Provenance
    from photism.manifest.entry import Entry


class ImageFolder:
    """A folder of images, and a journal of which are of which recording.

    A recording is done if it is in the journal and its images exist. Its record is written before its images. Several
    images of a recording are numbered, from 1.

    Args:
        path: the folder, which is created.
        count: number of images of each recording.
        provenance: what the images are generated with.
        name_of: returns the relative path of a recording's image without its suffix, different for each recording.
        force: replace images that were generated with something else, and files that are not of a job.

    Attributes:
        done: the recordings that the folder has.
        errors_path: file of the recordings that are in error.

    Raises:
        InputError: the folder has images that were generated with something else, or another process is writing it.
    """

    def __init__(
        self, path: Path, count: int, provenance: Provenance, *, name_of: Callable[[Entry], str], force: bool = False
    ) -> None:
        check_folder(path, "-o")
        self.done, self.errors_path = DoneRows(), path / FOLDER_ERRORS
        self._recorded = DoneRows()  # also those of which a kill or the user left only some images
        self._path, self._count, self._name_of = path, count, name_of
        path.mkdir(parents=True, exist_ok=True)
        self._journal = Journal(path / ".journal")
        with ExitStack() as resources:
            resources.enter_context(sole_writer(path / "folder"))
            if force or self._journal.provenance is None:
                if force:
                    self.errors_path.unlink(missing_ok=True)
                self._journal.begin(provenance, overwrites=force)
            else:
                self._journal.check_same(path, provenance)
                self._resume()
            self._journal.open()
            resources.callback(self._journal.close)
            self._resources = resources.pop_all()

    def write(self, row_id: str, entry: Entry, outcome: Outcome) -> None:
        """Write the images of a recording.

        Raises:
            InputError: a file of that name exists, and is not of this recording.
        """
        names = self._file_names(entry)
        may_replace = self._recorded.has_place(entry.key) or self._journal.overwrites
        for name in names:
            path = self._path / name
            if path.exists() and not may_replace:
                raise InputError(f"{path} exists and is not of this recording; rename it, or --force to overwrite it")
        self._remove(names)  # before the journal says that they are of this version
        self._journal.add({"id": row_id, "outputs": names})
        for name, image in zip(names, outcome.result.images, strict=True):
            target = self._path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(target) as unfinished:
                unfinished.write_bytes(image)
        self.done.add(entry.key)

    def discard(self, entry: Entry) -> None:
        """Remove the images of another version of a recording."""
        if self._recorded.has_place(entry.key):
            self._remove(self._file_names(entry))

    def close(self) -> None:
        """Close the journal."""
        self._resources.close()

    def _resume(self) -> None:
        """Read which recordings have their images."""
        for record, _ in self._journal.records():
            row_id = parse_id(record["id"])
            if row_id is None:
                continue
            self._recorded.add(row_id.key)
            if all((self._path / name).exists() for name in record["outputs"]):
                self.done.add(row_id.key)
        self.done.sort()
        self._recorded.sort()

    def _file_names(self, entry: Entry) -> list[str]:
        numbers = [""] if self._count == 1 else [f"-{number}" for number in range(1, self._count + 1)]
        return [as_utf8(f"{self._name_of(entry)}{number}.png") for number in numbers]

    def _remove(self, names: Sequence[str]) -> None:
        for name in names:
            (self._path / name).unlink(missing_ok=True)
