"""Classes of whole recordings: one of each, or any number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from photism.encoder.heads import Wav2Vec2BertForSequenceClassification
from photism.errors import InputError
from photism.training.data.feature_dataset import Corpus
from photism.training.data.readers import LABEL_COLUMNS, first_of
from photism.training.data.report import some
from photism.training.data.sampler import Piece
from photism.training.heads.class_metrics import (
    confusion,
    confusion_figure,
    f1_figure,
    multi_label_measures,
    single_label_measures,
)
from photism.training.heads.settings import ClassifySettings
from photism.training.heads.task import Batch, Case, Evaluation

LISTED_CLASSES = 30
MOST_BALANCED = 100.0
"""A sound in which a class is counts at most as many times as one in which it is not."""


def classes_of_row(row: Mapping[str, Any], settings: ClassifySettings) -> tuple[str, ...]:
    """The classes of a sound: a list or, where it may have several, names between commas.

    A text of nothing in a column of labels says that there is none.
    """
    found = first_of(row, (settings.label_column,) if settings.label_column else LABEL_COLUMNS)
    if found is None:
        return ()
    if isinstance(found, list | tuple):
        named: Iterable[Any] = found
    else:
        named = str(found).split(",") if settings.multi_label else [found]
    return tuple(dict.fromkeys(name for name in (str(each).strip() for each in named) if name))


class ClassifyTask:
    """As `Task` has it.

    Args:
        settings: of the training.
        corpus: whose texts are classes.

    Attributes:
        names: of the C classes.

    Raises:
        InputError: there are fewer than two classes, or a sound has several or one that is not to be.
    """

    kind: type = Wav2Vec2BertForSequenceClassification
    pipeline_tag = "audio-classification"
    texts = "classes"
    hears_parts = True
    heard_s = float("inf")
    in_windows = False

    def __init__(self, settings: ClassifySettings, corpus: Corpus) -> None:
        self.settings, self.corpus = settings, corpus
        self.clips: Sequence[int] = corpus.split("train")
        self.validation: Sequence[int] = corpus.split("validation")
        self.names = _class_names(settings, corpus)
        self.texts_of: Sequence[Sequence[int]] = [[0]] * len(corpus)
        number = {name: index for index, name in enumerate(self.names)}
        self.targets = np.zeros((len(corpus), len(self.names)), bool)  # (N, C)
        for row, clip in zip(self.targets, corpus.clips, strict=True):
            row[[number[name] for name in clip.texts]] = True
        several = [clip.name for clip in corpus.clips if len(clip.texts) > 1]
        if several and not settings.multi_label:
            raise InputError(f"multi_label must be on: {len(several)} sounds have several classes{some(several)}")
        problem = "multi_label_classification" if settings.multi_label else "single_label_classification"
        self.config: Mapping[str, Any] = {
            "problem_type": problem,
            "id2label": dict(enumerate(self.names)),
            "label2id": number,
        }
        self.class_weights = torch.from_numpy(self._class_weights())

    def report(self) -> list[str]:
        """How many sounds each class has."""
        counts = {split: self.targets[self.corpus.split(split)].sum(0) for split in ("train", "validation")}
        train, validation = counts["train"], counts["validation"]
        order = np.argsort(-train, kind="stable")
        listed = [f"{self.names[index]} {train[index]}" for index in order]
        shown = listed if len(listed) <= LISTED_CLASSES else [*listed[:10], "…", *listed[-10:]]
        told = [f"{len(self.names)} classes, with sounds to train on: {', '.join(shown)}"]
        if not self.settings.multi_label and len(self.validation):
            guess = validation[order[0]] / validation.sum()
            told.append(f"always to say {self.names[order[0]]} would be right of {guess:.1%} of the validation sounds")
        for name, missing in (("to train on", train == 0), ("to measure on", validation == 0)):
            if missing.any():
                names = [self.names[index] for index in np.flatnonzero(missing)]
                told.append(f"{len(names)} classes have no sound {name}{some(names)}")
        return told

    def weight(self, piece: Piece) -> float:
        """As `Task` has it, as what follows."""
        if self.settings.multi_label:
            return 1.0
        return float(self.class_weights[self.targets[piece.clip].argmax()])

    def loss(self, model: Any, batch: Batch) -> Tensor:
        """Cross-entropy of the right class, or the mean over all classes of that of each."""
        logits = model(batch.features, batch.mask).logits.float()
        targets = torch.from_numpy(self.targets[[piece.clip for piece in batch.pieces]]).to(logits.device)
        weights = self.class_weights.to(logits)
        if self.settings.multi_label:
            each = binary_cross_entropy_with_logits(logits, targets.to(logits), pos_weight=weights, reduction="none")
            return each.mean(1).sum()
        return cross_entropy(logits, targets.int().argmax(1), weight=weights, reduction="sum")

    def hear(self, model: Any, batch: Batch) -> list[NDArray[Any]]:
        """Logits (C,) of each."""
        return list(model(batch.features, batch.mask).logits.float().cpu().numpy())

    def evaluate(self, clips: Sequence[int], heard: Sequence[NDArray[Any]]) -> Evaluation:
        """Accuracy and F1, and the sounds whose right class was least expected."""
        logits, targets = torch.from_numpy(np.stack(heard)), self.targets[list(clips)]
        if self.settings.multi_label:
            return self._evaluate_several(clips, logits.sigmoid().numpy(), targets)
        scores, right = logits.softmax(1).numpy(), targets.argmax(1)
        told = scores.argmax(1)
        counts = confusion(right, told, len(self.names))
        wrong: list[int] = np.flatnonzero(told != right).tolist()
        wrong.sort(key=lambda row: scores[row, right[row]])
        cases = [
            Case(
                name=self.corpus.clips[clips[row]].name,
                error=float(1 - scores[row, right[row]]),
                heard=f"{self.names[told[row]]} ({scores[row, told[row]]:.2f})",
                written=f"{self.names[right[row]]} ({scores[row, right[row]]:.2f})",
            )
            for row in wrong
        ]
        return Evaluation(single_label_measures(counts), cases, {"confusion": confusion_figure(counts, self.names)})

    def score(self, measures: Mapping[str, float]) -> float:
        """Where classes count alike, or there may be several, F1; else accuracy."""
        return measures.get("F1" if self.settings.balance or self.settings.multi_label else "accuracy", 0.0)

    def save(self, folder: Path) -> None:
        """Nothing: the names are in the configuration."""

    def _evaluate_several(
        self, clips: Sequence[int], scores: NDArray[np.floating], targets: NDArray[np.bool_]
    ) -> Evaluation:
        told = scores > 0.5
        errors = np.abs(scores - targets).max(1)
        wrong: list[int] = np.flatnonzero((told != targets).any(1)).tolist()
        wrong.sort(key=lambda row: -errors[row])
        cases = [
            Case(
                name=self.corpus.clips[clips[row]].name,
                error=float(errors[row]),
                heard=self._named(told[row], scores[row]),
                written=self._named(targets[row], scores[row]),
            )
            for row in wrong
        ]
        hits = (told & targets).sum(0)
        figure = f1_figure(hits, told.sum(0), targets.sum(0), self.names)
        return Evaluation(multi_label_measures(scores, targets), cases, {"classes": figure})

    def _named(self, chosen: NDArray[np.bool_], scores: NDArray[np.floating]) -> str:
        return ", ".join(f"{self.names[index]} ({scores[index]:.2f})" for index in np.flatnonzero(chosen))

    def _class_weights(self) -> NDArray[np.float32]:
        """(C,) What a sound of a class counts; with several classes, one that has it beside one that has not."""
        train = self.targets[self.clips]
        counts = train.sum(0).clip(min=1)
        if not self.settings.balance:
            return np.ones(len(self.names), np.float32)
        if self.settings.multi_label:
            return ((len(train) - counts) / counts).clip(1, MOST_BALANCED).astype(np.float32)
        return (len(train) / (counts * len(self.names))).astype(np.float32)


def _class_names(settings: ClassifySettings, corpus: Corpus) -> list[str]:
    found = sorted({name for clip in corpus.clips for name in clip.texts})
    if settings.classes is None:
        names = found
    else:
        names = list(dict.fromkeys(name.strip() for name in settings.classes.split(",") if name.strip()))
        others = [name for name in found if name not in set(names)]
        if others:
            raise InputError(f"classes must name all that occur; {len(others)} are missing{some(others)}")
    if len(names) < 2 and not settings.multi_label:
        raise InputError(f"data must have at least two classes to tell apart; it has {', '.join(names) or 'none'}")
    if not names:
        raise InputError("data must have at least one class; none of its sounds has any")
    return names
