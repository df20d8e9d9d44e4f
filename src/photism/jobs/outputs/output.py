"""Interface of the outputs of jobs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from photism.jobs.done_rows import DoneRows
    from photism.jobs.job import Outcome
    from photism.jobs.provenance import Provenance
    from photism.manifest.entry import Entry


class Output(Protocol):
    """What a job has done, to which it appends; no other process can open it meanwhile.

    Whenever the process is killed, the output has all rows of a recording or none.
    """

    @property
    def done(self) -> DoneRows:
        """The recordings that it has."""
        ...

    @property
    def errors_path(self) -> Path | None:
        """File of the recordings that are in error; None if there is none."""
        ...

    def write(self, row_id: str, entry: Entry, outcome: Outcome) -> None:
        """Append the results of a recording, in place of those of its other versions.

        Raises:
            InputError: the results do not fit to those of other recordings.
            OSError: they cannot be written.
        """
        ...

    def discard(self, entry: Entry) -> None:
        """Remove the results of other versions of a recording, which cannot be used in this one."""
        ...

    def close(self) -> None:
        """Complete the output, and let other processes open it."""
        ...


OpenOutput: TypeAlias = "Callable[[Provenance], Output]"
"""Function that opens an output for rows of a provenance."""
