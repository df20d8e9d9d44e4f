"""What the verbs that train have alike: where their settings come from, and what they show while they run."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from photism.cli.exit_status import ExitStatus
from photism.cli.progress import ProgressBar, progress_bar
from photism.training.settings import read_settings

if TYPE_CHECKING:
    from photism.training.monitor import Listener, Progress

TOLD_EVERY_S = 30.0
"""Where there is no terminal for a line that moves."""

Settings = TypeVar("Settings")


def given_settings(
    kind: type[Settings], given: Mapping[str, Any], *, config: Path | None, resume: bool, file: str
) -> Settings:
    """The settings of a training.

    Args:
        kind: dataclass of them.
        given: flags, None where they were not.
        config: YAML of settings, which flags go before.
        resume: take those with which the output was begun, where there is no other file.
        file: that keeps these in the output.
    """
    flags = {name: value for name, value in given.items() if value is not None}
    kept = Path(flags.get("output", ""), file)
    if resume and config is None and "output" in flags and kept.is_file():
        config = kept
    return read_settings(kind, config, flags)


def train(run: Callable[["Listener"], bool], *, output: str, describe: Callable[[Mapping[str, float]], str]) -> None:
    """Runs a training and tells how it goes.

    Args:
        run: tells a listener, and returns whether it is finished.
        output: folder of the result.
        describe: a line of what was measured.

    Raises:
        Exit: it was interrupted.
    """
    with progress_bar("", quiet=not is_main()) as bar:
        finished = run(TrainingProgress(bar, describe).listener())
    if not finished:
        typer.echo(f"stopped; go on with --resume, from {output}", err=True)
        raise typer.Exit(ExitStatus.INTERRUPTED)
    if is_main():
        typer.echo(output)


def is_main() -> bool:
    """Whether this process, of those that torchrun or accelerate has started, is the one that speaks."""
    return os.environ.get("RANK", "0") == "0"


class TrainingProgress:
    """Lines for what is done, and under them one that moves.

    Args:
        bar: shows it.
        describe: a line of what was measured.
    """

    def __init__(self, bar: ProgressBar, describe: Callable[[Mapping[str, float]], str]) -> None:
        self.bar, self.describe = bar, describe
        self.text, self.told = "", time.monotonic()

    def listener(self) -> "Listener":
        """What a training tells goes here."""
        from photism.training.monitor import Listener

        return Listener(
            stage=self.stage, prepared=self.prepared, report=self.report, step=self.step, measured=self.measured
        )

    def stage(self, text: str) -> None:
        """A line that moves for each stage."""
        self.text = text
        self.bar.restart(text)

    def prepared(self, amount: float) -> None:
        """Hours, or captions."""
        read = f"{amount:.2f} h" if isinstance(amount, float) else f"{amount} captions"
        if self._is_due():
            self._print(f"{self.text}: {read}")
        self.bar.update(0, note=read)

    def report(self, lines: Sequence[str]) -> None:
        """What there is to learn from."""
        for line in lines:
            self._print(line)

    def step(self, progress: "Progress") -> None:
        """Loss and speed."""
        if self._is_due():
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

    def measured(self, step: int, measures: Mapping[str, float]) -> None:
        """A line an evaluation."""
        self._print(f"step {step}: {self.describe(measures)}")

    def _is_due(self) -> bool:
        """Whether a line stands in for the one that moves, for it is time and there is no terminal."""
        now = time.monotonic()
        if self.bar.is_shown or now - self.told <= TOLD_EVERY_S:
            return False
        self.told = now
        return True

    def _print(self, line: str) -> None:
        if is_main():
            self.bar.echo(f"{line}\n", err=True)
