"""Trainer: steps, evaluation, checkpoints, early stopping and resumption, whatever is trained."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from photism.errors import InputError
from photism.training.checkpoint import (
    BEST,
    CHECKPOINTS,
    checkpoint_name,
    keep_last,
    last_checkpoint,
    read_best,
    read_checkpoint,
    write_best,
    write_checkpoint,
)
from photism.training.distributed import DistributedContext, full_tensor
from photism.training.loss_scale import LossScale
from photism.training.microbatches import MicroBatches
from photism.training.optimizer import Optimizer

ComputeGradients = Callable[[int], dict[str, float]]
"""Leaves the gradient of a step in the parameters, as far as this process contributes to it, and returns the losses of
the whole batch, "loss" among them. The number of the step starts at 0; random numbers must depend on it alone."""

Evaluate = Callable[[int], Mapping[str, float]]
"""Returns the metrics of the weights after a step."""

Score = Callable[[Mapping[str, float]], float]
"""Returns the score of metrics, the higher the better; also of no metrics at all."""


@dataclass(frozen=True)
class Progress:
    """Result of a step.

    Attributes:
        step: number of completed steps.
        steps: steps of the whole training.
        losses: "loss" and its parts, gradient norm and learning rate.
        samples_per_s: clips per second, over all processes.
        remaining_s: estimated time to the last step, in seconds.
    """

    step: int
    steps: int
    losses: Mapping[str, float]
    samples_per_s: float
    remaining_s: float


class Trainer:
    """Trainer state that survives a restart, and the loop that advances it.

    The constructor neither reads nor writes files: `resume` loads the last checkpoint.

    Args:
        compute_gradients: computes the gradient of a step.
        optimizer: optimizer of the trained parameters.
        folder: folder for checkpoints and best weights.
        steps: steps of the whole training.
        batch_size: clips of a step, over all processes, for the speed in the progress.
        distributed: processes of the training.
        micro_batches: division of a batch, whose size is part of the state.
        loss_scale: factor of the loss whose gradient `compute_gradients` computes, which is part of the state.
        buffers: tensors that are part of the state and not of the optimizer's, such as the running statistics of batch
            normalisation.
        score: decides which weights are the best.
        evaluate_every: steps between evaluations.
        checkpoint_every_s: time between checkpoints, in seconds.
        keep_checkpoints: number of checkpoints to keep.
        patience: evaluations without improvement after which the training ends; 0 for none.
        clips_at_fault: returns the names of the clips because of which the loss of a step is not finite.

    Attributes:
        step: number of completed steps.
        improved: step of the last improvement, and its score.
        best_score: score of the best weights that are on disk.
    """

    def __init__(
        self,
        compute_gradients: ComputeGradients,
        optimizer: Optimizer,
        folder: Path,
        *,
        steps: int,
        batch_size: int,
        distributed: DistributedContext,
        micro_batches: MicroBatches | None = None,
        loss_scale: LossScale | None = None,
        buffers: Mapping[str, Tensor] | None = None,
        score: Score = lambda metrics: 0.0,
        evaluate_every: int,
        checkpoint_every_s: float,
        keep_checkpoints: int,
        patience: int = 0,
        clips_at_fault: Callable[[int], Sequence[str]] = lambda step: (),
    ) -> None:
        self.compute_gradients, self.optimizer, self.folder = compute_gradients, optimizer, folder
        self.steps, self.batch_size = steps, batch_size
        self.distributed, self.micro_batches, self.score = distributed, micro_batches, score
        self.loss_scale, self.buffers = loss_scale or LossScale(), buffers or {}
        self.evaluate_every, self.checkpoint_every_s = evaluate_every, checkpoint_every_s
        self.keep_checkpoints, self.patience = keep_checkpoints, patience
        self.clips_at_fault = clips_at_fault
        self.step = 0
        self.improved: tuple[int, float] = (0, -math.inf)
        self.best_score = -math.inf

    def resume(self) -> bool:
        """Load the last checkpoint in the folder, and return whether there is one.

        Raises:
            InputError: the checkpoint is damaged.
        """
        path = last_checkpoint(self.folder / CHECKPOINTS)
        if path is not None:
            self.load_checkpoint(path)
        return path is not None

    def load_checkpoint(self, path: Path) -> None:
        """Restore the state of a checkpoint.

        Raises:
            InputError: the checkpoint is damaged or incomplete.
        """
        tensors, state = read_checkpoint(path)
        try:
            self.step = state["step"]
            self.improved = tuple(state.get("improved", self.improved))
            if self.micro_batches is not None:
                self.micro_batches.max_tokens = min(self.micro_batches.max_tokens, state["chunk_tokens"])
            self.loss_scale.value, self.loss_scale.good_steps = state.get("loss_scale", (self.loss_scale.value, 0))
            self.optimizer.load_state_dict(tensors)
            for name, buffer in self.buffers.items():
                buffer.copy_(tensors["buffers"][name])
        except KeyError as error:
            raise InputError(
                f"checkpoint {path} is incomplete: it lacks {error}; delete it to resume from the one before"
            ) from error
        best = read_best(self.folder / BEST)
        self.best_score = -math.inf if best is None else self.score(best.metrics)

    def save_checkpoint(self) -> None:
        """Write a checkpoint, and delete those before the last ones. Collective: call on every rank."""
        tensors = self.optimizer.state_dict()
        if self.buffers:
            tensors["buffers"] = {name: full_tensor(buffer) for name, buffer in self.buffers.items()}
        if self.distributed.is_main:
            folder = self.folder / CHECKPOINTS
            loss_scale = (self.loss_scale.value, self.loss_scale.good_steps)
            state = {"step": self.step, "improved": self.improved, "loss_scale": loss_scale}
            if self.micro_batches is not None:
                state["chunk_tokens"] = self.micro_batches.max_tokens
            write_checkpoint(folder / checkpoint_name(self.step), tensors, state)
            keep_last(folder, self.keep_checkpoints)
        self.distributed.barrier()

    def run(
        self, *, evaluate: Evaluate = lambda step: {}, on_step: Callable[[Progress], None] = lambda progress: None
    ) -> bool:
        """Train to the last step, or until early stopping; SIGINT and SIGTERM save a checkpoint and stop.

        Args:
            evaluate: returns the metrics of the weights, which are those of the EMA while it is called.
            on_step: called after each step.

        Returns:
            Whether the training is finished.
        """
        # Best weights next to this folder, while it is empty, are those of a training before its first checkpoint.
        (self.folder / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
        saved = began = time.monotonic()
        first = self.step
        if self.step == 0:
            # The initial weights are not kept; but what fails in an evaluation fails now instead of hours later.
            self.improved = (0, self.score(evaluate(0)))
        with _stop_request() as stop:
            while self.step < self.steps and not self._is_patience_over():
                losses = self.train_step()
                now = time.monotonic()
                rate = (self.step - first) / max(now - began, 1e-9)
                remaining_s = (self.steps - self.step) / rate
                on_step(Progress(self.step, self.steps, losses, rate * self.batch_size, remaining_s))
                if self.step == self.steps or self.step % self.evaluate_every == 0:
                    self._evaluate(evaluate)
                is_last = self.step == self.steps or self._is_patience_over()
                asked = self.distributed.any(stop.requested)
                if is_last or asked or self.distributed.any(now - saved >= self.checkpoint_every_s):
                    self.save_checkpoint()
                    saved = time.monotonic()
                if asked and not is_last:
                    return False
        return True

    def train_step(self) -> dict[str, float]:
        """Update the weights once, and return the losses of the whole batch before the update.

        Raises:
            InputError: the loss or its gradient is not finite.
            MemoryError: a single clip does not fit into memory.
        """
        losses = self._compute_gradients()
        while not math.isfinite(losses["gradient norm"]) and math.isfinite(losses["loss"]) and self.loss_scale.shrink():
            self.optimizer.zero_grad()
            losses = self._compute_gradients()
        for name in ("loss", "gradient norm"):
            if not math.isfinite(losses[name]):
                raise self._not_finite(name, losses[name])
        losses["learning rate"] = self.optimizer.step(self.step, steps=self.steps)
        self.optimizer.zero_grad()
        self.loss_scale.grow()
        self.step += 1
        return losses

    def _not_finite(self, name: str, value: float) -> InputError:
        """Return the error for a step whose loss, or its gradient, is not finite."""
        found = f"the {name} is {value} at step {self.step + 1}"
        end = "the last checkpoint is intact"
        if clips := self.clips_at_fault(self.step):
            return InputError(f"{found}, because of {', '.join(clips)}; leave them out of the data; {end}")
        return InputError(f"learning_rate must be lower than {self.optimizer.learning_rate:g}: {found}; {end}")

    def _compute_gradients(self) -> dict[str, float]:
        """Compute and clip the gradient of the step, of all processes, and return the losses and its norm."""
        losses = self.compute_gradients(self.step)
        gradients = self.optimizer.gradients()
        if not self.distributed.is_sharded:
            self.distributed.all_reduce_sum(gradients)
        self.optimizer.unscale_gradients(self.loss_scale.value)
        return {**losses, "gradient norm": self.optimizer.clip_gradients()}

    def _is_patience_over(self) -> bool:
        return 0 < self.patience * self.evaluate_every <= self.step - self.improved[0]

    def _evaluate(self, evaluate: Evaluate) -> None:
        """Evaluate the EMA of the weights, and keep it on disk if it is the best so far."""
        self.optimizer.swap_ema()
        try:
            metrics = evaluate(self.step)
            score = self.score(metrics)
            if score > self.improved[1]:
                self.improved = (self.step, score)
            if score >= self.best_score:
                self.best_score = score
                weights = self.optimizer.weights()
                if self.distributed.is_main:
                    write_best(self.folder / BEST, weights, step=self.step, metrics=metrics)
                self.distributed.barrier()
        finally:
            self.optimizer.swap_ema()


class _StopRequest:
    requested = False


@contextmanager
def _stop_request() -> Generator[_StopRequest]:
    """Take SIGINT and SIGTERM as a request to stop between two steps; a second SIGINT stops at once."""
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
