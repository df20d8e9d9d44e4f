"""Interface of a task: the targets of a row of data, the loss that is minimised, and the metrics of a model.

A file in `photism.training.tasks` defines a task. Its `TaskType` reads rows and creates the task for a data set; the
task itself is a `ClipLossTask` or a `BatchLossTask`, by the kind of its loss.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from photism.manifest.columns import NO_COLUMNS, Columns
from photism.prompts.pretrained_encoder import PretrainedEncoder
from photism.training.data.feature_dataset import FeatureDataset
from photism.training.data.sampler import Crop, EpochSampler

if TYPE_CHECKING:
    from photism.training.logging import Listener


@dataclass(frozen=True)
class Batch:
    """Crops on the device of the model.

    Attributes:
        crops: B crops.
        features: float32 (B, F, width), 0 for padding.
        mask: int64 (B, F), 1 for a token and 0 for padding.
        targets: tensors of B rows, as the task's `targets` returned them; empty in an evaluation.
    """

    crops: Sequence[Crop]
    features: Tensor
    mask: Tensor
    targets: Mapping[str, Tensor]


@dataclass(frozen=True)
class ErrorCase:
    """A validation clip, or a pair of them, with a wrong prediction.

    Attributes:
        name: name of the clip.
        error: size of the error, by the task's own measure.
        prediction: what the model predicted.
        reference: transcript, label or caption that the data set has for it.
    """

    name: str
    error: float
    prediction: str
    reference: str


@dataclass(frozen=True)
class Evaluation:
    """Result of an evaluation on the validation clips.

    Attributes:
        metrics: metrics by name.
        worst: wrong predictions, the worst first.
        figures: matplotlib figures, by the name of their file.
        images: sample images, by name.
        headline: names of the metrics that are printed; by default all of them.
        sample: generates sample images and computes metrics of them, which is expensive; called in the main process.
        details: what the task saves with the model, such as a calibration.
    """

    metrics: Mapping[str, float]
    worst: Sequence[ErrorCase] = ()
    figures: Mapping[str, Any] = field(default_factory=dict[str, Any])
    images: Mapping[str, Any] = field(default_factory=dict[str, Any])
    headline: Sequence[str] | None = None
    sample: Callable[[], tuple[Mapping[str, float], Mapping[str, Any]]] | None = None
    details: Any = None

    def summary(self) -> str:
        """Return the headline metrics on one line."""
        names = self.metrics if self.headline is None else self.headline
        return "  ".join(f"{name.rpartition(': ')[2]} {self.metrics[name]:.3f}" for name in names)


@dataclass(frozen=True)
class TaskReport:
    """Findings of a task in the data, before the training.

    Attributes:
        lines: findings as sentences.
        values: findings for report.json.
    """

    lines: Sequence[str]
    values: Mapping[str, Any]


@dataclass(frozen=True)
class CardSections:
    """Sections of the model card that a task adds.

    Attributes:
        front_matter: lines of the YAML header.
        introduction: paragraphs in Markdown.
        curves: metrics whose curve over the steps is drawn; by default all of them.
    """

    front_matter: Sequence[str]
    introduction: Sequence[str]
    curves: Sequence[str] | None = None


class ModelBuilder(Protocol):
    """Builder of the model of a task, which also saves it."""

    @property
    def encoder_name(self) -> str:
        """Attribute of the model that holds the encoder."""
        ...

    def build(self, pretrained: PretrainedEncoder, *, device: str = "cpu") -> nn.Module:
        """Return a model with the weights of the pretrained encoder; on the device "meta" without any weights."""
        ...

    def start_line(self, pretrained: PretrainedEncoder) -> str:
        """Return what of the checkpoint the model takes over, and what it leaves behind, as a line of the report."""
        ...

    def min_tokens(self, model: Any) -> int:
        """Return the length to which the model pads every crop at least."""
        ...

    def max_tokens(self, model: Any) -> int | None:
        """Return the length to which the model truncates every crop; None if it uses all of it."""
        ...

    def save(self, model: Any, folder: Path, pretrained: PretrainedEncoder) -> None:
        """Save the model, with LoRA merged, and everything that is needed to load it. The model may be changed."""
        ...


class Task(Protocol):
    """A task on a data set.

    Attributes:
        dataset: prepared features of the clips.
        target_noun: what the targets are called, such as "classes".
        crops_long_clips: whether a clip longer than `max_duration_s` is cropped; otherwise the task handles it.
        crop_s: longest training crop in seconds, besides `max_duration_s`.
        evaluates_windows: whether clips are evaluated completely, in consecutive windows, or only their beginning.
        train_clips: indices of the clips to train on.
        validation_clips: indices of the clips to evaluate on.
        target_ids: numbers of the targets of each clip in the data set, one of which is drawn each epoch.
    """

    dataset: FeatureDataset
    target_noun: str
    crops_long_clips: bool
    crop_s: float
    evaluates_windows: bool
    train_clips: Sequence[int]
    validation_clips: Sequence[int]
    target_ids: Sequence[Sequence[int]]

    @property
    def builder(self) -> ModelBuilder:
        """Builder of the task's model."""
        ...

    def report(self, sampler: EpochSampler) -> TaskReport:
        """Return what is to be known before the training."""
        ...

    def targets(self, crops: Sequence[Crop]) -> dict[str, Tensor]:
        """Return the targets of crops as tensors of a row a crop."""
        ...

    def predict(self, model: Any, batch: Batch) -> list[Any]:
        """Return the model's prediction for each crop, as `evaluate` expects it."""
        ...

    def evaluate(self, clips: Sequence[int], predictions: Sequence[Any]) -> Evaluation:
        """Compare the predictions for validation clips with their references."""
        ...

    def score(self, metrics: Mapping[str, float]) -> float:
        """Return by what the best weights are chosen, the higher the better; also of no metrics at all."""
        ...

    def save(self, folder: Path, evaluation: Evaluation) -> None:
        """Save what the model needs besides its weights, such as a vocabulary."""
        ...

    def card(self) -> CardSections:
        """Return what the task adds to the model card."""
        ...


