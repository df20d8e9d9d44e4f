"""Classification of whole recordings: one class each, or any number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from photism.encoder.head_losses import MULTI_LABEL, SINGLE_LABEL, classification_loss
from photism.encoder.heads import Wav2Vec2BertForSequenceClassification
from photism.errors import InputError
from photism.manifest.columns import columns_of, first_of, is_missing
from photism.settings import SettingError
from photism.training.class_metrics import (
    confusion_figure,
    confusion_matrix,
    f1_figure,
    multi_label_metrics,
    single_label_metrics,
)
from photism.training.data.example import LABEL_COLUMNS
from photism.training.data.feature_dataset import FeatureDataset
from photism.training.data.report import first_names
from photism.training.data.sampler import Crop, EpochSampler
from photism.training.head_model import HeadBuilder, finetune_cache_key, finetune_card, group_by_speaker
from photism.training.settings import ClassifySettings
from photism.training.task import Batch, CardSections, ErrorCase, Evaluation, TaskReport, TaskType

MAX_LISTED_CLASSES = 30
MAX_POSITIVE_WEIGHT = 100.0
"""Largest weight of a clip that has a class, relative to one that has not, with --balance and --multi-label."""


class ClassifyTask:
    """Classification of a data set, a `ClipLossTask`.

    Args:
        settings: settings of the training.
        dataset: data set whose texts are classes.

    Attributes:
        names: names of the C classes.
        labels: bool (clips, C), classes of each clip.
        class_weights: float32 (C,), weight of a clip of each class or, with several classes at once, of one that has
            the class relative to one that has not.

    Raises:
        InputError: there are fewer than two classes, or a clip has several or one that is not in `--classes`.
    """

    target_noun = "classes"
    crops_long_clips = True
    crop_s = float("inf")
    evaluates_windows = False

    def __init__(self, settings: ClassifySettings, dataset: FeatureDataset) -> None:
        self.settings, self.dataset = settings, dataset
        self.train_clips: Sequence[int] = dataset.split("train")
        self.validation_clips: Sequence[int] = dataset.split("validation")
        self.names = _class_names(settings, dataset)
        self.target_ids: Sequence[Sequence[int]] = [[0]] * len(dataset)
        ids = {name: index for index, name in enumerate(self.names)}
        self.labels = np.zeros((len(dataset), len(self.names)), bool)
        for row, clip in zip(self.labels, dataset.clips, strict=True):
            row[[ids[name] for name in clip.texts]] = True
        several = [clip.name for clip in dataset.clips if len(clip.texts) > 1]
        if several and not settings.multi_label:
            raise SettingError(
                "multi_label", f"must be on: {len(several)} clips have several classes{first_names(several)}"
            )
        config = {
            "problem_type": MULTI_LABEL if settings.multi_label else SINGLE_LABEL,
            "id2label": dict(enumerate(self.names)),
            "label2id": ids,
        }
        self.builder = HeadBuilder(Wav2Vec2BertForSequenceClassification, config, settings)
        self.class_weights = torch.from_numpy(self._class_weights())

    def report(self, sampler: EpochSampler) -> TaskReport:
        """Return the number of clips of each class, and the accuracy of the most frequent one."""
        train, validation = (self.labels[self.dataset.split(name)].sum(0) for name in ("train", "validation"))
        order = np.argsort(-train, kind="stable")
        listed = [f"{self.names[index]} {train[index]}" for index in order]
        shown = listed if len(listed) <= MAX_LISTED_CLASSES else [*listed[:10], "…", *listed[-10:]]
        lines = [f"{len(self.names)} classes, with training clips: {', '.join(shown)}"]
        if not self.settings.multi_label and len(self.validation_clips):
            accuracy = validation[order[0]] / validation.sum()
            lines.append(f"always predicting {self.names[order[0]]} has a validation accuracy of {accuracy:.1%}")
        for name, missing in (("training", train == 0), ("validation", validation == 0)):
            if missing.any():
                names = [self.names[index] for index in np.flatnonzero(missing)]
                lines.append(f"{len(names)} classes have no {name} clip{first_names(names)}")
        return TaskReport(lines, {"task": lines})

    def targets(self, crops: Sequence[Crop]) -> dict[str, Tensor]:
        """Return the class of each crop, int64 (B,), or with several classes at once 0 and 1, float32 (B, C)."""
        labels = torch.from_numpy(self.labels[[crop.clip for crop in crops]])
        return {"labels": labels.float() if self.settings.multi_label else labels.int().argmax(1)}

    def weight(self, crop: Crop) -> float:
        """Return the weight of the crop's class."""
        return 1.0 if self.settings.multi_label else float(self.class_weights[self.labels[crop.clip].argmax()])

    def loss(self, model: Any, batch: Batch) -> Tensor:
        """Return the sum of the head's losses, by class weights."""
        logits = model(batch.features, batch.mask).logits.float()
        weights = self.class_weights.to(logits)
        losses = classification_loss(
            logits, batch.targets["labels"], model.config, class_weights=weights, reduction="none"
        )
        return losses.sum()

    def predict(self, model: Any, batch: Batch) -> list[NDArray[Any]]:
        """Return the logits (C,) of each crop."""
        return list(model(batch.features, batch.mask).logits.float().cpu().numpy())

    def evaluate(self, clips: Sequence[int], predictions: Sequence[NDArray[Any]]) -> Evaluation:
        """Return accuracy and F1, and the wrong predictions, those with the lowest score of the reference first."""
        logits, references = torch.from_numpy(np.stack(predictions)), self.labels[list(clips)]
        if self.settings.multi_label:
            return self._evaluate_multi_label(clips, logits.sigmoid().numpy(), references)
        scores, reference = logits.softmax(1).numpy(), references.argmax(1)
        predicted = scores.argmax(1)
        counts = confusion_matrix(reference, predicted, len(self.names))
        wrong: list[int] = np.flatnonzero(predicted != reference).tolist()
        wrong.sort(key=lambda row: scores[row, reference[row]])
        cases = [
            ErrorCase(
                name=self.dataset.clips[clips[row]].name,
                error=float(1 - scores[row, reference[row]]),
                prediction=f"{self.names[predicted[row]]} ({scores[row, predicted[row]]:.2f})",
                reference=f"{self.names[reference[row]]} ({scores[row, reference[row]]:.2f})",
            )
            for row in wrong
        ]
        return Evaluation(single_label_metrics(counts), cases, {"confusion": confusion_figure(counts, self.names)})

    def score(self, metrics: Mapping[str, float]) -> float:
        """Return F1 with balanced or several classes, else accuracy."""
        return metrics.get("F1" if self.settings.balance or self.settings.multi_label else "accuracy", 0.0)

    def save(self, folder: Path, evaluation: Evaluation) -> None:
        """Save nothing: the names are in the configuration."""

    def card(self) -> CardSections:
        """Return what the task adds to the model card."""
        return finetune_card(self.builder, "audio-classification")

    def _evaluate_multi_label(
        self, clips: Sequence[int], scores: NDArray[np.floating], references: NDArray[np.bool_]
    ) -> Evaluation:
        predicted = scores > 0.5
        errors = np.abs(scores - references).max(1)
        wrong: list[int] = np.flatnonzero((predicted != references).any(1)).tolist()
        wrong.sort(key=lambda row: -errors[row])
        cases = [
            ErrorCase(
                name=self.dataset.clips[clips[row]].name,
                error=float(errors[row]),
                prediction=self._named(predicted[row], scores[row]),
                reference=self._named(references[row], scores[row]),
            )
            for row in wrong
        ]
        hits = (predicted & references).sum(0)
        figure = f1_figure(hits, predicted.sum(0), references.sum(0), self.names)
        return Evaluation(multi_label_metrics(scores, references), cases, {"classes": figure})

    def _named(self, chosen: NDArray[np.bool_], scores: NDArray[np.floating]) -> str:
        return ", ".join(f"{self.names[index]} ({scores[index]:.2f})" for index in np.flatnonzero(chosen))

    def _class_weights(self) -> NDArray[np.float32]:
        train = self.labels[self.train_clips]
        counts = train.sum(0).clip(min=1)
        if not self.settings.balance:
            return np.ones(len(self.names), np.float32)
        if self.settings.multi_label:
            return ((len(train) - counts) / counts).clip(1, MAX_POSITIVE_WEIGHT).astype(np.float32)
        return (len(train) / (counts * len(self.names))).astype(np.float32)


