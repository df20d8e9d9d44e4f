"""Speaker embeddings (x-vectors), trained on some people and evaluated on others."""

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
from photism.listening.calibration import Calibration
from photism.listening.metrics import equal_error_rate, min_detection_cost
from photism.manifest.columns import columns_of
from photism.training.data.example import speaker_columns, speaker_of_row
from photism.training.data.feature_dataset import FeatureDataset
from photism.training.data.report import first_names
from photism.training.data.sampler import Crop, EpochSampler
from photism.training.head_model import HeadBuilder, finetune_cache_key, finetune_card
from photism.training.settings import SpeakerSettings
from photism.training.task import Batch, CardSections, ErrorCase, Evaluation, TaskReport, TaskType

FEW_CLIPS = 2
MAX_CASES = 100
CALIBRATION = "threshold.json"


class SpeakerTask:
    """Speaker embeddings of a data set, a `ClipLossTask`.

    Args:
        settings: settings of the training.
        dataset: data set whose texts are speakers.

    Attributes:
        names: names of the training speakers.
        speakers: speaker of each clip.
        labels: number of each clip's speaker; -1 if it is not a training speaker.
        known_speaker_clips: names of validation clips that are skipped, since their speaker is a training speaker.

    Raises:
        InputError: there are fewer than two training speakers.
    """

    target_noun = "speakers"
    crops_long_clips = True
    evaluates_windows = False

    def __init__(self, settings: SpeakerSettings, dataset: FeatureDataset) -> None:
        self.settings, self.dataset = settings, dataset
        self.crop_s = settings.crop_s
        self.train_clips: Sequence[int] = dataset.split("train")
        self.speakers = [clip.texts[0] for clip in dataset.clips]
        self.names = sorted({self.speakers[clip] for clip in self.train_clips})
        if len(self.names) < 2:
            raise InputError(f"data must have at least two training speakers; it has {self.names}")
        ids = {name: index for index, name in enumerate(self.names)}
        self.labels = [ids.get(speaker, -1) for speaker in self.speakers]
        self.target_ids: Sequence[Sequence[int]] = [[0]] * len(dataset)
        validation = dataset.split("validation")
        self.known_speaker_clips = [dataset.clips[clip].name for clip in validation if self.labels[clip] >= 0]
        self.validation_clips: Sequence[int] = [clip for clip in validation if self.labels[clip] < 0]
        if not _has_both_kinds_of_pairs([self.speakers[clip] for clip in self.validation_clips]):
            self.validation_clips = []
        config = {"id2label": dict(enumerate(self.names)), "label2id": ids}
        self.builder = HeadBuilder(Wav2Vec2BertForXVector, config, settings)

    def report(self, sampler: EpochSampler) -> TaskReport:
        """Return the number of clips per speaker, and of validation speakers."""
        train = [self.speakers[clip] for clip in self.train_clips]
        counts = {name: train.count(name) for name in self.names}
        lines = [f"{len(self.names)} training speakers with {min(counts.values())} to {max(counts.values())} clips"]
        few = [name for name, count in counts.items() if count < FEW_CLIPS]
        if few:
            lines.append(f"{len(few)} of them have fewer than {FEW_CLIPS} clips{first_names(few)}")
        if self.known_speaker_clips:
            lines.append(
                f"skipped {len(self.known_speaker_clips)} validation clips of training speakers"
                f"{first_names(self.known_speaker_clips)}"
            )
        others = {self.speakers[clip] for clip in self.validation_clips}
        if others:
            lines.append(f"{len(others)} validation speakers, none of them in training")
        else:
            lines.append("no evaluation: it needs two speakers who are not in training, one with two clips")
        return TaskReport(lines, {"task": lines})

    def targets(self, crops: Sequence[Crop]) -> dict[str, Tensor]:
        """Return the speaker of each crop, int64 (B,)."""
        return {"labels": torch.tensor([self.labels[crop.clip] for crop in crops])}

    def weight(self, crop: Crop) -> float:
        """Return 1: all clips count the same."""
        return 1.0

    def loss(self, model: Any, batch: Batch) -> Tensor:
        """Return the sum of the head's losses. Its weights are read within its forward pass, as FSDP requires."""
        return model(batch.features, batch.mask, labels=batch.targets["labels"]).loss * len(batch.crops)

    def predict(self, model: Any, batch: Batch) -> list[NDArray[Any]]:
        """Return the x-vector of each crop, normalised to length 1."""
        embeddings = model(batch.features, batch.mask).embeddings.float()
        return list(torch.nn.functional.normalize(embeddings, dim=1).cpu().numpy())

    def evaluate(self, clips: Sequence[int], predictions: Sequence[NDArray[Any]]) -> Evaluation:
        """Return equal error rate and detection cost over all pairs of clips, and the pairs that are most wrong."""
        embeddings = np.stack(predictions)
        first, second = np.triu_indices(len(clips), 1)
        scores = (embeddings @ embeddings.T)[first, second]
        speakers = np.array([self.speakers[clip] for clip in clips])
        is_same = speakers[first] == speakers[second]
        if is_same.all() or not is_same.any():
            return Evaluation({})
        rate, threshold = equal_error_rate(scores, is_same)
        errors = np.where(is_same, threshold - scores, scores - threshold)
        cases: list[ErrorCase] = []
        for pair in np.argsort(-errors, kind="stable")[:MAX_CASES].tolist():
            if (scores[pair] >= threshold) == is_same[pair]:
                continue
            both = [clips[int(each[pair])] for each in (first, second)]
            predicted = "different speakers" if is_same[pair] else "one speaker"
            cases.append(
                ErrorCase(
                    name=" and ".join(self.dataset.clips[clip].name for clip in both),
                    error=float(errors[pair]),
                    prediction=f"{predicted} ({scores[pair]:.2f})",
                    reference=" and ".join(dict.fromkeys(self.speakers[clip] for clip in both)),
                )
            )
        cost, same = min_detection_cost(scores, is_same), int(is_same.sum())
        return Evaluation(
            {"EER": rate, "minDCF": cost, "threshold": threshold},
            cases,
            {"scores": _scores_figure(scores, is_same, threshold)},
            details=Calibration(threshold, rate, cost, same, len(scores) - same),
        )

    def score(self, metrics: Mapping[str, float]) -> float:
        """Return the negative equal error rate."""
        return -metrics.get("EER", 0.0)

    def save(self, folder: Path, evaluation: Evaluation) -> None:
        """Save the threshold of equal errors, for `photism speakers verify --calibration`."""
        if isinstance(evaluation.details, Calibration):
            evaluation.details.save(folder / CALIBRATION)

    def card(self) -> CardSections:
        """Return what the task adds to the model card."""
        return finetune_card(self.builder, "audio-classification")


