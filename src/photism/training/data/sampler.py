"""Which sounds a step trains on, with which of their texts: the same for a step whenever and wherever it runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from photism.errors import InputError
from photism.training.data.feature_dataset import Corpus

SEED_FACTOR = 1_000_003
FILLED_UP = 2


@dataclass(frozen=True)
class Piece:
    """A part of a sound in a batch, as `Corpus.batch` takes it.

    Attributes:
        clip: index in the corpus.
        start, tokens: the part that is heard.
        text: what is to be learned of it, by its number.
    """

    clip: int
    start: int
    tokens: int
    text: int


class Batches:
    """The batches of a training, by the number of the step.

    Every epoch goes through all sounds in another order; what is left over at its end is left out. Each sound has one
    of its texts, and a sound that is too long is heard in part: both are drawn anew in each epoch.

    Args:
        corpus: whose training clips are drawn.
        texts_of: numbers of the texts of each clip.
        batch_size: B, over all processes.
        longest_tokens: of a piece.
        seed: of all that is drawn.
        clips: indices of those that are drawn; None: all for training.

    Raises:
        InputError: there are fewer sounds than a batch holds.
    """

    def __init__(
        self,
        corpus: Corpus,
        texts_of: Sequence[Sequence[int]],
        *,
        batch_size: int,
        longest_tokens: int,
        seed: int,
        clips: Sequence[int] | None = None,
    ) -> None:
        self.corpus, self.texts_of = corpus, texts_of
        self.clips = torch.tensor(corpus.split("train") if clips is None else clips, dtype=torch.long)
        if batch_size > len(self.clips):
            raise InputError(
                f"batch_size must be at most the {len(self.clips)} sounds there are to train on; got {batch_size}"
            )
        self.batch_size, self.longest_tokens, self.seed = batch_size, longest_tokens, seed

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in an epoch."""
        return len(self.clips) // self.batch_size

    def batch(self, step: int) -> list[Piece]:
        """The pieces of a step, the longest first."""
        epoch, within = divmod(step, self.steps_per_epoch)
        order = torch.randperm(len(self.clips), generator=generator_of(self.seed, epoch))
        chosen = self.clips[order[within * self.batch_size : (within + 1) * self.batch_size]].tolist()
        draws = torch.rand(len(chosen), 2, generator=generator_of(self.seed + 1, step)).tolist()
        pieces = [self._piece(clip, *draw) for clip, draw in zip(chosen, draws, strict=True)]
        return sorted(pieces, key=lambda piece: (-piece.tokens, piece.clip))

    def _piece(self, clip: int, which: float, where: float) -> Piece:
        texts, tokens = self.texts_of[clip], self.corpus.clips[clip].tokens
        heard = min(tokens, self.longest_tokens)
        return Piece(clip, int(where * (tokens - heard + 1)), heard, texts[int(which * len(texts))])


def chunks_of(pieces: Sequence[Piece], chunk_tokens: int, *, least: int = 1) -> Iterator[list[Piece]]:
    """Runs of pieces, the longest first, of `chunk_tokens` at most together, or a single one.

    The encoder takes memory for the tokens that there are, which is the most of it. The adapter fills all up to the
    longest, and to `least` tokens at least: with these a chunk is `FILLED_UP` times as large at most.
    """
    chunk: list[Piece] = []
    tokens = 0
    for piece in pieces:
        if chunk and _held(tokens + piece.tokens, len(chunk) + 1, max(chunk[0].tokens, least)) > chunk_tokens:
            yield chunk
            chunk, tokens = [], 0
        chunk.append(piece)
        tokens += piece.tokens
    if chunk:
        yield chunk


def tokens_to_hold(pieces: Sequence[Piece], *, least: int = 1) -> int:
    """The smallest `chunk_tokens` with which pieces, the longest first, are one chunk."""
    return _held(sum(piece.tokens for piece in pieces), len(pieces), max(pieces[0].tokens, least))


def _held(tokens: int, sounds: int, longest: int) -> int:
    return max(tokens, -(-sounds * longest // FILLED_UP))


def distinct_negatives(batches: Batches, steps: int) -> float:
    """How many other texts a batch holds beside a sound's own, on average over the first steps."""
    counts: list[float] = []
    for step in range(steps):
        counts.append(len({piece.text for piece in batches.batch(step)}) - 1)
    return sum(counts) / len(counts)


def generator_of(*numbers: int) -> torch.Generator:
    """A generator that is the same for the same numbers, wherever they come from."""
    seed = 0
    for number in numbers:
        seed = (seed * SEED_FACTOR + number + 1) % 2**62
    return torch.Generator().manual_seed(seed)


def texts_tensor(pieces: Sequence[Piece]) -> Tensor:
    """Int64 (B,), the numbers of the texts."""
    return torch.tensor([piece.text for piece in pieces], dtype=torch.long)
