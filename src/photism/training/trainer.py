"""The steps of a training, from the first or from where its folder says, on one device or many."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from photism.errors import InputError
from photism.training import json_log as logs
from photism.training.checkpoint import (
    checkpoint_name,
    keep_last,
    last_checkpoint,
    read_best,
    read_folder,
    write_best,
    write_folder,
)
from photism.training.distributed import Processes
from photism.training.microbatches import Chunks
from photism.training.monitor import Progress
from photism.training.optimizer import Optimization

LOG = "log.jsonl"

BEST = "best.safetensors"

Evaluate = Callable[[int], Mapping[str, float]]
"""Measures the averaged weights after a step."""

Score = Callable[[Mapping[str, float]], float]
"""Of what was measured; the higher, the better are the weights. It also takes nothing, if nothing can be measured."""


class Learner(Protocol):
    """What is trained: all that lies between the number of a step and its gradients.

    Attributes:
        processes: that train together.
        optimization: of its weights.
        chunks: of a batch; how large they have become is kept.
        batch_size: sounds of a step, over all processes.
        steps: of the training.
    """

    processes: Processes
    optimization: Optimization
    chunks: Chunks
    batch_size: int
    steps: int

    def gradients(self, step: int) -> dict[str, float]:
        """Leaves the gradient of a step's whole batch in the weights, as far as this process has a share in it.

        Args:
            step: its number, from 0.

        Returns:
            the losses, "loss" among them, of the whole batch.
        """
        ...


class Loop:
    """Trains, and goes on from where the folder says.

    Args:
        learner: on its device.
        folder: of checkpoints, best weights and log.
        score: what says which weights are kept.
        evaluate_every: steps between measurements.
        checkpoint_every_s: seconds between checkpoints.
        keep_checkpoints: the last ones, that stay.
        patience: measurements without a better one after which it ends; 0: it goes on to the last step.

    Attributes:
        step: how many are done.

    Raises:
        InputError: the checkpoint is damaged.
    """

    def __init__(
        self,
        learner: Learner,
        folder: Path,
        *,
        score: Score,
        evaluate_every: int,
        checkpoint_every_s: float,
        keep_checkpoints: int,
        patience: int = 0,
    ) -> None:
        self.learner, self.folder, self.score = learner, folder, score
        self.processes, self.optimization = learner.processes, learner.optimization
        self.evaluate_every, self.checkpoint_every_s = evaluate_every, checkpoint_every_s
        self.keep_checkpoints, self.patience = keep_checkpoints, patience
        self.step = 0
        self.improved = (0, -math.inf)  # the step that was first measured best so far, and its score
        self._resume()

    def run(self, *, evaluate: Evaluate, on_step: Callable[[Progress], None] = lambda progress: None) -> bool:
        """Trains to the last step, or until nothing becomes better; SIGINT and SIGTERM save and stop it.

        Returns:
            whether it came to its end.
        """
        saved = began = time.monotonic()
        first, steps = self.step, self.learner.steps
        if self.step == 0:
            # Where it begins, which is not kept; and what cannot be measured or drawn is told now, not hours later.
            self.improved = (0, self.score(evaluate(0)))
        with _stop_request() as stop:
            while self.step < steps and not self._is_patience_over():
                losses = self.train_step()
                now = time.monotonic()
                if self.processes.is_main:
                    logs.append(self.folder / LOG, self.step, losses)
                rate = (self.step - first) / max(now - began, 1e-9)
                remaining_s = (steps - self.step) / rate
                on_step(Progress(self.step, steps, losses, rate * self.learner.batch_size, remaining_s))
                if self.step == steps or self.step % self.evaluate_every == 0:
                    self._evaluate(evaluate)
                is_last = self.step == steps or self._is_patience_over()
                asked = self.processes.any(stop.requested)
                if is_last or asked or self.processes.any(now - saved >= self.checkpoint_every_s):
                    self.save()
                    saved = time.monotonic()
                if asked and not is_last:
                    return False
        return True

    def train_step(self) -> dict[str, float]:
        """One step; returns the losses of the whole batch before it.

        Raises:
            InputError: the loss or its gradient is not finite, or a single sound does not fit into memory.
        """
        losses = self.learner.gradients(self.step)
        gradients = self.optimization.fill_gradients()
        if not self.processes.is_sharded:
            self.processes.add_up(gradients)
        losses["gradient norm"] = self.optimization.clip()
        for name in ("loss", "gradient norm"):
            if not math.isfinite(losses[name]):
                raise InputError(
                    f"learning_rate must be lower than {self.optimization.learning_rate:g}: the {name} is "
                    f"{losses[name]} at step {self.step + 1}; the last checkpoint is good"
                )
        losses["learning rate"] = self.optimization.step(self.step, steps=self.learner.steps)
        self.optimization.zero_grad()
        self.step += 1
        return losses

    def save(self) -> None:
        """Writes a checkpoint, and deletes those before the last ones."""
        tensors = self.optimization.tensors()
        if self.processes.is_main:
            folder = self.folder / "checkpoints"
            state = {"step": self.step, "chunk_tokens": self.learner.chunks.tokens, "improved": self.improved}
            write_folder(folder / checkpoint_name(self.step), tensors, state)
            keep_last(folder, self.keep_checkpoints)
        self.processes.wait()

    def _resume(self) -> None:
        path = last_checkpoint(self.folder / "checkpoints")
        if path is not None:
            tensors, state = read_folder(path)
            self.step = state["step"]
            self.learner.chunks.tokens = min(self.learner.chunks.tokens, state["chunk_tokens"])
            self.improved = tuple(state.get("improved", self.improved))
            self.optimization.load(tensors)
        if self.processes.is_main:
            logs.cut(self.folder / LOG, self.step)
            if path is None:
                (self.folder / BEST).unlink(missing_ok=True)  # of a training that is begun anew
        self.processes.wait()
        best = read_best(self.folder / BEST)
        self.best_score = -math.inf if best is None else self.score(best.measures)

    def _is_patience_over(self) -> bool:
        return 0 < self.patience * self.evaluate_every <= self.step - self.improved[0]

    def _evaluate(self, evaluate: Evaluate) -> None:
        """Measures the average, where there is one, and keeps it if it is the best."""
        averaged = self.optimization.ema_decay > 0
        if averaged:
            self.optimization.swap_average()
        try:
            measures = evaluate(self.step)
            score = self.score(measures)
            if score > self.improved[1]:
                self.improved = (self.step, score)
            if score >= self.best_score:
                self.best_score = score
                weights = self.optimization.weights()
                if self.processes.is_main:
                    write_best(self.folder / BEST, weights, step=self.step, measures=measures)
                self.processes.wait()
        finally:
            if averaged:
                self.optimization.swap_average()


class _StopRequest:
    requested = False


@contextmanager
def _stop_request() -> Generator[_StopRequest]:
    """Takes SIGINT and SIGTERM for a request to stop between two steps; a second SIGINT is one to stop at once."""
    stop = _StopRequest()

    def request(number: int, frame: object) -> None:
        if stop.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.requested = True

    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
