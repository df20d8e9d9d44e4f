"""Journal of an output: a hidden file that says what the output was computed with and which recordings it has.

It is in JSON Lines. The first line is the provenance, and each further line a record, whose fields belong to the kind
of output.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from photism.errors import InputError
from photism.files import atomic_path, sibling
from photism.jobs.outputs.appending import append
from photism.jobs.provenance import Provenance

REPLACE = "choose another output, or --force to replace it"
"""What to do about an output that a job must not continue, as the end of a message."""
NO_JOB_WROTE_IT = f"was not written by this command; {REPLACE}"
"""What is wrong with an output without a provenance, as the end of a message."""


class Journal:
    """A journal that is read and appended to.

    Args:
        path: the file.

    Attributes:
        provenance: provenance of the rows; None if there is no journal, or it is damaged.
        overwrites: files that are not of the job may be overwritten.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.provenance: Provenance | None = None
        self.overwrites = False
        with suppress(OSError, ValueError, KeyError, TypeError), path.open("rb") as file:
            first = json.loads(file.readline())
            self.provenance = Provenance.from_dict(first)
            self.overwrites = bool(first.get("overwrites"))

    @classmethod
    def of_file(cls, output: Path) -> Journal:
        """Return the journal of a file."""
        return cls(sibling(output, ".journal", prefix="."))

    def records(self) -> Iterator[tuple[dict[str, Any], int]]:
        """Yield the records, and the offset at which each ends, up to an incomplete one."""
        with self.path.open("rb") as file:
            end = len(file.readline())
            for line in file:
                end += len(line)
                if not line.endswith(b"\n"):
                    return
                yield json.loads(line), end

    def record_at(self, offset: int) -> dict[str, Any]:
        """Return the record that begins at an offset."""
        with self.path.open("rb") as file:
            file.seek(offset)
            return json.loads(file.readline())

    @property
    def records_start(self) -> int:
        """Offset at which the first record begins."""
        with self.path.open("rb") as file:
            return len(file.readline())

    def begin(self, provenance: Provenance, *, overwrites: bool = False) -> None:
        """Write a new journal without records."""
        with atomic_path(self.path) as unfinished:
            unfinished.write_bytes(_line({**provenance.as_dict(), "overwrites": overwrites}))
        self.provenance, self.overwrites = provenance, overwrites

    def cut(self, end: int) -> None:
        """Remove the records after an offset; 0 keeps none."""
        with self.path.open("rb+") as file:
            file.truncate(max(end, len(file.readline())))

    def open(self) -> None:
        """Open the journal, to which `add` appends."""
        self._file = self.path.open("ab", buffering=0)

    def add(self, record: Mapping[str, Any]) -> None:
        """Append a record."""
        append(self._file, _line(record), self.path)

    def close(self) -> None:
        """Close the journal."""
        self._file.close()

    def check_same(self, output: Path, provenance: Provenance) -> None:
        """Check that the output, if its provenance is known, was computed with the same model and settings.

        Raises:
            InputError: it was not.
        """
        check_same(output, self.provenance, provenance)


def check_same(output: str | Path, found: Provenance | None, provenance: Provenance) -> None:
    """Check that an output, if its provenance is known, was computed with the same model and settings.

    Raises:
        InputError: it was not.
    """
    if found is not None and found.run != provenance.run:
        raise InputError(f"{output} was computed with {provenance.differences(found)}; {REPLACE}")


def _line(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record).encode() + b"\n"
