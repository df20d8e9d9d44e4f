"""The progress bar of all verbs: on the terminal's error stream, with lines printed above it."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import typer

from photism.cli.exit_status import ExitStatus
from photism.errors import InputError
from photism.output_files import printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LINE_INTERVAL_S = 30.0
"""Time between two lines of progress where there is no terminal."""
SECONDS_PER_MINUTE, SECONDS_PER_HOUR = 60, 3600
ROUNDING = 1e-6
"""Most by which a sum of fractions of recordings is too small."""


class Echo(Protocol):
    """Function that prints a text, which has its own line breaks."""

    def __call__(self, text: str, /, *, err: bool = False) -> object:
        """Print a text, on the error stream if `err`."""
        ...


class ProgressBar:
    """A bar that shows how much is done; `progress_bar` opens it.

    Attributes:
        is_shown: whether there is a terminal to show it on.
    """

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task
        self.is_shown = not progress.disable

    @property
    def completed(self) -> float:
        """The amount that is done, of the total."""
        return self._progress.tasks[0].completed

    def update(
        self, completed: float, total: float | None = None, *, description: str | None = None, note: str | None = None
    ) -> None:
        """Show how much is done.

        Args:
            completed: amount that is done.
            total: amount that there is to do; None leaves the last one.
            description: what is being done; None leaves the last one.
            note: text next to the numbers, such as a speed; None leaves the last one.
        """
        if note is not None:
            self._progress.tasks[0].fields["note"] = note
        self._progress.update(self._task, completed=completed, total=total, description=description)

    def restart(self, description: str = "", *, completed: float = 0) -> None:
        """Begin a new measurement of time, at a given amount, for the next stage or after a resumption."""
        task = self._progress.tasks[0]
        if description:
            task.total = None  # of the next stage it is not known yet; `reset` and `update` leave the last one
        self._progress.reset(self._task, completed=int(completed), description=description or task.description, note="")

    def echo(self, text: str, *, err: bool = False) -> None:
        """Print text with its own line breaks, above the bar where one is shown on the same terminal."""
        if self.is_shown and (err or sys.stdout.isatty()):
            self._progress.console.out(text, highlight=False, end="")
        else:
            typer.echo(text, nl=False, err=err)


class RecordingsBar(ProgressBar):
    """A bar over recordings, the unreadable ones of which are reported and skipped; `recordings_bar` opens it.

    Where there is no terminal, it prints a line every `LINE_INTERVAL_S` seconds instead. It holds something only of
    the recordings that are being processed, so that there may be any number of them.

    Attributes:
        count: number of recordings; None if it is not known.
        skipped: number of recordings that cannot be used.
    """

    def __init__(
        self,
        progress: Progress,
        task: TaskID,
        count: int | None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(progress, task)
        self.count, self.skipped = count, 0
        self._in_progress: dict[int, tuple[float, float]] = {}  # seconds processed and duration, by number
        self._done_before, self._finished, self._finished_s = 0, 0, 0.0
        self._clock, self._started, self._last_line = clock, clock(), clock()

    def begin(self, count: int | None) -> None:
        """Start to measure the speed.

        Args:
            count: number of recordings; None if it is not known.
        """
        self.count = count
        self._started = self._last_line = self._clock()
        self.restart()
        self.update(0, count)

    def pass_done(self) -> None:
        """Count a recording that an earlier call processed, which says nothing about the speed."""
        self._done_before += 1
        self._show()

    def advance(self, number: int, processed_s: float, duration_s: float) -> None:
        """Show how far a recording is processed.

        Args:
            number: position of the recording among all, from 0.
            processed_s: seconds of it that are processed.
            duration_s: its length in seconds.
        """
        self._in_progress[number] = processed_s, duration_s
        self._show()

    def finish(self, number: int, duration_s: float) -> None:
        """Count a recording as processed, of which `advance` is not called again."""
        self._in_progress.pop(number, None)
        self._finished += 1
        self._finished_s += duration_s
        self._show()

    def skip(self, number: int, error: InputError) -> None:
        """Report a recording that cannot be used."""
        self._in_progress.pop(number, None)
        self.skipped += 1
        self.echo(f"{skipped_line(error)}\n", err=True)
        self._show()

    @property
    def done(self) -> int:
        """Number of recordings that are processed or skipped, now or by an earlier call."""
        return self._done_before + self._finished + self.skipped

    @property
    def processed_s(self) -> float:
        """Seconds of audio that were processed since `begin`."""
        return self._finished_s + sum(processed_s for processed_s, _ in self._in_progress.values())

    def summary(self) -> str:
        """Return how much is done, how fast, and when the rest will be."""
        done, count = math.floor(self.completed + ROUNDING), self.count
        share = f"{done:,} recordings" if not count else f"{done:,} of {count:,} recordings ({done / count:.1%})"
        return ", ".join([share, *self._notes()])

    def _show(self) -> None:
        partly = sum(processed_s / duration_s for processed_s, duration_s in self._in_progress.values())
        self.update(self.done + partly, self.count, note=", ".join(self._notes()))
        now = self._clock()
        if not self.is_shown and now - self._last_line >= LINE_INTERVAL_S:
            self._last_line = now
            self.echo(f"photism: {self.summary()}\n", err=True)

    def _notes(self) -> list[str]:
        """Return the amount of audio, the speed, the number of errors, and the time that is left."""
        elapsed_s, processed_s = self._clock() - self._started, self.processed_s
        speed = [format_speed(processed_s / elapsed_s)] if elapsed_s > 0 and processed_s > 0 else []
        errors = [f"{self.skipped:,} error{'s' * (self.skipped > 1)}"] if self.skipped else []
        new = self.completed - self._done_before
        left = []
        if self.count and new > 0:
            left = [f"about {format_duration((self.count - self.completed) * elapsed_s / new)} left"]
        return [f"{format_duration(processed_s)} of audio", *speed, *errors, *left]


def format_duration(seconds: float) -> str:
    """Return a duration in seconds, minutes or hours, such as "1.5 min"."""
    if seconds < SECONDS_PER_MINUTE:
        return f"{seconds:.0f} s"
    if seconds < SECONDS_PER_HOUR:
        return f"{seconds / SECONDS_PER_MINUTE:.1f} min"
    return f"{seconds / SECONDS_PER_HOUR:,.1f} h"


def format_speed(speed: float) -> str:
    """Return a speed in seconds of audio per second as hours per second, with two digits, such as "0.028 h/s"."""
    hours = speed / SECONDS_PER_HOUR
    decimals = max(0, 1 - math.floor(math.log10(hours)))
    return f"{hours:.{decimals}f} h/s"


@contextmanager
def progress_bar(description: str, total: float | None = None, *, quiet: bool = False) -> Generator[ProgressBar]:
    """Show a bar on the terminal's error stream until the end of the block; none where that is no terminal.

    Args:
        description: what is being done.
        total: amount that there is to do, if it is known.
        quiet: whether to show nothing.
    """
    with _progress(quiet=quiet, has_estimate=True) as progress:
        yield ProgressBar(progress, progress.add_task(description, total=total, note=""))


@contextmanager
def recordings_bar(
    description: str, count: int | None, *, clock: Callable[[], float] = time.monotonic
) -> Generator[RecordingsBar]:
    """Show a bar over recordings.

    Args:
        description: what is being done.
        count: number of recordings; None if it is not known.
        clock: returns the time in seconds.
    """
    with _progress(quiet=False, has_estimate=False) as progress:
        task = progress.add_task(description, total=count, note="")
        bar = RecordingsBar(progress, task, count, clock=clock)
        yield bar


def skipped_line(error: InputError) -> str:
    """Return the line that reports a recording that cannot be used."""
    return f"photism: skipped {printable(' '.join(str(error).split()))}"


def end_with_skipped(skipped: int, count: int) -> None:
    """Report how many of several recordings were skipped, if any were.

    Raises:
        typer.Exit: with status 2, if a recording was skipped.
    """
    if skipped:
        typer.echo(f"photism: {count - skipped:,} of {count:,} recordings were processed", err=True)
        raise typer.Exit(ExitStatus.MISTAKE)


def _progress(*, quiet: bool, has_estimate: bool) -> Progress:
    """Return a bar, with an estimate of the time that is left at a constant speed."""
    from rich import console, progress

    errors = console.Console(stderr=True)
    columns = [
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TaskProgressColumn(),
        progress.TextColumn("{task.fields[note]}"),
        progress.TimeElapsedColumn(),
    ]
    if has_estimate:
        columns += [progress.TextColumn("left"), progress.TimeRemainingColumn()]
    is_shown = errors.is_terminal and not quiet
    return progress.Progress(*columns, console=errors, transient=True, disable=not is_shown, redirect_stdout=False)
