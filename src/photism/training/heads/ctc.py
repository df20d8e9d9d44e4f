"""Characters of speech, by connectionist temporal classification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import ctc_loss

from photism.encoder.heads import Wav2Vec2BertForCTC
from photism.errors import InputError
from photism.training.data.feature_dataset import Corpus
from photism.training.data.readers import TEXT_COLUMNS, first_of
from photism.training.data.report import some
from photism.training.data.sampler import Piece
from photism.training.heads.settings import CtcSettings
from photism.training.heads.task import Batch, Case, Evaluation
from photism.training.heads.vocabulary import Normalizer, Vocabulary, count_characters, tokens_needed

RARE = 10
"""A character that occurs less often is named: it will hardly be learned."""
FASTEST_PERCENT = 5


@dataclass(frozen=True)
class LeftOut:
    """A sound that cannot be learned from, and why."""

    name: str
    reason: str


def transcript_of_row(row: Mapping[str, Any], settings: CtcSettings) -> tuple[str, ...]:
    """What is said in a sound: a text, or a list of texts of which each is right."""
    found = first_of(row, (settings.text_column,) if settings.text_column else TEXT_COLUMNS)
    texts: Sequence[Any] = found if isinstance(found, list | tuple) else [] if found is None else [found]
    return tuple(dict.fromkeys(text for text in (" ".join(str(each).split()) for each in texts) if text))


class CtcTask:
    """As `Task` has it.

    Args:
        settings: of the training.
        corpus: whose texts are transcripts.

    Attributes:
        vocabulary: of the head.
        left_out: sounds whose labels do not fit into their tokens, or that are too long, or say nothing.

    Raises:
        InputError: nothing is left to train on.
    """

    kind: type = Wav2Vec2BertForCTC
    pipeline_tag = "automatic-speech-recognition"
    texts = "transcripts"
    hears_parts = False
    heard_s = float("inf")
    in_windows = False

    def __init__(self, settings: CtcSettings, corpus: Corpus) -> None:
        self.settings, self.corpus = settings, corpus
        self.normalizer = Normalizer(settings.lowercase, settings.keep_punctuation, settings.remove)
        self.written = [[self.normalizer(text) for text in clip.texts] for clip in corpus.clips]
        train = corpus.split("train")
        self.counts = count_characters(chain.from_iterable(self.written[clip] for clip in train))
        if settings.vocabulary is None:
            spoken = chain.from_iterable(self.written[clip] for clip in train)
            self.vocabulary = Vocabulary.of(spoken, min_count=settings.min_count)
        else:
            self.vocabulary = Vocabulary.read(Path(settings.vocabulary))
        self.labels = [[self.vocabulary.encode(text) for text in texts] for texts in self.written]
        self.left_out: list[LeftOut] = []
        self.texts_of: Sequence[Sequence[int]] = [self._fitting(clip) for clip in range(len(corpus))]
        self.clips: Sequence[int] = [clip for clip in train if self.texts_of[clip]]
        # Those that do not fit can still be measured: they are wrong.
        self.validation: Sequence[int] = [
            clip for clip in corpus.split("validation") if self.written[clip][0] and not self._is_too_long(clip)
        ]
        if not self.clips:
            told = [f"{each.name}: {each.reason}" for each in self.left_out]
            raise InputError(f"data must have sounds whose transcript can be learned; it has none{some(told)}")
        self.config: Mapping[str, Any] = {
            "vocab_size": len(self.vocabulary),
            "pad_token_id": 0,
            "bos_token_id": None,
            "eos_token_id": None,
            "ctc_loss_reduction": "mean",
            "ctc_zero_infinity": True,
            "add_adapter": settings.adapter,
            "num_adapter_layers": 1,
            "adapter_kernel_size": 3,
            "adapter_stride": 2,
        }

    def report(self) -> list[str]:
        """The vocabulary and its rare characters, how fast is spoken, and what cannot be learned."""
        known = [each for each in self.counts if each in self.vocabulary.number]
        told = [f"{len(known)} characters: {''.join(sorted(known))}"]
        rare = sorted((count, each) for each, count in self.counts.items() if count < RARE and each in known)
        if rare:
            told.append(f"{len(rare)} of them are rare: " + ", ".join(f"{each} {count}" for count, each in rare))
        unknown = sorted((count, each) for each, count in self.counts.items() if each not in self.vocabulary.number)
        if unknown:
            named = ", ".join(f"{each} {count} ({self._example(each)})" for count, each in unknown)
            told.append(f"{len(unknown)} characters are left out of the vocabulary: {named}")
        token_ms = 1000 / self.corpus.settings.tokens_per_s * (2 if self.settings.adapter else 1)
        paces = [
            1000 * self.corpus.clips[clip].duration_s / max(1, len(self.labels[clip][self.texts_of[clip][0]]))
            for clip in self.clips
        ]
        told.append(
            f"a token is {token_ms:.0f} ms, a character {np.median(paces):.0f} ms in the median and "
            f"{np.percentile(paces, FASTEST_PERCENT):.0f} ms where it is spoken fast"
        )
        if self.left_out:
            told.append(f"{len(self.left_out)} sounds cannot be learned from and are left out:")
            told += [f"  {each.name}: {each.reason}" for each in self.left_out]
        return told

    def weight(self, piece: Piece) -> float:
        """As `Task` has it, as what follows."""
        return 1.0

    def loss(self, model: Any, batch: Batch) -> Tensor:
        """The negative logarithm of the probability of the transcript, by its length."""
        logits = model(batch.features, batch.mask).logits
        labels = [self.labels[piece.clip][piece.text] for piece in batch.pieces]
        targets = torch.tensor(list(chain.from_iterable(labels)), device=logits.device)
        lengths = torch.tensor([len(each) for each in labels], device=logits.device)
        tokens = torch.tensor([self._outputs(piece.tokens) for piece in batch.pieces], device=logits.device)
        with torch.backends.cudnn.flags(enabled=False):
            each = ctc_loss(
                logits.log_softmax(-1, dtype=torch.float32).transpose(0, 1),  # (B, F, V) -> (F, B, V)
                targets,
                tokens,
                lengths,
                blank=0,
                reduction="none",
            )
        return (each / lengths).sum()

    def hear(self, model: Any, batch: Batch) -> list[NDArray[Any]]:
        """The likeliest output of each token."""
        best = model(batch.features, batch.mask).logits.argmax(-1).cpu().numpy()
        pairs = zip(best, batch.pieces, strict=True)
        return [row[: self._outputs(piece.tokens)].astype(np.int32) for row, piece in pairs]

    def evaluate(self, clips: Sequence[int], heard: Sequence[NDArray[Any]]) -> Evaluation:
        """Word and character error rates of all transcripts together, and those with the most wrong characters."""
        import jiwer

        written = [self.written[clip][0] for clip in clips]
        told = [self.vocabulary.decode(path.tolist()) for path in heard]
        measures = {"WER": float(jiwer.wer(written, told)), "CER": float(jiwer.cer(written, told))}
        cases = [
            Case(self.corpus.clips[clip].name, float(jiwer.cer(right, text)), text, right)
            for clip, text, right in zip(clips, told, written, strict=True)
            if text != right
        ]
        return Evaluation(measures, sorted(cases, key=lambda case: -case.error))

    def score(self, measures: Mapping[str, float]) -> float:
        """The fewer wrong characters, the better: words are all wrong at first, and say nothing yet."""
        return -measures.get("CER", 0.0)

    def save(self, folder: Path) -> None:
        """The tokenizer."""
        self.vocabulary.save(folder)

    def _outputs(self, tokens: int) -> int:
        """That the encoder makes of as many: an adapter of stride 2 makes half, rounded up."""
        return -(-tokens // 2) if self.settings.adapter else tokens

    def _is_too_long(self, clip: int) -> bool:
        return self.corpus.clips[clip].duration_s > self.settings.max_duration_s

    def _fitting(self, clip: int) -> list[int]:
        """Numbers of the transcripts of a clip that can be learned."""
        about = self.corpus.clips[clip]
        is_training = about.split == "train"
        if self._is_too_long(clip):
            reason = f"its {about.duration_s:.1f} s are more than max_duration_s"
            self.left_out.append(LeftOut(about.name, reason))
            return []
        outputs = self._outputs(about.tokens)
        found = [index for index, each in enumerate(self.labels[clip]) if each and tokens_needed(each) <= outputs]
        if not found and is_training:
            longest = max(self.labels[clip], key=tokens_needed)
            reason = f"its {len(longest)} characters need {tokens_needed(longest)} tokens, but it has {outputs}"
            if not longest:
                reason = "nothing is left of its transcript"
            self.left_out.append(LeftOut(about.name, reason))
        return found

    def _example(self, character: str) -> str:
        """A sound in whose transcript a character is."""
        return next(
            self.corpus.clips[clip].name for clip, texts in enumerate(self.written) if character in "".join(texts)
        )
