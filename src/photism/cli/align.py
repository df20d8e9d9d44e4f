"""photism align: an audio encoder for the prompts of a diffusion model, from sounds with captions."""

import dataclasses
import inspect
import os
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional, get_args, get_type_hints

import typer

from photism.alignment.training.settings import SETTINGS, AlignSettings, read_settings
from photism.cli.startup import startup

if TYPE_CHECKING:
    from photism.alignment.training.run import Listener
    from photism.alignment.training.trainer import Progress

INTERRUPTED = 130
TOLD_EVERY_S = 30.0
"""Where there is no terminal for a line that moves."""


def align(config: Path | None, resume: bool, **given: Any) -> None:
    """Align an audio encoder with the prompts of a diffusion model, from captioned sounds.

    DATA is a folder with metadata.csv or metadata.jsonl (file_name, text or labels, optionally split, start and end
    seconds), a folder of folders named like labels, shards of a WebDataset, or the name of a data set of the hub.

    Several GPUs: accelerate launch -m photism align DATA ...
    """
    flags = {name: value for name, value in given.items() if value is not None}
    kept = Path(flags.get("output", ""), SETTINGS)
    if resume and config is None and "output" in flags and kept.is_file():
        config = kept
    settings = read_settings(config, flags)

    with startup():
        from photism.alignment.training.run import align as run

    with _Progress() as progress:
        finished = run(settings, resume=resume, listener=progress.listener())
    if not finished:
        typer.echo(f"stopped; go on with --resume, from {settings.output}", err=True)
        raise typer.Exit(INTERRUPTED)
    if _is_main():
        typer.echo(settings.output)


def _is_main() -> bool:
    """Whether this process, of those that torchrun or accelerate has started, is the one that speaks."""
    return os.environ.get("RANK", "0") == "0"


def _parameters() -> list[inspect.Parameter]:
    """The flags: a field of AlignSettings each, unset unless given, so that the file's value or the default holds."""
    types = get_type_hints(AlignSettings)
    parameters = [
        _parameter("config", Optional[Path], typer.Option(help="YAML of these settings; flags go before it."), None),  # noqa: UP045
        _parameter(
            "resume", bool, typer.Option("--resume", help="Go on from the last checkpoint in the output."), False
        ),
    ]
    for item in dataclasses.fields(AlignSettings):
        declared = types[item.name]
        type_ = next((option for option in get_args(declared) if option is not type(None)), declared)
        text = item.metadata["help"]
        if item.name == "data":
            kind: Any = typer.Argument(help=text)
        elif item.name == "output":
            kind = typer.Option("--output", "-o", help=text)
        else:
            default = "" if item.default is None else f" [default: {_flag_value(item.default)}]"
            kind = typer.Option(help=text + default)
        parameters.append(_parameter(item.name, Optional[type_], kind, None))  # noqa: UP045
    return parameters


def _parameter(name: str, type_: Any, kind: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[type_, kind])


def _flag_value(value: Any) -> str:
    return {True: "on", False: "off"}.get(value, str(value)) if isinstance(value, bool) else f"{value}"


# typer reads the flags off the signature.
align.__signature__ = inspect.Signature(_parameters())  # pyright: ignore[reportFunctionMemberAccess]
align.__annotations__ = {each.name: each.annotation for each in _parameters()}


class _Progress:
    """Lines for what is done, and under them one that moves."""

    def __enter__(self) -> "_Progress":
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True, quiet=not _is_main()),
        )
        self.task = self.bar.add_task("", total=None, rate="")
        self.told = time.monotonic()
        self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def listener(self) -> "Listener":
        """What `align` tells goes here."""
        from photism.alignment.training.run import Listener

        return Listener(
            stage=self.stage, prepared=self.prepared, report=self.report, step=self.step, measured=self.measured
        )

    def stage(self, text: str) -> None:
        """A line that moves for each stage."""
        self.bar.reset(self.task, description=text, total=None, rate="")

    def prepared(self, amount: float) -> None:
        """Hours, or captions."""
        self.bar.update(self.task, rate=f"{amount:.2f} h" if isinstance(amount, float) else f"{amount} captions")

    def report(self, report: Any) -> None:
        """What there is to learn from."""
        for line in report.lines():
            self._print(line)

    def step(self, progress: "Progress") -> None:
        """Loss and speed."""
        now = time.monotonic()
        if not self.bar.console.is_terminal and now - self.told > TOLD_EVERY_S:
            self.told = now
            losses = "  ".join(f"{name} {value:.4g}" for name, value in progress.losses.items())
            self._print(
                f"step {progress.step} of {progress.steps}: {losses}  {progress.samples_per_s:.1f} samples/s  "
                f"{timedelta(seconds=round(progress.remaining_s))} left"
            )
        self.bar.update(
            self.task,
            completed=progress.step,
            total=progress.steps,
            description=f"loss {progress.losses['loss']:.4f}",
            rate=f"{progress.samples_per_s:.1f} samples/s",
        )

    def measured(self, step: int, measures: Mapping[str, float]) -> None:
        """A line an evaluation."""
        from photism.alignment.training.result import describe

        self._print(f"step {step}: {describe(measures)}")

    def _print(self, line: str) -> None:
        self.bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
