"""The gradient of a batch that does not fit into memory, exactly.

A contrastive loss sees all sounds of a batch at once, so that its gradient is not the sum of those of smaller batches.
But it sees of each sound only its tokens: with E the tokens of all and θ the weights,

    dL/dθ = Σ over chunks  dE[chunk]/dθ · dL/dE[chunk]

E is made chunk by chunk without keeping what led there; dL/dE is found on E alone; then each chunk is made again, with
the same dropout, and dL/dE[chunk] goes back through it. This costs a second forward pass and saves all memory but
that of a chunk.

Source: gradient caching, https://arxiv.org/abs/2101.06983.
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

Chunk = TypeVar("Chunk", bound=Sized)

Forward: TypeAlias = "Callable[[Chunk], tuple[Tensor, ...]]"
"""Of a chunk of n sounds, what the loss sees of them: tensors of n rows each."""

Gather: TypeAlias = "Callable[[Tensor], Tensor]"
"""Rows of this process to rows of all, without a gradient."""

Loss: TypeAlias = "Callable[[tuple[Tensor, ...]], Tensor]"
"""Of the rows of all, a tensor without axes."""


@dataclass(frozen=True)
class Encoded:
    """What the loss sees of the sounds of all chunks.

    Attributes:
        rows: tensors of a row a sound, without a gradient.
        last: those of the last chunk again, with what led to them: this one need not be made twice.
    """

    rows: tuple[Tensor, ...]
    last: tuple[Tensor, ...]


def encode_chunks(forward: Forward[Chunk], chunks: Sequence[Chunk], seeds: Sequence[int]) -> Encoded:
    """Encodes all chunks, one at a time.

    Args:
        forward: of a chunk.
        chunks: of this process, one at least.
        seeds: of the random numbers in each chunk.
    """
    rows: tuple[Tensor, ...] = ()
    last: tuple[Tensor, ...] = ()
    count, done = sum(map(len, chunks)), 0
    for number, (chunk, seed) in enumerate(zip(chunks, seeds, strict=True), start=1):
        set_seed(seed)
        with torch.set_grad_enabled(number == len(chunks)):
            last = forward(chunk)
        rows = rows or tuple(each.new_empty((count, *each.shape[1:])) for each in last)
        for whole, each in zip(rows, last, strict=True):
            whole[done : done + len(each)] = each.detach()
        done += len(chunk)
    return Encoded(rows, last)


def loss_gradients(encoded: Sequence[Tensor], loss: Loss, *, gather: Gather, process: int) -> tuple[Tensor, ...]:
    """The gradient of the loss of all processes' rows by those of this one.

    The gradient by whatever else the loss depends on, such as a temperature, is added up where it belongs: it is the
    same in all processes.

    Args:
        encoded: rows of this process.
        loss: is called with the rows of all.
        gather: of the rows of all processes, in the order of their numbers, as many of each.
        process: number of this one.
    """
    rows = tuple(gather(each).detach().requires_grad_() for each in encoded)
    loss(rows).backward()
    count = len(encoded[0])
    gradients = [each.grad for each in rows]
    own = slice(process * count, (process + 1) * count)
    return tuple(
        torch.zeros_like(mine) if gradient is None else gradient[own]
        for gradient, mine in zip(gradients, encoded, strict=True)
    )


def backward_chunks(
    forward: Forward[Chunk],
    chunks: Sequence[Chunk],
    seeds: Sequence[int],
    *,
    last: Sequence[Tensor],
    gradients: Sequence[Tensor],
) -> None:
    """Brings the gradient of what the loss saw back to the weights, chunk by chunk, the last one first.

    Args:
        forward: as for `encode_chunks`, and the next two.
        chunks: of this process.
        seeds: of each.
        last: of what that returned.
        gradients: as `loss_gradients` gives them.
    """
    counts = [0, *accumulate(len(chunk) for chunk in chunks)]
    for number in reversed(range(len(chunks))):
        if number < len(chunks) - 1:
            set_seed(seeds[number])
            last = forward(chunks[number])
        of_chunk = [gradient[counts[number] : counts[number + 1]] for gradient in gradients]
        pairs = [(rows, each) for rows, each in zip(last, of_chunk, strict=True) if rows.requires_grad]
        torch.autograd.backward([rows for rows, _ in pairs], [each.to(rows.dtype) for rows, each in pairs])
        last = ()  # so that what led to it is freed before the next one is made
        trim_malloc(gradients[0].device)
