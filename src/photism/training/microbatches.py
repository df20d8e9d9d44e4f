"""A batch in chunks that fit into memory: the chunk becomes smaller where it has to, not the batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import torch

from photism.errors import InputError
from photism.training.data.sampler import Piece, chunks_of, tokens_to_hold
from photism.training.distributed import Processes

Result = TypeVar("Result")


class Chunks:
    """How the pieces of a batch are divided among processes, and these shares into chunks.

    Attributes:
        tokens: of a chunk at most, as `chunks_of` counts them.
        least: what a piece is filled up to at least.
    """

    def __init__(self, tokens: int, *, least: int, processes: Processes) -> None:
        self.tokens, self.least, self.processes = max(1, tokens), least, processes

    def of(self, pieces: Sequence[Piece]) -> list[list[Piece]]:
        """This process's share in chunks.

        Each process has as many, since FSDP wants all of them in each: the first one's sounds are the longest, and the
        others divide theirs as it does.

        Args:
            pieces: of all processes, the longest first.
        """
        own = self.processes.share(pieces)
        chunks: list[list[Piece]] = []
        for chunk in chunks_of(self.processes.share(pieces, 0), self.tokens, least=self.least):
            chunks.append(own[: len(chunk)])
            own = own[len(chunk) :]
        return chunks

    def within_memory(self, compute: Callable[[], Result]) -> Result | None:
        """What `compute` returns, which is not None; None where memory did not suffice, here or in another process."""
        from accelerate.utils.memory import should_reduce_batch_size

        result = None
        try:
            result = compute()
        except RuntimeError as error:
            # With FSDP the others wait within the model for this process.
            if self.processes.is_sharded or not should_reduce_batch_size(error):
                raise
        return None if self.processes.any(result is None) else result

    def halve(self, pieces: Sequence[Piece]) -> None:
        """The chunk, not the batch, which would be another loss.

        Raises:
            InputError: it holds one piece only.
        """
        longest = pieces[0].tokens
        if self.tokens <= longest:
            raise InputError(
                "max_duration_s must be lower, or gradient_checkpointing on: one sound alone does not fit in memory"
            )
        held = min(self.tokens, tokens_to_hold(self.processes.share(pieces, 0), least=self.least))
        self.tokens = max(longest, held // 2)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def seeds(self, seed: int, step: int, count: int) -> list[int]:
        """Of the random numbers in each of `count` chunks of a step, of this process."""
        # of integers: always the same
        return [hash((seed, step, self.processes.index, chunk)) % 2**63 for chunk in range(count)]


def set_seed(seed: int) -> None:
    """Of torch's random numbers, which dropout takes, and of NumPy's, which SpecAugment takes."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