def speaker_or_label_of_row(row: Mapping[str, Any], settings: SpeakerSettings) -> str | None:
    """Return the speaker of a row, which may be the name of the recording's folder."""
    return speaker_of_row(row, settings.speaker_column, or_label=True)


def speakers_of_row(row: Mapping[str, Any], settings: SpeakerSettings) -> tuple[str, ...]:
    """Return the speaker of a row as the only text, or none."""
    speaker = speaker_or_label_of_row(row, settings)
    return () if speaker is None else (speaker,)


def _has_both_kinds_of_pairs(speakers: Sequence[str]) -> bool:
    """Return whether there are pairs of clips of one speaker and pairs of different speakers."""
    return 1 < len(set(speakers)) < len(speakers)


def _scores_figure(scores: NDArray[np.floating], is_same: NDArray[np.bool_], threshold: float) -> Any:
    """Return a matplotlib figure of the similarity of pairs of one speaker and of different speakers."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name, chosen in (("one speaker", is_same), ("different speakers", ~is_same)):
        axes.hist(scores[chosen], bins=50, range=(-1, 1), density=True, alpha=0.6, label=f"{name} ({chosen.sum()})")
    axes.axvline(threshold, color="black", linewidth=1, label=f"equal errors, {threshold:.2f}")
    axes.set_xlabel("cosine of two recordings' embeddings")
    axes.set_ylabel("density of pairs")
    axes.legend()
    return figure


SPEAKER = TaskType(
    read_row=speakers_of_row,
    required=lambda settings: "speaker",
    cache_key=finetune_cache_key,
    create=lambda settings, dataset, device, listener: SpeakerTask(settings, dataset),
    columns=lambda row, settings: columns_of(row, speaker_columns(settings.speaker_column, or_label=True)),
    group=speaker_or_label_of_row,
)
