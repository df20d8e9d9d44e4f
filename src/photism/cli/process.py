"""Run a job for a verb: load its model, show the progress, and report what could not be processed."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import typer

from photism.cli.exit_status import ExitStatus, interrupted
from photism.cli.progress import end_with_skipped, format_duration, recordings_bar, skipped_line
from photism.cli.startup import startup
from photism.errors import InputError
from photism.jobs.run import Summary, run
from photism.output_files import printable

if TYPE_CHECKING:
    from photism.audio.sources import SoundFile
    from photism.cli.outputs import OutputPlan
    from photism.cli.progress import Echo
    from photism.jobs.done_rows import DoneRows
    from photism.jobs.job import Job, Outcome, Worker
    from photism.jobs.outputs.output import OpenOutput, Output
    from photism.jobs.progress import OnOutcome
    from photism.jobs.settings import RunSettings
    from photism.listening.segments import Segment
    from photism.manifest.entry import Entry
    from photism.manifest.read import Manifest

OnWritten: TypeAlias = "Callable[[Echo, Entry, Outcome], None]"
"""Callback for a recording whose results are written: a function that prints above the bar, and the outcome."""


def process(
    job: Job,
    manifest: Manifest,
    plan: OutputPlan,
    running: RunSettings,
    *,
    description: str,
    device: object = None,
    segments_of: Callable[[Any], Sequence[Segment]] | None = None,
    on_load: Callable[[Worker], None] | None = None,
    on_written: OnWritten | None = None,
    on_end: Callable[[Summary], None] | None = None,
) -> None:
    """Process recordings, and write or print the results.

    Args:
        job: what is done with each recording.
        manifest: the recordings.
        plan: where the results go.
        running: how the job runs.
        description: what the bar says is being done.
        device: device that the user chose.
        segments_of: returns the segments of a result, for plots.
        on_load: called with the worker of the job, once its model is loaded in this process.
        on_written: called after the results of a recording are written.
        on_end: called at the end, before anything is reported.

    Raises:
        typer.Exit: with status 2, if a recording could not be processed; with status 130 after Ctrl-C.
    """
    if not manifest.is_collection:
        _end_if_missing(manifest)

    with (
        open_worker(job, running, device=device, on_load=on_load) as worker,
        recordings_bar(description, manifest.count) as bar,
    ):
        open_output = plan.opener(bar.echo)
        if on_written is not None:
            open_output = _reporting(open_output, lambda entry, outcome: on_written(bar.echo, entry, outcome))
        try:
            summary = run(
                job,
                manifest,
                open_output,
                max_errors=running.max_errors,
                worker=worker,
                progress=bar,
                on_outcome=_plotting(plan, segments_of),
            )
        except KeyboardInterrupt:
            if not plan.is_job:
                raise
            count = "" if bar.count is None else f" of {bar.count:,}"
            message = f" after {bar.done:,}{count} recordings. Run the same command again to resume."
            raise interrupted(message) from None
    if on_end is not None:
        on_end(summary)
    _report(summary, is_collection=manifest.is_collection)


def _plotting(plan: OutputPlan, segments_of: Callable[[Any], Sequence[Segment]] | None) -> OnOutcome | None:
    """Return a function that plots the segments of a recording, if there are plots."""
    plot_of = plan.plot_of
    if plot_of is None or segments_of is None:
        return None

    def plot(entry: Entry, sound: SoundFile, outcome: Outcome) -> None:
        """Plot the segments of a recording."""
        from photism.audio.streaming import stream_samples
        from photism.listening.plot import plot_segments

        target = plot_of(entry)
        target.parent.mkdir(parents=True, exist_ok=True)
        segments, duration_s = segments_of(outcome.result), outcome.duration_s
        plot_segments(target, stream_samples(sound), segments, duration_s=duration_s, title=entry.location)

    return plot


@contextmanager
def open_worker(
    job: Job, running: RunSettings, *, device: object = None, on_load: Callable[[Any], None] | None = None
) -> Generator[Worker]:
    """Load the model of a job in this process, or on a Ray cluster until the end of the block.

    Args:
        job: the job.
        running: how it runs.
        device: device that the user chose.
        on_load: called with the worker, if it is in this process.

    Raises:
        InputError: the model cannot be loaded, or there is no such cluster.
    """
    if running.ray is not None:
        from photism.jobs.ray_worker import ray_worker

        with ray_worker(job, running.ray, device=device, workers=running.ray_workers) as worker:
            yield worker
        return
    with startup():
        worker = job.load()
    if on_load is not None:
        on_load(worker)
    yield worker


def _end_if_missing(manifest: Manifest) -> None:
    """End with status 2, before a model is loaded, if none of the recordings can be read.

    Raises:
        typer.Exit: none can be read.
    """
    problems = [entry.problem for entry in manifest]
    if all(problems):
        for problem in problems:
            typer.echo(skipped_line(InputError(problem)), err=True)
        end_with_skipped(len(problems), len(problems))


def _report(summary: Summary, *, is_collection: bool) -> None:
    """Print what was done, unless all of a few recordings were processed, and end with status 2 after errors.

    Raises:
        typer.Exit: there were errors.
    """
    done = summary.processed + summary.done_before
    if summary.errors:
        line = str(summary)
    elif summary.done_before and not summary.processed:
        every = "the recording was" if done == 1 else f"all {done:,} recordings were"
        line = f"{every} processed before; --force does it again"
    elif is_collection or summary.done_before:
        line = f"{summary}, {format_duration(summary.duration_s)} of audio"
    else:
        return
    typer.echo(f"photism: {printable(line)}", err=True)
    if summary.errors:
        raise typer.Exit(ExitStatus.MISTAKE)


def _reporting(open_output: OpenOutput, report: Callable[[Entry, Outcome], None]) -> OpenOutput:
    """Return a function that opens an output which reports what it has written."""
    return lambda provenance: _ReportingOutput(open_output(provenance), report)


class _ReportingOutput:
    """An output that calls a function after each recording that it has written."""

    def __init__(self, output: Output, report: Callable[[Entry, Outcome], None]) -> None:
        self._output, self._report = output, report
        self.errors_path, self.discard, self.close = output.errors_path, output.discard, output.close

    @property
    def done(self) -> DoneRows:
        """The recordings that the output has."""
        return self._output.done

    def write(self, row_id: str, entry: Entry, outcome: Outcome) -> None:
        """Write the results of a recording, and report them."""
        self._output.write(row_id, entry, outcome)
        self._report(entry, outcome)
