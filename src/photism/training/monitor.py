"""What is told of a training while it runs: to TensorBoard, to a file of measures, and to whoever listens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from photism.training import json_log as logs

MEASURES = "measures.jsonl"


@dataclass(frozen=True)
class Progress:
    """Of a step that is done.

    Attributes:
        step, steps: its number, from 1, and that of all.
        losses: "loss" and its parts, the factor of the learning rate, and what else a step tells.
        samples_per_s: sounds a second, over all processes.
        remaining_s: at this rate.
    """

    step: int
    steps: int
    losses: Mapping[str, float]
    samples_per_s: float
    remaining_s: float


@dataclass(frozen=True)
class Listener:
    """Is told how it goes, in the main process.

    Attributes:
        stage: what begins.
        prepared: hours of sound that are decoded, or captions that are encoded.
        report: of the data, before the training: lines.
        step: each step.
        measured: each evaluation.
    """

    stage: Callable[[str], None] = lambda text: None
    prepared: Callable[[float], None] = lambda amount: None
    report: Callable[[Sequence[str]], None] = lambda lines: None
    step: Callable[[Progress], None] = lambda progress: None
    measured: Callable[[int, Mapping[str, float]], None] = lambda step, measures: None


class Monitor:
    """Writes what TensorBoard shows and what was measured; only in the main process.

    Args:
        folder: of the training.
        step: after which it goes on: what came later is left out, since it is to come again.
        is_main: whether this process is the one that writes.
        listener: is told, too.

    Attributes:
        path: of the measures, a line an evaluation.
        writer: TensorBoard's; None in other processes.
    """

    def __init__(self, folder: Path, *, step: int, is_main: bool, listener: Listener) -> None:
        self.path, self.is_main, self.listener = folder / MEASURES, is_main, listener
        self.writer: Any = None
        if is_main:
            logs.cut(self.path, step)
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def measured(self, step: int, measures: Mapping[str, float], figures: Mapping[str, Any]) -> None:
        """An evaluation after a step, with figures of matplotlib."""
        if not self.is_main:
            return
        for key, value in measures.items():
            self.writer.add_scalar(f"measured/{key}", value, step)
        for key, figure in figures.items():
            self.writer.add_figure(key, figure, step)
        self.writer.flush()
        logs.append(self.path, step, measures)
        self.listener.measured(step, measures)

    def log(self, progress: Progress) -> None:
        """Losses and speed of a step."""
        if self.is_main:
            for key, value in progress.losses.items():
                self.writer.add_scalar(f"training/{key}", value, progress.step)
            self.writer.add_scalar("training/samples per second", progress.samples_per_s, progress.step)
            self.listener.step(progress)

    def close(self) -> None:
        """At the end."""
        if self.writer is not None:
            self.writer.close()
