"""The progress bar of all verbs: on the terminal's error stream, with lines printed above it."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from photism.cli.exit_status import ExitStatus
from photism.errors import InputError
from photism.output_files import printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


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
    """A bar over recordings, the unreadable ones of which are reported and skipped; `recordings_bar` opens it."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        super().__init__(progress, task)
        self._processed_s: dict[int, float] = {}  # by the number of the recording
        self.skipped = 0

    def advance(self, number: int, processed_s: float, duration_s: float) -> None:
        """Show how far a recording is processed.

        Args:
            number: position of the recording among all, from 0.
            processed_s: seconds of it that are processed.
            duration_s: its length in seconds.
        """
        fraction = (processed_s - self._processed_s.get(number, 0.0)) / duration_s
        self._processed_s[number] = processed_s
        minutes = sum(self._processed_s.values()) / 60
        self.update(self.completed + fraction, note=f"{minutes:.1f} min of audio")

    def skip(self, number: int, error: InputError) -> None:
        """Report a recording that cannot be used."""
        self.skipped += 1
        self.update(self.completed + 1)
        self.echo(f"{skipped_line(error)}\n", err=True)


@contextmanager
def progress_bar(description: str, total: float | None = None, *, quiet: bool = False) -> Generator[ProgressBar]:
    """Show a bar on the terminal's error stream until the end of the block; none where that is no terminal.

    Args:
        description: what is being done.
        total: amount that there is to do, if it is known.
        quiet: whether to show nothing.
    """
    with _progress(quiet=quiet) as progress:
        yield ProgressBar(progress, progress.add_task(description, total=total, note=""))


@contextmanager
def recordings_bar(description: str, count: int) -> Generator[RecordingsBar]:
    """Show a bar over recordings.

    Args:
        description: what is being done.
        count: number of recordings.

    Raises:
        typer.Exit: with status 2, at the end, if a recording was skipped.
    """
    with _progress(quiet=False) as progress:
        bar = RecordingsBar(progress, progress.add_task(description, total=count, note=""))
        yield bar
    end_with_skipped(bar.skipped, count)


def skipped_line(error: InputError) -> str:
    """Return the line that reports a recording that cannot be used."""
    return f"photism: skipped {printable(' '.join(str(error).split()))}"


def end_with_skipped(skipped: int, count: int) -> None:
    """Report how many of several recordings were skipped, if any were.

    Raises:
        typer.Exit: with status 2, if a recording was skipped.
    """
    if skipped:
        typer.echo(f"photism: {count - skipped} of {count} recordings were processed", err=True)
        raise typer.Exit(ExitStatus.MISTAKE)


def _progress(*, quiet: bool) -> Progress:
    from rich import console, progress

    errors = console.Console(stderr=True)
    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn("{task.fields[note]}"),
        progress.TimeElapsedColumn(),
        progress.TextColumn("left"),
        progress.TimeRemainingColumn(),
    )
    is_shown = errors.is_terminal and not quiet
    return progress.Progress(*columns, console=errors, transient=True, disable=not is_shown, redirect_stdout=False)
