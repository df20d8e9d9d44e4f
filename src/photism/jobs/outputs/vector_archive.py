"""Vectors in one file for NumPy (.npz) or as safetensors, which can only be written as a whole.

Rows are appended to a hidden file of JSON Lines next to it, from which the file is made when the output is closed. When
it is opened again, the rows are read from the file.

.npz has the arrays `vectors` float32 (N, D), `files` text (N,), `start_s` and `end_s` float64 (N,), NaN where there is
no window, `ids` text (N,), and `provenance`, a text in JSON. .safetensors has the tensor `vectors`, and the others as
JSON in its metadata.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from photism.errors import InputError, as_input_error
from photism.files import atomic_path, sibling
from photism.jobs.outputs.errors_file import errors_path
from photism.jobs.outputs.journal import NO_JOB_WROTE_IT, Journal, check_same
from photism.jobs.outputs.json_lines import JsonLines
from photism.jobs.provenance import Provenance
from photism.jobs.rows import as_json_line
from photism.sole_writer import sole_writer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from photism.jobs.job import Outcome
    from photism.manifest.entry import Entry

SUFFIXES = (".npz", ".safetensors")
VECTOR = "vector"
"""Column of the vectors in the rows of a job."""
TEXT_COLUMNS = {"files": "file", "ids": "id"}
"""Arrays of texts, and the columns that they are made from."""
TIME_COLUMNS = ("start_s", "end_s")
WRITTEN_ROWS = 1024
MAX_HEADER_BYTES = 100_000_000
"""Longest header that safetensors reads."""


Arrays: TypeAlias = "Mapping[str, NDArray[np.generic]]"
"""Arrays of a file by name."""


class VectorArchive:
    """A file of vectors.

    Args:
        path: the file.
        provenance: what the vectors are computed with.
        columns: names of columns that rows of the job may have.
        force: replace vectors that were computed with something else, and a file that no job wrote.

    Attributes:
        done: the recordings that the file has.
        errors_path: file of the recordings that are in error.

    Raises:
        InputError: no job wrote the file, or it has other vectors, or another process is writing it.
    """

    def __init__(self, path: Path, provenance: Provenance, columns: Collection[str], *, force: bool = False) -> None:
        self._path, self._provenance = path, provenance
        self._rows_path = sibling(path, ".rows.jsonl", prefix=".")
        self.errors_path = errors_path(path)
        with ExitStack() as resources:
            resources.enter_context(sole_writer(path))
            if force:
                for each in (path, self._rows_path, self.errors_path):
                    each.unlink(missing_ok=True)
            elif path.exists() and not self._rows_path.exists():
                self._unpack()
            self._rows = JsonLines(self._rows_path, provenance, columns, lock=False)
            self._resources = resources.pop_all()
        self.done = self._rows.done
        self._is_changed = not path.exists()

    def write(self, row_id: str, entry: Entry, outcome: Outcome) -> None:
        """Append the vectors of a recording to the rows."""
        self._rows.write(row_id, entry, outcome)
        self._is_changed = True

    def discard(self, entry: Entry) -> None:
        """Remove the vectors of other versions of a recording when the file is closed."""
        self._rows.discard(entry)
        self._is_changed |= self.done.has_superseded

    def close(self) -> None:
        """Make the file from the rows."""
        with self._resources:
            self._rows.close()
            if self._is_changed:
                self._pack()
            self._rows_path.unlink(missing_ok=True)
            Journal.of_file(self._rows_path).path.unlink(missing_ok=True)

    def _unpack(self) -> None:
        """Make rows from the file.

        Raises:
            InputError: no job wrote the file, or it has other vectors.
        """
        with as_input_error(f"{self._path} {NO_JOB_WROTE_IT}"):
            read = _read_npz if self._path.suffix.lower() == ".npz" else _read_safetensors
            provenance, rows = read(self._path)
        check_same(self._path, provenance, self._provenance)
        with atomic_path(self._rows_path) as unfinished, unfinished.open("wb") as file:
            file.writelines(as_json_line(row) for row in rows)

    def _pack(self) -> None:
        """Write the rows as arrays."""
        import numpy as np

        count, width, lengths = 0, 0, dict.fromkeys(TEXT_COLUMNS, 1)
        for row in self._read_rows():
            count, width = count + 1, len(row[VECTOR])
            lengths = {name: max(lengths[name], len(row[column])) for name, column in TEXT_COLUMNS.items()}
        if not count:
            self._path.unlink(missing_ok=True)
            return
        with TemporaryDirectory(dir=self._path.parent, prefix=".photism-") as folder:
            shapes: dict[str, tuple[str, tuple[int, ...]]] = {
                "vectors": ("<f4", (count, width)),
                **dict.fromkeys(TIME_COLUMNS, ("<f8", (count,))),
                **{name: (f"<U{length}", (count,)) for name, length in lengths.items()},
            }
            arrays = {
                name: np.lib.format.open_memmap(Path(folder) / f"{name}.npy", "w+", dtype, shape)
                for name, (dtype, shape) in shapes.items()
            }
            for number, row in enumerate(self._read_rows()):
                arrays["vectors"][number] = row[VECTOR]
                for name in TIME_COLUMNS:
                    arrays[name][number] = math.nan if row.get(name) is None else row[name]
                for name, column in TEXT_COLUMNS.items():
                    arrays[name][number] = row[column]
            write = _write_npz if self._path.suffix.lower() == ".npz" else _write_safetensors
            with atomic_path(self._path) as unfinished, unfinished.open("wb") as file:
                write(file, arrays, json.dumps(self._provenance.as_dict()))

    def _read_rows(self) -> Iterator[dict[str, Any]]:
        with self._rows_path.open("rb") as file:
            for line in file:
                yield json.loads(line)


def _write_npz(file: IO[bytes], arrays: Arrays, provenance: str) -> None:
    import numpy as np

    with zipfile.ZipFile(file, "w") as archive:
        for name, array in {**arrays, "provenance": np.array(provenance)}.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _read_npz(path: Path) -> tuple[Provenance, Iterator[dict[str, Any]]]:
    import numpy as np

    with np.load(path, allow_pickle=False) as archive:
        provenance = Provenance.from_dict(json.loads(str(archive["provenance"])))

    def rows() -> Iterator[dict[str, Any]]:
        with TemporaryDirectory(dir=path.parent, prefix=".photism-") as folder:
            with zipfile.ZipFile(path) as archive:
                archive.extractall(folder)
            names = ("vectors", *TIME_COLUMNS, *TEXT_COLUMNS)
            yield from _as_rows({name: np.load(Path(folder) / f"{name}.npy", mmap_mode="r") for name in names})

    return provenance, rows()


def _write_safetensors(file: IO[bytes], arrays: Arrays, provenance: str) -> None:
    vectors = arrays["vectors"]
    metadata = {name: json.dumps(array.tolist()) for name, array in arrays.items() if name != "vectors"}
    described = {"dtype": "F32", "shape": list(vectors.shape), "data_offsets": [0, vectors.nbytes]}
    header = json.dumps({"__metadata__": {**metadata, "provenance": provenance}, "vectors": described}).encode()
    header += b" " * (-len(header) % 8)  # so that the data are aligned
    if len(header) > MAX_HEADER_BYTES:
        raise InputError(f"{len(vectors):,} vectors are too many names for the header of safetensors; use .npz")
    file.write(len(header).to_bytes(8, "little") + header)
    for start in range(0, len(vectors), WRITTEN_ROWS):
        file.write(vectors[start : start + WRITTEN_ROWS].tobytes())


def _read_safetensors(path: Path) -> tuple[Provenance, Iterator[dict[str, Any]]]:
    import numpy as np

    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(min(length, MAX_HEADER_BYTES)))
    metadata, shape = header["__metadata__"], tuple(header["vectors"]["shape"])
    arrays = {name: np.array(json.loads(metadata[name])) for name in (*TIME_COLUMNS, *TEXT_COLUMNS)}
    vectors = np.memmap(path, "<f4", "r", offset=8 + length, shape=shape)
    return Provenance.from_dict(json.loads(metadata["provenance"])), _as_rows({"vectors": vectors, **arrays})


def _as_rows(arrays: Arrays) -> Iterator[dict[str, Any]]:
    """Yield the rows that arrays were made from."""
    for number, vector in enumerate(arrays["vectors"]):
        texts = {column: str(arrays[name][number]) for name, column in TEXT_COLUMNS.items()}
        times = {name: float(arrays[name][number]) for name in TIME_COLUMNS}
        times = {name: time for name, time in times.items() if not math.isnan(time)}
        yield {"file": texts["file"], **times, VECTOR: vector, "id": texts["id"]}
