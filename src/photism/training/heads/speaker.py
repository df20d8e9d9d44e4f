"""Speakers, told by their voices: x-vectors, learned of some people and measured on others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from photism.encoder.x_vector import Wav2Vec2BertForXVector
from photism.errors import InputError
from photism.listening.metrics import equal_error_rate, min_detection_cost
from photism.listening.verification import Calibration
from photism.training.data.feature_dataset import Corpus
from photism.training.data.readers import LABEL_COLUMNS, SPEAKER_COLUMNS, first_of
from photism.training.data.report import some
from photism.training.data.sampler import Piece
from photism.training.heads.settings import FinetuneSettings, SpeakerSettings
from photism.training.heads.task import Batch, Case, Evaluation

FEW_SOUNDS = 2
KEPT_PAIRS = 100
THRESHOLD = "threshold.json"


def speaker_of_row(row: Mapping[str, Any], settings: FinetuneSettings) -> str | None:
    """Who speaks in a sound, where its row says it; where speakers are learned, the name of the folder says it too."""
    columns = (settings.speaker_column,) if settings.speaker_column else SPEAKER_COLUMNS
    if isinstance(settings, SpeakerSettings) and not settings.speaker_column:
        columns += LABEL_COLUMNS
    found = first_of(row, columns)
    if isinstance(found, list | tuple):  # of a folder, or of a class of `datasets`
        found = found[0] if found else None
    return None if found is None else str(found).strip() or None


def speakers_of_row(row: Mapping[str, Any], settings: SpeakerSettings) -> tuple[str, ...]:
    """The same as texts."""
    speaker = speaker_of_row(row, settings)
    return () if speaker is None else (speaker,)


class SpeakerTask:
    """As `Task` has it.

    Args:
        settings: of the training.
        corpus: whose texts are speakers.

    Attributes:
        names: of the speakers to train on.
        heard_before: names of validation sounds whose speakers are trained on, which are therefore left out.
        calibration: of the pairs that were last measured on.

    Raises:
        InputError: there are fewer than two speakers to train on.
    """

    kind: type = Wav2Vec2BertForXVector
    pipeline_tag = "audio-classification"
    texts = "speakers"
    hears_parts = True
    in_windows = False

    def __init__(self, settings: SpeakerSettings, corpus: Corpus) -> None:
        self.settings, self.corpus = settings, corpus
        self.heard_s = settings.crop_s
        self.clips: Sequence[int] = corpus.split("train")
        self.speakers = [clip.texts[0] for clip in corpus.clips]
        self.names = sorted({self.speakers[clip] for clip in self.clips})
        if len(self.names) < 2:
            raise InputError(f"data must have at least two speakers to train on; it has {self.names}")
        number = {name: index for index, name in enumerate(self.names)}
        self.labels = [number.get(speaker, -1) for speaker in self.speakers]
        self.texts_of: Sequence[Sequence[int]] = [[0]] * len(corpus)
        kept = corpus.split("validation")
        self.heard_before = [corpus.clips[clip].name for clip in kept if self.labels[clip] >= 0]
        self.validation: Sequence[int] = [clip for clip in kept if self.labels[clip] < 0]
        self.calibration: Calibration | None = None
        if not _has_pairs([self.speakers[clip] for clip in self.validation]):
            self.validation = []
        self.config: Mapping[str, Any] = {"id2label": dict(enumerate(self.names)), "label2id": number}

    def report(self) -> list[str]:
        """How many sounds each speaker has, and whether there is somebody to measure on."""
        sounds = [self.speakers[clip] for clip in self.clips]
        counts = {name: sounds.count(name) for name in self.names}
        told = [f"{len(self.names)} speakers to train on, of {min(counts.values())} to {max(counts.values())} sounds"]
        few = [name for name, count in counts.items() if count < FEW_SOUNDS]
        if few:
            told.append(f"{len(few)} of them have fewer than {FEW_SOUNDS} sounds{some(few)}")
        if self.heard_before:
            told.append(
                f"{len(self.heard_before)} validation sounds are of speakers to train on and left out"
                f"{some(self.heard_before)}"
            )
        others = [self.speakers[clip] for clip in self.validation]
        if others:
            told.append(f"{len(set(others))} speakers to measure on, none of them trained on")
        else:
            told.append("nothing to measure on: there must be two speakers who are not trained on, one with two sounds")
        return told

    def weight(self, piece: Piece) -> float:
        """As `Task` has it, as what follows."""
        return 1.0

    def loss(self, model: Any, batch: Batch) -> Tensor:
        """The cross-entropy of angles with a margin, of the head."""
        labels = torch.tensor([self.labels[piece.clip] for piece in batch.pieces], device=batch.features.device)
        return model(batch.features, batch.mask, labels=labels).loss * len(labels)

    def hear(self, model: Any, batch: Batch) -> list[NDArray[Any]]:
        """The x-vector of each, of length 1."""
        vectors = model(batch.features, batch.mask).embeddings.float()
        return list(torch.nn.functional.normalize(vectors, dim=1).cpu().numpy())

    def evaluate(self, clips: Sequence[int], heard: Sequence[NDArray[Any]]) -> Evaluation:
        """Equal error rate and detection cost of all pairs, and the pairs that are told most wrongly."""
        vectors = np.stack(heard)
        first, second = np.triu_indices(len(clips), 1)
        scores = (vectors @ vectors.T)[first, second]
        speakers = np.array([self.speakers[clip] for clip in clips])
        is_same = speakers[first] == speakers[second]
        if is_same.all() or not is_same.any():
            return Evaluation({})
        rate, threshold = equal_error_rate(scores, is_same)
        wrongly = np.where(is_same, threshold - scores, scores - threshold)
        order = np.argsort(-wrongly, kind="stable")[:KEPT_PAIRS]
        cases: list[Case] = []
        for pair in order.tolist():
            both = [clips[int(each[pair])] for each in (first, second)]
            if (scores[pair] >= threshold) == is_same[pair]:
                continue
            told = "different speakers" if is_same[pair] else "one speaker"
            cases.append(
                Case(
                    name=" and ".join(self.corpus.clips[clip].name for clip in both),
                    error=float(wrongly[pair]),
                    heard=f"{told} ({scores[pair]:.2f})",
                    written=" and ".join(dict.fromkeys(self.speakers[clip] for clip in both)),
                )
            )
        cost, same = min_detection_cost(scores, is_same), int(is_same.sum())
        self.calibration = Calibration(threshold, rate, cost, same, len(scores) - same)
        measures = {"EER": rate, "minDCF": cost, "threshold": threshold}
        return Evaluation(measures, cases, {"scores": _scores_figure(scores, is_same, threshold)})

    def score(self, measures: Mapping[str, float]) -> float:
        """The lower the equal error rate, the better."""
        return -measures.get("EER", 0.0)

    def save(self, folder: Path) -> None:
        """The threshold at which the errors are equal, for `photism speakers verify --calibration`."""
        if self.calibration:
            self.calibration.save(folder / THRESHOLD)


def _has_pairs(speakers: Sequence[str]) -> bool:
    """Of one speaker, and of different ones."""
    return 1 < len(set(speakers)) < len(speakers)


def _scores_figure(scores: NDArray[np.floating], is_same: NDArray[np.bool_], threshold: float) -> Any:
    """A matplotlib figure: how alike pairs of one speaker and of different ones are."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name, chosen in (("one speaker", is_same), ("different speakers", ~is_same)):
        axes.hist(scores[chosen], bins=50, range=(-1, 1), density=True, alpha=0.6, label=f"{name} ({chosen.sum()})")
    axes.axvline(threshold, color="black", linewidth=1, label=f"equal errors, {threshold:.2f}")
    axes.set_xlabel("cosine of two recordings' vectors")
    axes.set_ylabel("density of pairs")
    axes.legend()
    return figure
