"""Options, progress display and error handling shared by `align` and `finetune`."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from photism.cli import options as option
from photism.cli.exit_status import interrupted
from photism.cli.progress import ProgressBar, progress_bar
from photism.cli.startup import startup
from photism.training.settings import TrainingSettings

if TYPE_CHECKING:
    from photism.training.logging import Listener
    from photism.training.task import Evaluation
    from photism.training.trainer import Progress

LINE_EVERY_S = 30.0
"""Time between lines about the progress where there is no terminal for a bar."""

Resume = Annotated[
    bool,
    typer.Option(
        "--resume", help="Continue from the last checkpoint in the output folder.", rich_help_panel=option.OUTPUT
    ),
]


def run_training(settings: TrainingSettings, *, resume: bool) -> None:
    """Run a training, show its progress and print its output folder.

    Args:
        settings: settings of the verb.
        resume: continue from the last checkpoint in the output folder.

    Raises:
        typer.Exit: the training was interrupted.
    """
    with startup():
        from photism.training.run import train

    with progress_bar("", quiet=not is_main()) as bar:
        finished = train(settings, resume=resume, listener=TrainingProgress(bar).listener())
    if not finished:
        raise interrupted(f". Resume with: photism {settings.verb} -o {settings.output} --resume")
    if is_main():
        typer.echo(settings.output)


def is_main() -> bool:
    """Return whether this process, of those that torchrun or accelerate started, is the one that prints."""
    return os.environ.get("RANK", "0") == "0"


class TrainingProgress:
    """Display of a training: lines for what is done and a progress bar, or further lines in place of it.

    Args:
        bar: progress bar.
    """

    def __init__(self, bar: ProgressBar) -> None:
        self.bar, self.current_stage, self.printed_at = bar, "", time.monotonic()

    def listener(self) -> Listener:
        """Return callbacks that update the display."""
        from photism.training.logging import Listener

        return Listener(
            stage=self.stage, prepared=self.prepared, report=self.report, step=self.step, evaluated=self.evaluated
        )

    def stage(self, text: str) -> None:
        """Show that a stage begins."""
        self.current_stage = text
        self.bar.restart(text)

    def prepared(self, amount: float) -> None:
        """Show how many hours of audio, or how many captions, are prepared."""
        from photism.training.logging import describe_prepared

        note = describe_prepared(amount)
        if self._is_line_due():
            self._print(f"{self.current_stage}: {note}")
        self.bar.update(0, note=note)

    def report(self, lines: Sequence[str]) -> None:
        """Print the lines of a report."""
        for line in lines:
            self._print(line)

    def step(self, progress: Progress) -> None:
        """Show loss and speed of a step."""
        if self._is_line_due():
            losses = "  ".join(f"{name} {value:.4g}" for name, value in progress.losses.items())
            self._print(
                f"step {progress.step} of {progress.steps}: {losses}  {progress.samples_per_s:.1f} samples/s  "
                f"{timedelta(seconds=round(progress.remaining_s))} left"
            )
        self.bar.update(
            progress.step,
            progress.steps,
            description=f"loss {progress.losses['loss']:.4f}",
            note=f"{progress.samples_per_s:.1f} samples/s",
        )

    def evaluated(self, step: int, evaluation: Evaluation) -> None:
        """Print the metrics of an evaluation."""
        self._print(f"step {step}: {evaluation.summary()}")

    def _is_line_due(self) -> bool:
        """Return whether it is time for a line about the progress, for want of a terminal."""
        now = time.monotonic()
        if self.bar.is_shown or now - self.printed_at <= LINE_EVERY_S:
            return False
        self.printed_at = now
        return True

    def _print(self, line: str) -> None:
        if is_main():
            self.bar.echo(f"{line}\n", err=True)
