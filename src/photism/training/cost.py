"""Cost of a training, estimated before its first step."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from datetime import timedelta

import torch

from photism.training.task_model import TaskModel

REPETITIONS = 2
"""Gradients that are computed: the first one is slow for other reasons."""
ADAM_BYTES = 2 * 4
"""Bytes of a parameter's two float32 moments, which are allocated in the first step."""


@dataclass(frozen=True)
class Cost:
    """Estimate of what the rest of a training takes.

    Attributes:
        steps: number of steps.
        duration_s: their duration in seconds, without evaluations.
        memory_gb: peak memory of this process.
    """

    steps: int
    duration_s: float
    memory_gb: float

    def line(self) -> str:
        """Return the estimate as a sentence."""
        duration = timedelta(seconds=max(1, round(self.duration_s)))
        return f"{self.steps} steps will take about {duration} without evaluations, and {self.memory_gb:.1f} GB"


def measure_cost(model: TaskModel, *, step: int) -> Cost:
    """Compute the gradient of a batch of the longest clips, without updating the weights.

    Args:
        model: model that is to be trained.
        step: step from which the training continues.

    Raises:
        MemoryError: a single clip does not fit into memory.
    """
    crops = model.sampler.longest_batch()
    duration_s = 0.0
    for _ in range(REPETITIONS):
        began = time.monotonic()
        model.gradients_of(crops, step)
        model.optimizer.zero_grad()
        duration_s = time.monotonic() - began
    steps = model.steps - step
    step_s = duration_s * len(crops) * model.sampler.mean_tokens() / sum(crop.tokens for crop in crops)
    trained = sum(each.numel() for each in model.optimizer.parameters.values())
    return Cost(steps, steps * step_s, _peak_gb() + ADAM_BYTES * trained / 1e9)


def _peak_gb() -> float:
    """Return the peak memory of the GPU if there is one, else of this process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e9
    try:
        import resource
    except ImportError:  # on Windows
        import psutil

        return psutil.Process().memory_info().rss / 1e9
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in bytes on macOS, else in kB
    return peak / 1e9 if sys.platform == "darwin" else peak * 1024 / 1e9
