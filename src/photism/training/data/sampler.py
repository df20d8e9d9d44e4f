"""Deterministic batch sampler: the batch of a step depends on the seed and the step number only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

from photism.settings import SettingError
from photism.training.data.feature_dataset import FeatureDataset

SEED_FACTOR = 1_000_003


@dataclass(frozen=True)
class Crop:
    """A segment of a clip, with the target that is drawn for it.

    Attributes:
        clip: index of the clip in the data set.
        start: first token of the segment within the clip.
        tokens: number of tokens.
        target: number of the target.
    """

    clip: int
    start: int
    tokens: int
    target: int


class EpochSampler:
    """Batches of a training by the number of the step.

    Every epoch goes through all clips in another order; clips that do not fill a batch at its end are skipped. In every
    epoch one of a clip's targets is drawn, and the segment of a clip that is too long.

    Args:
        dataset: data set of the clips.
        target_ids: numbers of the targets of each clip.
        batch_size: B, over all processes.
        max_tokens: largest number of tokens of a crop.
        seed: random seed of the training.
        clips: indices of the training clips; None for those of the training split.
        random_crop: draw the segment of a clip that is too long; otherwise its beginning is used.
    """

    def __init__(
        self,
        dataset: FeatureDataset,
        target_ids: Sequence[Sequence[int]],
        *,
        batch_size: int,
        max_tokens: int,
        seed: int,
        clips: Sequence[int] | None = None,
        random_crop: bool = True,
    ) -> None:
        self.dataset, self.target_ids = dataset, target_ids
        self.clips = torch.tensor(dataset.split("train") if clips is None else clips, dtype=torch.long)
        self.batch_size, self.max_tokens, self.seed, self.random_crop = batch_size, max_tokens, seed, random_crop

    def check_batch_size(self) -> None:
        """Raise SettingError if there are fewer clips than a batch holds."""
        if not self.steps_per_epoch:
            raise SettingError(
                "batch_size", f"must be at most the {len(self.clips)} training clips; got {self.batch_size}"
            )

    @property
    def steps_per_epoch(self) -> int:
        """Number of complete batches in an epoch."""
        return len(self.clips) // self.batch_size

    def batch(self, step: int) -> list[Crop]:
        """Return the crops of a step, the longest first."""
        epoch, within = divmod(step, self.steps_per_epoch)
        order = torch.randperm(len(self.clips), generator=generator_of(self.seed, epoch))
        chosen = self.clips[order[within * self.batch_size : (within + 1) * self.batch_size]].tolist()
        draws = torch.rand(len(chosen), 2, generator=generator_of(self.seed + 1, step)).tolist()
        return longest_first(self._crop(clip, *draw) for clip, draw in zip(chosen, draws, strict=True))

    def longest_batch(self) -> list[Crop]:
        """Return a batch of the longest clips, from their beginnings."""
        return longest_first(self._crop(clip, 0.0, 0.0) for clip in self.clips.tolist())[: self.batch_size]

    def mean_tokens(self) -> float:
        """Return the mean number of tokens of a crop."""
        tokens = [min(self.dataset.clips[clip].tokens, self.max_tokens) for clip in self.clips.tolist()]
        return sum(tokens) / len(tokens)

    def _crop(self, clip: int, which: float, where: float) -> Crop:
        """Return a crop of a clip by two random numbers from 0 to below 1."""
        targets, tokens = self.target_ids[clip], self.dataset.clips[clip].tokens
        length = min(tokens, self.max_tokens)
        start = int(where * (tokens - length + 1)) if self.random_crop else 0
        return Crop(clip, start, length, targets[int(which * len(targets))])


def longest_first(crops: Iterable[Crop]) -> list[Crop]:
    """Return crops sorted by their length, the longest first."""
    return sorted(crops, key=lambda crop: (-crop.tokens, crop.clip))


def seed_of(*numbers: int) -> int:
    """Return a seed below 2**62 that depends on integers only, in whatever version of Python or torch.

    It is their polynomial hash: different tuples of fewer than four numbers below `SEED_FACTOR` have different seeds.
    """
    seed = 0
    for number in numbers:
        seed = (seed * SEED_FACTOR + number + 1) % 2**62
    return seed


def generator_of(*numbers: int) -> torch.Generator:
    """Return a random generator that depends on integers only."""
    return torch.Generator().manual_seed(seed_of(*numbers))
