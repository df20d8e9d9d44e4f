"""A folder with the images of each recording."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from photism.files import as_utf8, atomic_path, check_folder
from photism.jobs.outputs.folder_files import FolderFiles

if TYPE_CHECKING:
    from photism.jobs.job import Outcome
    from photism.jobs.provenance import Provenance
    from photism.manifest.entry import Entry


class ImageFolder:
    """A folder of images. Several images of a recording are numbered, from 1.

    Args:
        path: the folder, which is created.
        count: number of images of each recording.
        provenance: what the images are generated with.
        name_of: returns the relative path of a recording's image without its suffix, different for each recording.
        force: replace images that were generated with something else, and files that no job wrote.

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
        self._count, self._name_of = count, name_of
        self._files = FolderFiles(path, provenance, force=force)
        self.done, self.errors_path = self._files.done, self._files.errors_path
        self.discard, self.close = self._files.discard, self._files.close

    def write(self, row_id: str, entry: Entry, outcome: Outcome) -> None:
        """Write the images of a recording.

        Raises:
            InputError: a file of that name exists and is not of this recording, or there cannot be one.
        """
        paths = self._files.begin(row_id, entry, self._file_names(entry))
        for path, image in zip(paths, outcome.result.images, strict=True):
            with atomic_path(path) as unfinished:
                unfinished.write_bytes(image)
        self.done.add(entry.key)

    def _file_names(self, entry: Entry) -> list[str]:
        numbers = [""] if self._count == 1 else [f"-{number}" for number in range(1, self._count + 1)]
        return [as_utf8(f"{self._name_of(entry)}{number}.png") for number in numbers]
