"""Interface of what shows the progress of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from photism.errors import InputError

if TYPE_CHECKING:
    from photism.audio.sources import SoundFile
    from photism.jobs.job import Outcome
    from photism.manifest.entry import Entry


NOT_READ = -1
"""Number of a recording that the model is not given, since it is listed wrongly."""


class Progress(Protocol):
    """What is shown of a job; numbers count the recordings that the model is given, from 0."""

    def begin(self, count: int | None) -> None:
        """Start, with the number of recordings if it is known."""
        ...

    def pass_done(self) -> None:
        """Count a recording that was processed by an earlier call."""
        ...

    def advance(self, number: int, processed_s: float, duration_s: float) -> None:
        """Show how many seconds of a recording are processed."""
        ...

    def finish(self, number: int, duration_s: float) -> None:
        """Count a recording that is processed."""
        ...

    def skip(self, number: int, error: InputError) -> None:
        """Count and report a recording that cannot be used."""
        ...


class NoProgress:
    """Progress that is not shown."""

    def begin(self, count: int | None) -> None:
        """Ignore the start."""

    def pass_done(self) -> None:
        """Ignore a recording that was processed by an earlier call."""

    def advance(self, number: int, processed_s: float, duration_s: float) -> None:
        """Ignore the progress within a recording."""

    def finish(self, number: int, duration_s: float) -> None:
        """Ignore a recording that is processed."""

    def skip(self, number: int, error: InputError) -> None:
        """Ignore a recording that cannot be used; it has a row in the file of errors."""


class OnOutcome(Protocol):
    """Callback for the outcome of a recording, before its row is written."""

    def __call__(self, entry: Entry, sound: SoundFile, outcome: Outcome) -> None:
        """Use the outcome; the recording can be read again."""
        ...
