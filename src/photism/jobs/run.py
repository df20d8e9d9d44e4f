"""Run a job over many recordings, and write the results as they are done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, overload

from photism.errors import InputError
from photism.jobs.in_flight import InFlight
from photism.jobs.job import Job, Worker
from photism.jobs.outputs.errors_file import ErrorsFile
from photism.jobs.outputs.opener import output_opener
from photism.jobs.outputs.output import OpenOutput, Output
from photism.jobs.progress import NOT_READ, NoProgress, OnOutcome, Progress
from photism.jobs.provenance import Provenance
from photism.jobs.rows import Stage, stage_of
from photism.jobs.rows_in_memory import Rows
from photism.jobs.survey import survey_for
from photism.manifest.in_memory import Recordings, as_manifest

if TYPE_CHECKING:
    from photism.audio.sources import SoundFile
    from photism.manifest.entry import Entry


@dataclass
class Summary:
    """Counts and outcome of a run.

    Attributes:
        processed: number of recordings that this run processed.
        done_before: number of recordings that the output had.
        errors: number of recordings that are in error.
        duration_s: seconds of audio that this run processed.
        errors_file: file of the errors; None if there are none, or no file is written.
        stopped: whether the run ended because there were more errors than allowed.
    """

    processed: int = 0
    done_before: int = 0
    errors: int = 0
    duration_s: float = 0.0
    errors_file: Path | None = None
    stopped: bool = False

    def __str__(self) -> str:
        """Return the numbers as a sentence."""
        done = self.processed + self.done_before
        earlier = f" ({self.done_before:,} before)" if self.done_before else ""
        errors = f"{self.errors:,} error{'s' * (self.errors != 1)}"
        errors += f" in {self.errors_file}" if self.errors_file else ""
        if self.stopped:
            again = "; run the same command again to resume" if self.errors_file else ""
            processed = f"{done:,} recording{' was' if done == 1 else 's were'} processed"
            return f"stopped after {errors}; {processed}{earlier}{again}"
        text = f"{done:,} of {done + self.errors:,} recordings were processed{earlier}"
        return f"{text}, {errors}; run the same command again to retry them" if self.errors_file else text


@overload
def run(job: Job, recordings: Recordings, output: None = None, *, worker: Worker | None = None) -> Rows: ...


@overload
def run(
    job: Job,
    recordings: Recordings,
    output: str | Path | OpenOutput,
    *,
    format: str | None = None,
    force: bool = False,
    max_errors: int | None = None,
    worker: Worker | None = None,
    progress: Progress | None = None,
    on_outcome: OnOutcome | None = None,
) -> Summary: ...


def run(
    job: Job,
    recordings: Recordings,
    output: str | Path | OpenOutput | None = None,
    *,
    format: str | None = None,
    force: bool = False,
    max_errors: int | None = None,
    worker: Worker | None = None,
    progress: Progress | None = None,
    on_outcome: OnOutcome | None = None,
) -> Summary | Rows:
    """Process recordings and write the results as they are done, or return them.

    The same call again goes on where it was interrupted: recordings that the output has are not read again, and those
    that have changed since are processed again. Recordings in error are rows of a file of errors next to the output,
    and each call tries them again.

    Args:
        job: what is done with each recording, such as `HearJob`.
        recordings: the recordings, as `as_manifest` takes them.
        output: file or folder, whose suffix says the format; or a function that opens an output for the provenance of
            its rows. Without one, nothing is written, and the rows are returned, which are computed as they are used.
        format: text format; by default the one that the suffix says.
        force: do everything again, and replace an output that was computed with another model or settings.
        max_errors: number of errors above which the run ends; None for no limit.
        worker: model of the job, if it is loaded already.
        progress: shows the progress.
        on_outcome: called with each outcome before it is written.

    Raises:
        InputError: the output was computed with another model or settings, was written by something else, or is
            being written by another process; or the model cannot be loaded.
    """
    recordings = as_manifest(recordings)
    if output is None:
        return Rows(job, recordings, worker)
    if callable(output):
        open_target = output
    else:
        open_target = output_opener(output, job, survey_for(output, format, recordings), format=format, force=force)
    worker = worker or job.load()
    provenance = Provenance.of(job, worker)
    with closing(open_target(provenance)) as target:
        loop = _Run(job, target, provenance.run, max_errors, progress or NoProgress(), on_outcome)
        loop.progress.begin(getattr(recordings, "count", None))
        try:
            loop.process(worker, recordings)
        except _TooManyErrors:
            loop.summary.stopped = True
        except KeyboardInterrupt:
            loop.close()
            raise
        loop.close()
    return loop.summary


class _TooManyErrors(Exception):
    """There are more errors than allowed."""


class _Run:
    """State of a run: the recordings in flight, the output, the file of errors, and the summary."""

    def __init__(
        self,
        job: Job,
        output: Output,
        run: str,
        max_errors: int | None,
        progress: Progress,
        on_outcome: OnOutcome | None,
    ) -> None:
        self.summary, self.progress = Summary(), progress
        self._job, self._output, self._run = job, output, run
        self._max_errors, self._on_outcome = max_errors, on_outcome
        self._errors = None if output.errors_path is None else ErrorsFile(output.errors_path)

    def process(self, worker: Worker, recordings: Iterable[Entry]) -> None:
        """Process the recordings that the output does not have."""
        self._in_flight = InFlight(self._to_do(recordings))
        sounds = (sound for _, sound in self._in_flight)
        for outcome in worker.stream(sounds, on_error=self._skip, on_progress=self.progress.advance):
            entry, sound = self._in_flight.pop(outcome.number)
            try:
                if self._on_outcome is not None:
                    self._on_outcome(entry, sound, outcome)
                self._output.write(self._id_of(entry), entry, outcome)
            except InputError as error:
                self._report(outcome.number, entry, "writing", error)
            else:
                self.summary.processed += 1
                self.summary.duration_s += outcome.duration_s
                self.progress.finish(outcome.number, outcome.duration_s)
            sound.release()

    def close(self) -> None:
        """Remove errors that are no longer there; after a failure such as a full disk, the next run does that."""
        if self._errors is not None:
            self.summary.errors_file = self._errors.close(self._output.done)

    def _to_do(self, recordings: Iterable[Entry]) -> Iterator[tuple[Entry, SoundFile]]:
        """Yield the recordings that the output does not have."""
        for entry in recordings:
            if entry.key in self._output.done:
                self.summary.done_before += 1
                self.progress.pass_done()
                continue
            try:
                sound = entry.sound(self._job.reading)
            except InputError as error:
                self._report(NOT_READ, entry, "listing", error)
                continue
            yield entry, sound

    def _skip(self, number: int, error: InputError) -> None:
        """Report a recording that the model cannot use."""
        entry, sound = self._in_flight.pop(number)
        sound.release()
        self._report(number, entry, stage_of(error), error)

    def _report(self, number: int, entry: Entry, where: Stage, error: InputError) -> None:
        """Write an error, and end the run if there are more than allowed."""
        self._output.discard(entry)
        if self._errors is not None:
            self._errors.add(entry, self._id_of(entry), where, error)
        self.summary.errors += 1
        self.progress.skip(number, error)
        if self._max_errors is not None and self.summary.errors > self._max_errors:
            raise _TooManyErrors

    def _id_of(self, entry: Entry) -> str:
        return f"{self._run}-{entry.key}"
