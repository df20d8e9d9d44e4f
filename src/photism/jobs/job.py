"""Interfaces of what runs over many recordings: a job loads a worker, and a worker yields an outcome a recording."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from photism.audio.reading_settings import ReadingSettings
    from photism.audio.sources import SoundFile
    from photism.jobs.outputs.text_format import TextFormat
    from photism.listening.batching import OnError, OnProgress


class Vector:
    """Type of a column of vectors, float32 arrays (D,) that all have the same length."""


class Outcome(NamedTuple):
    """Result of a recording.

    Attributes:
        number: index of the recording among those that the worker was given, from 0.
        fields: columns of its row by name: JSON values, and NumPy arrays for vectors. The name of the recording, the id
            of the row and the columns of the manifest are added to them.
        duration_s: duration of the recording.
        result: object that the fields were made of, from which texts and plots are made.
        windows: further columns of each window, for a row per window instead of one for the recording. They have
            `start_s` and `end_s`, relative to the start of the recording.
    """

    number: int
    fields: dict[str, Any]
    duration_s: float
    result: Any
    windows: Sequence[Mapping[str, Any]] | None = None


class Worker(Protocol):
    """A loaded model that processes recordings."""

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the model: equal for equal weights, on any device."""
        ...

    def stream(
        self, recordings: Iterable[SoundFile], *, on_error: OnError, on_progress: OnProgress | None = None
    ) -> Iterator[Outcome]:
        """Yield the outcomes of recordings in their order.

        Args:
            recordings: the recordings, of which only as many are taken as are processed together.
            on_error: called for each recording that cannot be used, which is then skipped.
            on_progress: called with the index of a recording, the seconds of it that are processed, and its duration.
        """
        ...


class ModelChoice(Protocol):
    """Settings that choose a model."""

    @property
    def model(self) -> str | Path | None:
        """Folder or id of the model; None for the bundled one."""
        ...


class Job(Protocol):
    """What is done with each recording; it can be pickled and sent to another process.

    Attributes:
        verb: command that does the same, such as "hear".
        columns: columns that rows may have, by name, with their types as `photism.jobs.outputs.table_rows` describes
            them.
    """

    verb: ClassVar[str]
    columns: ClassVar[Mapping[str, Any]]

    @property
    def models(self) -> ModelChoice:
        """Settings of the models."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings that determine the rows, as JSON values: not the batch size, the threads or the device."""
        ...

    @property
    def reading(self) -> ReadingSettings:
        """Settings of reading the recordings."""
        ...

    def text_format(self, name: str) -> TextFormat:
        """Return a text format of the results.

        Raises:
            InputError: there is none of that name.
        """
        ...

    def load(self) -> Worker:
        """Load the model.

        Raises:
            InputError: it does not exist or cannot be used.
        """
        ...