class ClipLossTask(Task, Protocol):
    """A task whose loss is a weighted mean over clips."""

    def weight(self, crop: Crop) -> float:
        """Return the weight of a crop in the loss of its batch."""
        ...

    def loss(self, model: Any, batch: Batch) -> Tensor:
        """Return the sum of the crops' losses, each times its weight."""
        ...


@runtime_checkable
class BatchLossTask(Task, Protocol):
    """A task whose loss compares the clips of a batch with each other, such as a contrastive loss.

    Attributes:
        extra_parameters: trained tensors that are not part of the model, such as a temperature.
    """

    extra_parameters: Mapping[str, Tensor]

    def outputs(self, model: Any, batch: Batch) -> tuple[Tensor, ...]:
        """Return the outputs that the loss depends on: tensors of a row a crop."""
        ...

    def losses(self, outputs: Sequence[Tensor], targets: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return "loss" and its parts of the outputs and targets of a whole batch."""
        ...


AnyTask = ClipLossTask | BatchLossTask


@dataclass(frozen=True)
class TaskType:
    """Kind of task: functions that read its data and create it.

    Attributes:
        read_row: returns the targets of a row as texts, by the settings.
        required: returns what a clip must have to be used, such as "caption", or None.
        cache_key: returns the settings that decide which clips and texts the data set has.
        create: returns the task on a data set.
        complete: returns the settings with values that depend on the checkpoint to start from.
        columns: returns the columns of a row that hold targets, for the report.
        group: returns what keeps clips in one split together, such as their speaker, or None.
    """

    read_row: Callable[[Mapping[str, Any], Any], tuple[str, ...]]
    required: Callable[[Any], str | None]
    cache_key: Callable[[Any], Mapping[str, Any]]
    create: Callable[[Any, FeatureDataset, torch.device, Listener], AnyTask]
    complete: Callable[[Any, PretrainedEncoder], Any] = lambda settings, pretrained: settings
    columns: Callable[[Mapping[str, Any], Any], Columns] = lambda row, settings: NO_COLUMNS
    group: Callable[[Mapping[str, Any], Any], str | None] = lambda row, settings: None