def classes_of_row(row: Mapping[str, Any], settings: ClassifySettings) -> tuple[str, ...]:
    """Return the classes of a row: a list or, with several classes at once, names separated by commas.

    An empty text in a column of labels means that there is none.
    """
    found = first_of(row, _label_columns(settings))
    if found is None:
        return ()
    if isinstance(found, list | tuple):
        named: Iterable[Any] = found
    else:
        named = str(found).split(",") if settings.multi_label else [found]
    return tuple(dict.fromkeys(name for name in (str(each).strip() for each in named if not is_missing(each)) if name))


def _label_columns(settings: ClassifySettings) -> tuple[str, ...]:
    return (settings.label_column,) if settings.label_column else LABEL_COLUMNS


def _class_names(settings: ClassifySettings, dataset: FeatureDataset) -> list[str]:
    found = sorted({name for clip in dataset.clips for name in clip.texts})
    if settings.classes is None:
        names = found
    else:
        names = list(dict.fromkeys(name.strip() for name in settings.classes.split(",") if name.strip()))
        others = [name for name in found if name not in set(names)]
        if others:
            raise SettingError(
                "classes", f"must name all classes in the data; {len(others)} are missing{first_names(others)}"
            )
    if len(names) < 2 and not settings.multi_label:
        raise InputError(f"data must have at least two classes; it has {', '.join(names) or 'none'}")
    if not names:
        raise InputError("data must have at least one class; no clip has any")
    return names


CLASSIFY = TaskType(
    read_row=classes_of_row,
    required=lambda settings: None if settings.multi_label else "class",
    cache_key=lambda settings: finetune_cache_key(
        settings, {"label_column": settings.label_column, "multi_label": settings.multi_label}
    ),
    create=lambda settings, dataset, device, listener: ClassifyTask(settings, dataset),
    columns=lambda row, settings: columns_of(row, _label_columns(settings)),
    group=group_by_speaker,
)
