"""What is told before the first step: the data, what the task finds in it, and what the training takes."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from datetime import timedelta

import torch

from photism.training.data.report import SoundsReport
from photism.training.data.sampler import Piece
from photism.training.heads.learner import HeadLearner

MEASURED_TWICE = 2
"""Steps on the longest sounds: the first is slow for other reasons."""


@dataclass(frozen=True)
class Cost:
    """What a training takes.

    Attributes:
        steps: that are left.
        duration_s: of these.
        memory_gb: at most, of this process.
    """

    steps: int
    duration_s: float
    memory_gb: float

    def line(self) -> str:
        """For people."""
        duration = timedelta(seconds=max(1, round(self.duration_s)))
        return f"{self.steps} steps will take about {duration} beside the measurements, and {self.memory_gb:.1f} GB"


@dataclass(frozen=True)
class Preflight:
    """What is known before the first step.

    Attributes:
        sounds: of the corpus.
        task: what the task has to say.
    """

    sounds: SoundsReport
    task: list[str]

    def lines(self) -> list[str]:
        """For people."""
        return [*self.sounds.split_lines(), *self.task, *self.sounds.fault_lines()]


def measure_cost(learner: HeadLearner, *, step: int) -> Cost:
    """Takes the gradient of the longest sounds there are, without moving the weights.

    Args:
        learner: that is to train.
        step: after which it goes on.

    Raises:
        InputError: a single sound does not fit into memory.
    """
    longest = learner.batches.longest_tokens
    tokens = [(clip, learner.corpus.clips[clip].tokens) for clip in learner.task.clips]
    texts = learner.task.texts_of
    pieces = [Piece(clip, 0, min(count, longest), texts[clip][0]) for clip, count in tokens]
    pieces.sort(key=lambda piece: -piece.tokens)
    batch = pieces[: learner.batch_size]
    duration_s = 0.0
    for _ in range(MEASURED_TWICE):
        began = time.monotonic()
        learner.gradients_of(batch, step)
        learner.optimization.zero_grad()
        duration_s = time.monotonic() - began
    tokens_per_step = learner.batch_size * sum(piece.tokens for piece in pieces) / len(pieces)
    steps = learner.steps - step
    of_step_s = duration_s * tokens_per_step / sum(piece.tokens for piece in batch)
    trained = sum(each.numel() for each in learner.optimization.parameters.values())
    moments_gb = 2 * 4 * trained / 1e9  # AdamW's, float32, which come with the first step
    return Cost(steps, steps * of_step_s, _peak_gb() + moments_gb)


def _peak_gb() -> float:
    """Of the GPU where there is one, else of this process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e9
    try:
        import resource
    except ImportError:  # not on Windows
        import psutil

        return psutil.Process().memory_info().rss / 1e9
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e9 if sys.platform == "darwin" else peak * 1024 / 1e9
