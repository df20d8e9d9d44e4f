"""Exact gradient of a batch that does not fit into memory, for the two kinds of loss.

A loss that is a sum over clips has the sum of their gradients: micro-batches are accumulated. A contrastive loss sees
all clips of a batch at once, so that its gradient is not the sum of those of smaller batches. But it sees of each clip
only the model's outputs: with E the outputs of all clips and θ the weights,

    dL/dθ = Σ over micro-batches m  dE[m]/dθ · dL/dE[m]

E is computed without keeping activations; dL/dE is computed from E alone; then each micro-batch is computed again, with
the same dropout, and dL/dE[m] is propagated back through it. This costs a second forward pass and saves all memory but
that of one micro-batch.

Source of the latter: GradCache, https://arxiv.org/abs/2101.06983.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Sized
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeAlias, TypeVar

import torch
from torch import Tensor

from photism.device import trim_malloc
from photism.training.microbatches import set_seed

MicroBatch = TypeVar("MicroBatch", bound=Sized)

Forward: TypeAlias = "Callable[[MicroBatch], tuple[Tensor, ...]]"
"""Returns the model's outputs for a micro-batch of n clips: tensors of n rows each."""

BatchLoss: TypeAlias = "Callable[[tuple[Tensor, ...]], Tensor]"
"""Returns the loss, a scalar, of the outputs of all clips of the batch."""


def backward_sum(
    loss: Callable[[MicroBatch], Tensor], micro_batches: Sequence[MicroBatch], seeds: Sequence[int], *, scale: float
) -> float:
    """Accumulate the gradient of a loss that is a sum over clips, and return the sum.

    Args:
        loss: returns the sum of the losses of a micro-batch.
        micro_batches: micro-batches of this process.
        seeds: random seed of each micro-batch.
        scale: factor of the gradient.
    """
    total = 0.0
    for micro_batch, seed in zip(micro_batches, seeds, strict=True):
        set_seed(seed)
        value = loss(micro_batch)
        (scale * value).backward()
        total += float(value.detach())
    return total


@dataclass(frozen=True)
class Outputs:
    """Outputs of the model for the clips of this process.

    Attributes:
        rows: tensors of a row a clip, without a gradient.
        last: those of the last micro-batch with its activations, so that this one is not computed twice.
    """

    rows: tuple[Tensor, ...]
    last: tuple[Tensor, ...]


def compute_outputs(forward: Forward[MicroBatch], micro_batches: Sequence[MicroBatch], seeds: Sequence[int]) -> Outputs:
    """Compute the outputs of all micro-batches, one at a time, and keep the activations of the last one.

    Args:
        forward: computes the outputs of a micro-batch.
        micro_batches: micro-batches of this process, at least one.
        seeds: random seed of each micro-batch.
    """
    rows: tuple[Tensor, ...] = ()
    last: tuple[Tensor, ...] = ()
    count, done = sum(map(len, micro_batches)), 0
    for number, (micro_batch, seed) in enumerate(zip(micro_batches, seeds, strict=True), start=1):
        set_seed(seed)
        with torch.set_grad_enabled(number == len(micro_batches)):
            last = forward(micro_batch)
        rows = rows or tuple(each.new_empty((count, *each.shape[1:])) for each in last)
        for all_rows, each in zip(rows, last, strict=True):
            all_rows[done : done + len(each)] = each.detach()
        done += len(micro_batch)
    return Outputs(rows, last)


def output_gradients(
    rows: Sequence[Tensor], loss: BatchLoss, *, gather: Callable[[Tensor], Tensor], rank: int
) -> tuple[Tensor, ...]:
    """Return the gradient of the loss of all processes' outputs with respect to those of this process.

    Parameters of the loss itself, such as a temperature, receive their whole gradient, the same in all processes.

    Args:
        rows: outputs of this process.
        loss: computes the loss of the outputs of all processes.
        gather: returns the rows of all processes in the order of their ranks, as many of each, without a gradient.
        rank: number of this process.
    """
    gathered = tuple(gather(each).detach().requires_grad_() for each in rows)
    loss(gathered).backward()
    count = len(rows[0])
    own = slice(rank * count, (rank + 1) * count)
    return tuple(
        torch.zeros_like(mine) if each.grad is None else each.grad[own]
        for each, mine in zip(gathered, rows, strict=True)
    )


def backward_outputs(
    forward: Forward[MicroBatch],
    micro_batches: Sequence[MicroBatch],
    seeds: Sequence[int],
    *,
    last: Sequence[Tensor],
    gradients: Sequence[Tensor],
) -> None:
    """Propagate the gradient of the outputs back to the weights, one micro-batch at a time, the last one first.

    Args:
        forward: function given to `compute_outputs`.
        micro_batches: micro-batches given to `compute_outputs`.
        seeds: seeds given to `compute_outputs`.
        last: `Outputs.last`.
        gradients: result of `output_gradients`.
    """
    starts = [0, *accumulate(len(micro_batch) for micro_batch in micro_batches)]
    for number in reversed(range(len(micro_batches))):
        if number < len(micro_batches) - 1:
            set_seed(seeds[number])
            last = forward(micro_batches[number])
        own = [gradient[starts[number] : starts[number + 1]] for gradient in gradients]
        pairs = [(rows, each) for rows, each in zip(last, own, strict=True) if rows.requires_grad]
        torch.autograd.backward([rows for rows, _ in pairs], [each.to(rows.dtype) for rows, each in pairs])
        last = ()  # frees these activations before the next ones are computed
        trim_malloc(gradients[0].device)
