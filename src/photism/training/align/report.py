"""What an alignment has to learn from: sounds, and what the text encoder makes of their captions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from photism.training.align.targets import Targets
from photism.training.data.feature_dataset import Corpus
from photism.training.data.report import SoundsReport, report_sounds, some


@dataclass(frozen=True)
class CorpusReport:
    """Of a corpus and what the text encoder makes of its captions.

    Attributes:
        sounds: of the corpus.
        cut_captions: of which the tokenizer left words out.
        batch_size: of the training.
        negatives: distinct other captions in a batch, on average.
    """

    sounds: SoundsReport
    cut_captions: Sequence[str]
    batch_size: int
    negatives: float

    def lines(self) -> list[str]:
        """For people."""
        told = self.sounds.split_lines()
        told.append(f"a batch of {self.batch_size} has {self.negatives:.1f} distinct negatives on average")
        if self.cut_captions:
            told.append(f"{len(self.cut_captions)} captions are cut by the tokenizer{some(self.cut_captions)}")
        return told + self.sounds.fault_lines()


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
    used = {caption for clip in corpus.clips for caption in clip.texts}
    cut = {caption for caption, is_cut in zip(targets.captions, targets.is_cut, strict=True) if is_cut}
    return CorpusReport(
        sounds=report_sounds(corpus, texts="captions", max_duration_s=max_duration_s),
        cut_captions=sorted(used & cut),
        batch_size=batch_size,
        negatives=negatives,
    )
