"""Micro-batches: split a batch to fit in memory, and split it further after running out of memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import torch

from photism.training.data.sampler import Crop, seed_of
from photism.training.distributed import DistributedContext

MAX_PADDING_FACTOR = 2
"""How many times as large as its tokens a micro-batch may be with padding."""

Result = TypeVar("Result")


class MicroBatches:
    """Division of a batch among processes, and of each process's part into micro-batches.

    Attributes:
        max_tokens: tokens of a micro-batch, as `split_crops` counts them. It shrinks when memory runs out.
        min_tokens: length to which the model pads every crop at least.
    """

    def __init__(self, max_tokens: int, *, min_tokens: int, distributed: DistributedContext) -> None:
        self.max_tokens, self.min_tokens, self.distributed = max(1, max_tokens), min_tokens, distributed

    def split(self, crops: Sequence[Crop]) -> list[list[Crop]]:
        """Return the micro-batches of this process.

        Every process has as many, as FSDP requires: rank 0, which has the longest crops, decides where to split.

        Args:
            crops: crops of all processes, the longest first.
        """
        own = self.distributed.local_slice(crops)
        micro_batches: list[list[Crop]] = []
        longest = self.distributed.local_slice(crops, 0)
        for part in split_crops(longest, self.max_tokens, min_tokens=self.min_tokens):
            micro_batches.append(own[: len(part)])
            own = own[len(part) :]
        return micro_batches

    def catch_oom(self, compute: Callable[[], Result]) -> Result | None:
        """Return the result of a computation, or None if memory ran out in this process or in another one."""
        from accelerate.utils.memory import should_reduce_batch_size

        result = None
        try:
            result = compute()
        except RuntimeError as error:
            # With FSDP the other processes wait for this one within the model.
            if self.distributed.is_sharded or not should_reduce_batch_size(error):
                raise
        return None if self.distributed.any(result is None) else result

    def shrink(self, crops: Sequence[Crop]) -> None:
        """Halve the micro-batches after running out of memory. The batch, and so the loss, stays the same.

        Args:
            crops: crops of all processes, the longest first.

        Raises:
            MemoryError: a micro-batch holds a single crop already.
        """
        longest = crops[0].tokens
        if self.max_tokens <= longest:
            raise MemoryError(
                "a single clip does not fit in memory: lower max_duration_s or use gradient_checkpointing"
            )
        held = padded_tokens(self.distributed.local_slice(crops, 0), min_tokens=self.min_tokens)
        self.max_tokens = max(longest, min(self.max_tokens, held) // 2)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def seeds(self, seed: int, step: int, count: int) -> list[int]:
        """Return the random seeds of the `count` micro-batches of a step in this process."""
        return [seed_of(seed, step, self.distributed.rank, number) for number in range(count)]


def split_crops(crops: Sequence[Crop], max_tokens: int, *, min_tokens: int = 1) -> Iterator[list[Crop]]:
    """Yield runs of crops that hold at most `max_tokens` together, or a single one.

    The encoder, which needs most of the memory, processes no padding. What follows it pads all crops to the longest,
    and to `min_tokens` at least, which may take up to `MAX_PADDING_FACTOR` times the space.

    Args:
        crops: crops, the longest first.
        max_tokens: largest sum of tokens.
        min_tokens: length to which the model pads every crop at least.
    """
    run: list[Crop] = []
    tokens = 0
    for crop in crops:
        if run and _padded_tokens(tokens + crop.tokens, len(run) + 1, max(run[0].tokens, min_tokens)) > max_tokens:
            yield run
            run, tokens = [], 0
        run.append(crop)
        tokens += crop.tokens
    if run:
        yield run


def padded_tokens(crops: Sequence[Crop], *, min_tokens: int = 1) -> int:
    """Return the smallest `max_tokens` with which crops, the longest first, are one micro-batch."""
    return _padded_tokens(sum(crop.tokens for crop in crops), len(crops), max(crops[0].tokens, min_tokens))


def set_seed(seed: int) -> None:
    """Seed the random numbers of torch, used by dropout, and of NumPy, used by the encoder's SpecAugment."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)


def _padded_tokens(tokens: int, crops: int, longest: int) -> int:
    return max(tokens, -(-crops * longest // MAX_PADDING_FACTOR))
