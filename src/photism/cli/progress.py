"""How verbs go through sounds: a bar on the terminal, what is told above it, and what a bad recording does."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import typer

from photism.errors import InputError

MISTAKE = 2


@dataclass
class Bar:
    """How far it is: in sounds that are done, and in seconds that are heard."""

    progress: Any
    task: Any
    heard_s: dict[int, float] = field(default_factory=dict)  # by the number of the sound
    failures: int = 0

    def hear(self, number: int, heard_s: float, duration_s: float) -> None:
        """A sound is heard so far, as `OnHeard` says."""
        share = (heard_s - self.heard_s.get(number, 0.0)) / duration_s
        self.heard_s[number] = heard_s
        minutes = sum(self.heard_s.values()) / 60
        self.progress.update(self.task, advance=share, heard=f"{minutes:.1f} min of sound")

    def fail(self, number: int, error: InputError) -> None:
        """A sound, whichever of them, cannot be used."""
        self.failures += 1
        self.progress.advance(self.task)
        self.echo(f"photism: {' '.join(str(error).split())}\n", err=True)

    def echo(self, text: str, *, err: bool = False) -> None:
        """Prints lines, on a terminal above the bar: typer's own echo would write into it."""
        if self.progress.disable or not (err or sys.stdout.isatty()):
            typer.echo(text, nl=False, err=err)
        else:
            self.progress.console.out(text, highlight=False, end="")


@contextmanager
def progress_bar(doing: str, sounds: int) -> Generator[Bar]:
    """A bar on the terminal's error stream, gone when all is told; none where that is no terminal.

    Raises:
        typer.Exit: with status 2, in the end, where a sound could not be used.
    """
    from rich import console, progress

    errors = console.Console(stderr=True)
    columns = (
        progress.TextColumn(doing),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn("{task.fields[heard]}"),
        progress.TimeElapsedColumn(),
        progress.TextColumn("left"),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(
        *columns, console=errors, transient=True, disable=not errors.is_terminal, redirect_stdout=False
    ) as shown:
        bar = Bar(shown, shown.add_task(doing, total=sounds, heard=""))
        yield bar
    if bar.failures:
        raise typer.Exit(MISTAKE)
