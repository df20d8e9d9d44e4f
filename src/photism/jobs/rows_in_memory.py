"""Rows of a job in memory: one by one, as a DataFrame, or as a data set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from photism.errors import InputError
from photism.extras import missing
from photism.jobs.in_flight import InFlight
from photism.jobs.job import Job, Worker
from photism.jobs.provenance import Provenance
from photism.jobs.rows import make_error, make_rows, stage_of

if TYPE_CHECKING:
    import datasets
    import pandas

    from photism.audio.sources import SoundFile
    from photism.manifest.entry import Entry


class Rows:
    """Rows of a job, which are computed while they are iterated over. A second iteration computes them again.

    Args:
        job: what is done with each recording.
        recordings: the recordings.
        worker: model of the job; None to load it once.

    Attributes:
        errors: rows of the recordings that could not be used, as in a file of errors, by the last iteration.
    """

    def __init__(self, job: Job, recordings: Iterable[Entry], worker: Worker | None = None) -> None:
        self.job, self.recordings = job, recordings
        self.errors: list[dict[str, Any]] = []
        self._worker = worker

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the rows in the order of the recordings; vectors are NumPy arrays."""
        self._worker = self._worker or self.job.load()
        run = Provenance.of(self.job, self._worker).run
        self.errors = []
        in_flight = InFlight(self._readable(run))

        def skip(number: int, error: InputError) -> None:
            entry, sound = in_flight.pop(number)
            sound.release()
            self.errors.append(make_error(f"{run}-{entry.key}", entry, stage_of(error), error))

        for outcome in self._worker.stream((sound for _, sound in in_flight), on_error=skip):
            entry, sound = in_flight.pop(outcome.number)
            yield from make_rows(f"{run}-{entry.key}", entry, outcome, self.job.columns)
            sound.release()

    def to_pandas(self) -> pandas.DataFrame:
        """Return the rows as a DataFrame.

        Raises:
            InputError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise missing("pandas", "a DataFrame", "collection") from None
        return pandas.DataFrame(list(self))

    def to_dataset(self) -> datasets.Dataset:
        """Return the rows as a data set of `datasets`.

        Raises:
            InputError: datasets is not installed.
        """
        try:
            from datasets import Dataset
        except ImportError:
            raise missing("datasets", "a data set", "collection") from None
        rows = list(self)
        names = dict.fromkeys(name for row in rows for name in row)
        return Dataset.from_dict({name: [row.get(name) for row in rows] for name in names})

    def _readable(self, run: str) -> Iterator[tuple[Entry, SoundFile]]:
        """Yield the recordings that are listed correctly."""
        for entry in self.recordings:
            try:
                yield entry, entry.sound(self.job.reading)
            except InputError as error:
                self.errors.append(make_error(f"{run}-{entry.key}", entry, "listing", error))
