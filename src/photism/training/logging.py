"""Reports of a running training: JSON lines, TensorBoard, and callbacks.

log.jsonl         a line a step: losses, gradient norm, learning rate
measures.jsonl    a line an evaluation: its metrics
tensorboard/      both of these, figures and sample images
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from photism.errors import name_full_disk
from photism.files import atomic_text
from photism.training.task import Evaluation
from photism.training.trainer import Progress

LOG, METRICS = "log.jsonl", "measures.jsonl"


@dataclass(frozen=True)
class Listener:
    """Callbacks of a training, called in the main process.

    Attributes:
        stage: called with the name of each stage when it begins.
        prepared: called with the hours of decoded audio, or the number of encoded captions.
        report: called with the lines of a report, before and after the training.
        step: called after each step.
        evaluated: called after each evaluation with the step and the result.
    """

    stage: Callable[[str], None] = lambda text: None
    prepared: Callable[[float], None] = lambda amount: None
    report: Callable[[Sequence[str]], None] = lambda lines: None
    step: Callable[[Progress], None] = lambda progress: None
    evaluated: Callable[[int, Evaluation], None] = lambda step, evaluation: None


def describe_prepared(amount: float) -> str:
    """Return the hours of audio, or the number of captions, that `Listener.prepared` is called with, as text."""
    return f"{amount:.2f} h" if isinstance(amount, float) else f"{amount} captions"


class TrainingLogger:
    """Writer of the logs of a training, in the main process only.

    Args:
        folder: output folder of the training.
        is_main: whether this process writes.
        listener: callbacks that are called as well.
    """

    def __init__(self, folder: Path, *, is_main: bool, listener: Listener) -> None:
        self.folder, self.is_main, self.listener = folder, is_main, listener
        self.writer: Any = None

    def open(self, step: int) -> None:
        """Open the logs, without the entries after the step from which the training continues."""
        if not self.is_main:
            return
        for name in (LOG, METRICS):
            truncate_log(self.folder / name, step)
        from torch.utils.tensorboard import SummaryWriter

        # TensorBoard ignores the entries of earlier runs from this step on. The initial weights are evaluated again.
        self.writer = SummaryWriter(str(self.folder / "tensorboard"), purge_step=step + 1 if step else 0)

    def log_step(self, progress: Progress) -> None:
        """Log losses and speed of a step."""
        if not self.is_main:
            return
        append_log(self.folder / LOG, progress.step, progress.losses)
        for key, value in progress.losses.items():
            self.writer.add_scalar(f"training/{key}", value, progress.step)
        self.writer.add_scalar("training/samples per second", progress.samples_per_s, progress.step)
        self.listener.step(progress)

    def log_evaluation(self, step: int, evaluation: Evaluation) -> None:
        """Log metrics, figures and sample images of an evaluation."""
        if not self.is_main:
            return
        for key, value in evaluation.metrics.items():
            self.writer.add_scalar(f"measured/{key}", value, step)
        for key, figure in evaluation.figures.items():
            self.writer.add_figure(key, figure, step)
        for key, image in evaluation.images.items():
            self.writer.add_image(key, np.asarray(image), step, dataformats="HWC")
        self.writer.flush()
        append_log(self.folder / METRICS, step, evaluation.metrics)
        self.listener.evaluated(step, evaluation)

    def close(self) -> None:
        """Close TensorBoard's file."""
        if self.writer is not None:
            self.writer.close()


def append_log(path: Path, step: int, values: Mapping[str, float]) -> None:
    """Append a line."""
    with name_full_disk(path), path.open("a", encoding="utf8") as file:
        file.write(json.dumps({"step": step, **values}) + "\n")


def read_log(path: Path) -> list[dict[str, float]]:
    """Return all complete lines."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def truncate_log(path: Path, step: int) -> None:
    """Remove the lines after a step, and a line that was being written when the training was killed.

    A training that starts at step 0 evaluates the initial weights again, so that no line is kept for it.
    """
    if path.is_file():
        rows = [row for row in read_log(path) if row["step"] <= step] if step else []
        with atomic_text(path) as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
