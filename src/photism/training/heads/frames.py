"""Classes of frames: whether somebody speaks, or who of several."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from photism.encoder.heads import Wav2Vec2BertForAudioFrameClassification
from photism.errors import InputError
from photism.listening.diarization import find_turns
from photism.listening.metrics import best_match, diarization_error
from photism.listening.segments import Segment
from photism.listening.settings import TimelineSettings
from photism.training.data.feature_dataset import Corpus
from photism.training.data.report import some
from photism.training.data.sampler import Piece
from photism.training.heads.settings import FramesSettings
from photism.training.heads.task import Batch, Case, Evaluation
from photism.training.heads.turns import activity, segments

SPEECH = "speech"


class FramesTask:
    """As `Task` has it.

    Args:
        settings: of the training.
        corpus: whose texts are turns.

    Attributes:
        names: of the C outputs.

    Raises:
        InputError: nobody speaks, or more speakers than there may be.
    """

    kind: type = Wav2Vec2BertForAudioFrameClassification
    pipeline_tag = "voice-activity-detection"
    texts = "turns"
    hears_parts = False
    in_windows = True

    def __init__(self, settings: FramesSettings, corpus: Corpus) -> None:
        self.settings, self.corpus = settings, corpus
        self.heard_s = settings.crop_s
        self.token_s = 1 / corpus.settings.tokens_per_s
        self.turns = [self._own(segments(clip.texts)) for clip in corpus.clips]
        self.names = self._names()
        train = corpus.split("train")
        # A long recording has as many pieces in an epoch as fit into it.
        longest = max(1, int(settings.crop_s * corpus.settings.tokens_per_s))
        self.clips: Sequence[int] = [
            clip for clip in train for _ in range(math.ceil(corpus.clips[clip].tokens / longest))
        ]
        self.validation: Sequence[int] = corpus.split("validation")
        self.texts_of: Sequence[Sequence[int]] = [[0]] * len(corpus)
        self.targets = [self._activity(clip) for clip in range(len(corpus))]  # (F, C) of each
        if not any(self.targets[clip].any() for clip in train):
            raise InputError("data must have speech to train on; its turns name none")
        self.config: Mapping[str, Any] = {
            "problem_type": "multi_label_classification",
            "id2label": dict(enumerate(self.names)),
            "label2id": {name: index for index, name in enumerate(self.names)},
        }

    def report(self) -> list[str]:
        """How much of the sound is speech, how much of that overlaps, and of how many speakers."""
        told: list[str] = []
        for name, clips in (("train", self.corpus.split("train")), ("validation", self.validation)):
            if not clips:
                continue
            speaking = [np.bincount(self.targets[clip].sum(1), minlength=3) for clip in clips]
            counts = np.sum([np.append(each[:2], each[2:].sum()) for each in speaking], axis=0)
            shares = counts / counts.sum()
            told.append(f"{name}: nobody speaks {shares[0]:.1%} of the time, one {shares[1]:.1%}, more {shares[2]:.1%}")
        told.append(f"a token is {1000 * self.token_s:.0f} ms; what is learned: {', '.join(self.names)}")
        silent = [self.corpus.clips[clip].name for clip, turns in enumerate(self.turns) if not turns]
        if silent:
            told.append(f"{len(silent)} recordings have no speech at all{some(silent)}")
        return told

    def weight(self, piece: Piece) -> float:
        """As `Task` has it, as what follows."""
        return float(piece.tokens)

    def loss(self, model: Any, batch: Batch) -> Tensor:
        """The mean cross-entropy of the outputs, of each token; of speakers in the order that suits them best.

        Source: for the order, https://arxiv.org/abs/1909.05952.
        """
        logits = model(batch.features, batch.mask).logits.float()
        added_up = logits.new_zeros(())
        for row, piece in zip(logits, batch.pieces, strict=True):
            wanted = self.targets[piece.clip][piece.start : piece.start + piece.tokens]
            target = torch.from_numpy(wanted).to(row)
            found = row[: piece.tokens]
            each = [
                binary_cross_entropy_with_logits(found, target[:, order], reduction="sum") for order in self._orders()
            ]
            added_up = added_up + torch.stack(each).min() / len(self.names)
        return added_up

    def hear(self, model: Any, batch: Batch) -> list[NDArray[Any]]:
        """Probabilities (F, C) of each."""
        scores = model(batch.features, batch.mask).logits.float().sigmoid().cpu().numpy()
        return [row[: piece.tokens] for row, piece in zip(scores, batch.pieces, strict=True)]

    def evaluate(self, clips: Sequence[int], heard: Sequence[NDArray[Any]]) -> Evaluation:
        """F1 of tokens and diarization error rate, of all recordings; and those with the most seconds wrong."""
        settings = TimelineSettings()
        hits = told = right = 0
        wrong_s = spoken_s = 0.0
        cases: list[Case] = []
        for clip, scores in zip(clips, heard, strict=True):
            about, target = self.corpus.clips[clip], self.targets[clip][: len(scores)]
            said = scores >= settings.threshold
            if self.settings.learn == "speakers":
                said = _in_order(said, target)
            hits, told, right = hits + (said & target).sum(), told + said.sum(), right + target.sum()
            turns = find_turns(scores, self.names, settings, frame_s=self.token_s, duration_s=about.duration_s)
            error = diarization_error(self.turns[clip], turns, collar_s=self.settings.collar_s)
            of_it_s = error.missed_s + error.false_alarm_s + error.confused_s
            wrong_s += of_it_s
            spoken_s += error.spoken_s
            if of_it_s:
                faults = {"missed": error.missed_s, "too much": error.false_alarm_s, "confused": error.confused_s}
                heard_as = ", ".join(f"{seconds:.1f} s {fault}" for fault, seconds in faults.items())
                cases.append(Case(about.name, of_it_s, heard_as, f"{error.spoken_s:.1f} s of speech"))
        measures = {
            "frame F1": float(2 * hits / (told + right)) if told + right else 1.0,
            "DER": wrong_s / spoken_s if spoken_s else float(wrong_s > 0),
        }
        return Evaluation(measures, sorted(cases, key=lambda case: -case.error))

    def score(self, measures: Mapping[str, float]) -> float:
        """The F1 of the tokens."""
        return measures.get("frame F1", 0.0)

    def save(self, folder: Path) -> None:
        """Nothing: the names are in the configuration."""

    def _own(self, turns: list[Segment]) -> list[Segment]:
        """As they are learned: speech is speech, whoever speaks, and counts once."""
        if self.settings.learn != SPEECH:
            return turns
        joined: list[Segment] = []
        for turn in sorted(turns, key=lambda each: each.start_s):
            if joined and turn.start_s <= joined[-1].end_s:
                end_s = max(joined[-1].end_s, turn.end_s)
                joined[-1] = Segment(joined[-1].start_s, end_s, SPEECH, 1.0)
            else:
                joined.append(Segment(turn.start_s, turn.end_s, SPEECH, 1.0))
        return joined

    def _names(self) -> list[str]:
        if self.settings.learn == SPEECH:
            return [SPEECH]
        if self.settings.learn == "names":
            return sorted({turn.label for turns in self.turns for turn in turns}) or [SPEECH]
        most = self.settings.speakers
        crowded = [
            clip.name
            for clip, turns in zip(self.corpus.clips, self.turns, strict=True)
            if len({turn.label for turn in turns}) > most
        ]
        if crowded:
            raise InputError(f"speakers must be as many as a recording has; more than {most} are in{some(crowded)[1:]}")
        return [f"speaker {number + 1}" for number in range(most)]

    def _activity(self, clip: int) -> NDArray[np.bool_]:
        turns = self.turns[clip]
        # Of speakers in any order, the columns are those of this recording, filled up with nobody.
        names = sorted({turn.label for turn in turns}) if self.settings.learn == "speakers" else self.names
        found = activity(turns, names, tokens=self.corpus.clips[clip].tokens, token_s=self.token_s)
        return np.pad(found, ((0, 0), (0, len(self.names) - len(names))))

    def _orders(self) -> Iterator[tuple[int, ...]]:
        outputs = range(len(self.names))
        return permutations(outputs) if self.settings.learn == "speakers" else iter([tuple(outputs)])


def _in_order(said: NDArray[np.bool_], target: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The columns of one in the order in which they agree best with those of the other."""
    together = (target[:, :, None] & said[:, None, :]).sum(0).astype(float)
    ordered = np.zeros_like(said)
    for wanted, column in best_match(together):
        ordered[:, wanted] = said[:, column]
    return ordered
