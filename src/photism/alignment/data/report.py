"""What there is to learn from, told before the training that would waste a night on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from photism.alignment.data.targets import Targets
from photism.training.corpus import Corpus

NAMED = 5


@dataclass(frozen=True)
class SplitReport:
    """Of one split.

    Attributes:
        clips: sounds.
        hours: of them together.
        shortest_s, median_s, longest_s: lengths in seconds.
        captions: distinct ones.
    """

    clips: int
    hours: float
    shortest_s: float
    median_s: float
    longest_s: float
    captions: int


@dataclass(frozen=True)
class CorpusReport:
    """Of a corpus and what the text encoder makes of its captions.

    Attributes:
        train, validation: the splits; None where there is nothing in one.
        unreadable: name and reason of each sound that was left out.
        cut_captions: of which the tokenizer left words out.
        repeated_sounds: how many sounds are equal, sample by sample, to one before.
        leaked_sounds: names of sounds for training that are to be measured on, too.
        batch_size: of the training.
        negatives: distinct other captions in a batch, on average.
        cropped: training sounds that are heard in part.
    """

    train: SplitReport | None
    validation: SplitReport | None
    unreadable: Sequence[tuple[str, str]]
    cut_captions: Sequence[str]
    repeated_sounds: int
    leaked_sounds: Sequence[str]
    batch_size: int
    negatives: float
    cropped: int

    def lines(self) -> list[str]:
        """For people."""
        told: list[str] = []
        for name, split in (("train", self.train), ("validation", self.validation)):
            if split is None:
                told.append(f"{name}: nothing")
                continue
            told.append(
                f"{name}: {split.clips} sounds, {split.hours:.2f} h, {split.shortest_s:.1f} to {split.longest_s:.1f} s "
                f"(median {split.median_s:.1f}), {split.captions} distinct captions"
            )
        told.append(f"a batch of {self.batch_size} has {self.negatives:.1f} distinct negatives on average")
        if self.cropped:
            told.append(f"{self.cropped} sounds are longer than max_duration_s and heard in part")
        if self.repeated_sounds:
            told.append(f"{self.repeated_sounds} sounds are equal to one before")
        if self.leaked_sounds:
            told.append(f"{len(self.leaked_sounds)} sounds are in both splits{_some(self.leaked_sounds)}")
        if self.cut_captions:
            told.append(f"{len(self.cut_captions)} captions are cut by the tokenizer{_some(self.cut_captions)}")
        if self.unreadable:
            told.append(f"{len(self.unreadable)} sounds cannot be read and are left out:")
            told += [f"  {name}: {reason}" for name, reason in self.unreadable]
        return told


def report_corpus(
    corpus: Corpus, targets: Targets, *, batch_size: int, negatives: float, max_duration_s: float
) -> CorpusReport:
    """Looks a corpus through.

    Args:
        corpus: prepared.
        targets: of its captions.
        batch_size: B.
        negatives: of `distinct_negatives`.
        max_duration_s: of what is heard of a sound.
    """
    digests = Counter(clip.digest for clip in corpus.clips)
    measured_on = {clip.digest for clip in corpus.clips if clip.split == "validation"}
    used = {caption for clip in corpus.clips for caption in clip.texts}
    cut = {caption for caption, is_cut in zip(targets.captions, targets.is_cut, strict=True) if is_cut}
    train = [clip for clip in corpus.clips if clip.split == "train"]
    return CorpusReport(
        train=_report_split(corpus, "train"),
        validation=_report_split(corpus, "validation"),
        unreadable=corpus.unreadable,
        cut_captions=sorted(used & cut),
        repeated_sounds=len(corpus) - len(digests),
        leaked_sounds=[clip.name for clip in train if clip.digest in measured_on],
        batch_size=batch_size,
        negatives=negatives,
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
        captions=len({caption for clip in clips for caption in clip.texts}),
    )


def _some(names: Sequence[str]) -> str:
    return ": " + "; ".join(names[:NAMED]) + ("; …" if len(names) > NAMED else "")
