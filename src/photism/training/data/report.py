"""What sounds there are to learn from, told before the training that would waste a night on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from photism.training.data.feature_dataset import Corpus

NAMED = 5


@dataclass(frozen=True)
class SplitReport:
    """Of one split.

    Attributes:
        clips: sounds.
        hours: of them together.
        shortest_s, median_s, longest_s: lengths in seconds.
        texts: distinct ones.
    """

    clips: int
    hours: float
    shortest_s: float
    median_s: float
    longest_s: float
    texts: int


@dataclass(frozen=True)
class SoundsReport:
    """Of a corpus.

    Attributes:
        texts: what its texts are called: "captions", "classes".
        train, validation: the splits; None where there is nothing in one.
        unreadable: name and reason of each sound that was left out.
        repeated_sounds: how many sounds are equal, sample by sample, to one before.
        leaked_sounds: names of sounds for training that are to be measured on, too.
        leaked_groups: that have sounds in both splits.
        cropped: training sounds that are heard in part.
    """

    texts: str
    train: SplitReport | None
    validation: SplitReport | None
    unreadable: Sequence[tuple[str, str]]
    repeated_sounds: int
    leaked_sounds: Sequence[str]
    leaked_groups: Sequence[str]
    cropped: int

    def split_lines(self) -> list[str]:
        """A line a split."""
        told: list[str] = []
        for name, split in (("train", self.train), ("validation", self.validation)):
            if split is None:
                told.append(f"{name}: nothing")
                continue
            told.append(
                f"{name}: {split.clips} sounds, {split.hours:.2f} h, {split.shortest_s:.1f} to {split.longest_s:.1f} s "
                f"(median {split.median_s:.1f}), {split.texts} distinct {self.texts}"
            )
        return told

    def fault_lines(self) -> list[str]:
        """What is to be looked at."""
        told: list[str] = []
        if self.cropped:
            told.append(f"{self.cropped} sounds are longer than max_duration_s and heard in part")
        if self.repeated_sounds:
            told.append(f"{self.repeated_sounds} sounds are equal to one before")
        if self.leaked_sounds:
            told.append(f"{len(self.leaked_sounds)} sounds are in both splits{some(self.leaked_sounds)}")
        if self.leaked_groups:
            told.append(f"{len(self.leaked_groups)} speakers are in both splits{some(self.leaked_groups)}")
        if self.unreadable:
            told.append(f"{len(self.unreadable)} sounds cannot be read and are left out:")
            told += [f"  {name}: {reason}" for name, reason in self.unreadable]
        return told


def report_sounds(corpus: Corpus, *, texts: str, max_duration_s: float) -> SoundsReport:
    """Looks a corpus through.

    Args:
        corpus: prepared.
        texts: what its texts are called.
        max_duration_s: of what is heard of a sound; infinity: all.
    """
    digests = Counter(clip.digest for clip in corpus.clips)
    measured_on = {clip.digest for clip in corpus.clips if clip.split == "validation"}
    train = [clip for clip in corpus.clips if clip.split == "train"]
    groups = [{clip.group for clip in corpus.clips if clip.split == split} for split in ("train", "validation")]
    return SoundsReport(
        texts=texts,
        train=_report_split(corpus, "train"),
        validation=_report_split(corpus, "validation"),
        unreadable=corpus.unreadable,
        repeated_sounds=len(corpus) - len(digests),
        leaked_sounds=[clip.name for clip in train if clip.digest in measured_on],
        leaked_groups=sorted(group for group in groups[0] & groups[1] if group is not None),
        cropped=sum(clip.duration_s > max_duration_s for clip in train),
    )


def _report_split(corpus: Corpus, split: str) -> SplitReport | None:
    clips = [clip for clip in corpus.clips if clip.split == split]
    if not clips:
        return None
    lengths = np.array([clip.duration_s for clip in clips])
    return SplitReport(
        clips=len(clips),
        hours=float(lengths.sum()) / 3600,
        shortest_s=float(lengths.min()),
        median_s=float(np.median(lengths)),
        longest_s=float(lengths.max()),
        texts=len({text for clip in clips for text in clip.texts}),
    )


def some(names: Sequence[str]) -> str:
    """The first of them, after a colon."""
    return ": " + "; ".join(names[:NAMED]) + ("; …" if len(names) > NAMED else "")
