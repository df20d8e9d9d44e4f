"""Classification of frames: voice activity, or who of several speakers is active (diarization)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from photism.encoder.head_losses import MULTI_LABEL, frame_activity_losses, permutation_invariant_loss
from photism.encoder.heads import Wav2Vec2BertForAudioFrameClassification
from photism.errors import InputError
from photism.listening.diarization import find_turns
from photism.listening.metrics import best_match, diarization_error
from photism.listening.segments import Segment
from photism.listening.settings import TimelineSettings
from photism.settings import SettingError
from photism.training.data.feature_dataset import FeatureDataset
from photism.training.data.report import first_names
from photism.training.data.sampler import Crop, EpochSampler
from photism.training.data.turns import activity, parse_turns, turns_of_row, version_of_rttm
from photism.training.head_model import HeadBuilder, finetune_cache_key, finetune_card, group_by_speaker
from photism.training.settings import FramesSettings
from photism.training.task import Batch, CardSections, ErrorCase, Evaluation, TaskReport, TaskType

SPEECH, SPEAKERS, NAMES = "speech", "speakers", "names"


class FramesTask:
    """Classification of the frames of a data set, a `ClipLossTask`.

    Args:
        settings: settings of the training.
        dataset: data set whose texts are turns.

    Attributes:
        names: names of the C outputs.
        turns: reference turns of each clip.
        labels: bool (F, C) for each clip, active speakers of each frame.

    Raises:
        InputError: nobody speaks, or a recording has more speakers than there are outputs.
    """

    target_noun = "turns"
    crops_long_clips = False
    evaluates_windows = True

    def __init__(self, settings: FramesSettings, dataset: FeatureDataset) -> None:
        self.settings, self.dataset = settings, dataset
        self.crop_s = settings.crop_s
        tokens_per_s = dataset.settings.tokens_per_s
        self.frame_s = 1 / tokens_per_s
        self.turns = [self._reference_turns(parse_turns(clip.texts)) for clip in dataset.clips]
        self.names = self._output_names()
        train = dataset.split("train")
        # A long recording has as many crops in an epoch as fit into it.
        longest = max(1, int(settings.crop_s * tokens_per_s))
        self.train_clips: Sequence[int] = [
            clip for clip in train for _ in range(math.ceil(dataset.clips[clip].tokens / longest))
        ]
        self.validation_clips: Sequence[int] = dataset.split("validation")
        self.target_ids: Sequence[Sequence[int]] = [[0]] * len(dataset)
        self.labels = [self._activity(clip) for clip in range(len(dataset))]
        if not any(self.labels[clip].any() for clip in train):
            raise InputError("data must have speech in the training split; its turns name none")
        config = {
            "problem_type": MULTI_LABEL,
            "id2label": dict(enumerate(self.names)),
            "label2id": {name: index for index, name in enumerate(self.names)},
        }
        self.builder = HeadBuilder(Wav2Vec2BertForAudioFrameClassification, config, settings)

    def report(self, sampler: EpochSampler) -> TaskReport:
        """Return how much of the audio is silence, speech of one speaker, and overlapping speech."""
        lines: list[str] = []
        for name, clips in (("train", self.dataset.split("train")), ("validation", self.validation_clips)):
            if not clips:
                continue
            speakers = [np.bincount(self.labels[clip].sum(1), minlength=3) for clip in clips]
            counts = np.sum([np.append(each[:2], each[2:].sum()) for each in speakers], axis=0)
            nobody, one, more = counts / counts.sum()
            lines.append(f"{name}: {nobody:.1%} silence, {one:.1%} one speaker, {more:.1%} overlapping speakers")
        lines.append(f"a frame is {1000 * self.frame_s:.0f} ms; outputs: {', '.join(self.names)}")
        silent = [clip.name for clip, turns in zip(self.dataset.clips, self.turns, strict=True) if not turns]
        if silent:
            lines.append(f"{len(silent)} recordings have no speech{first_names(silent)}")
        return TaskReport(lines, {"task": lines})

    def targets(self, crops: Sequence[Crop]) -> dict[str, Tensor]:
        """Return the active speakers of each frame, float32 (B, F, C), 0 for padding."""
        rows = [
            torch.from_numpy(self.labels[crop.clip][crop.start : crop.start + crop.tokens]).float() for crop in crops
        ]
        return {"labels": pad_sequence(rows, batch_first=True)}

    def weight(self, crop: Crop) -> float:
        """Return the number of frames."""
        return float(crop.tokens)

    def loss(self, model: Any, batch: Batch) -> Tensor:
        """Return the sum over frames of the mean loss of the outputs; of speakers, in the order that fits best."""
        logits = model(batch.features, batch.mask).logits.float()
        labels, lengths = batch.targets["labels"], batch.mask.sum(1).tolist()
        if self.settings.learn == SPEAKERS:
            triples = zip(logits, labels, lengths, strict=True)
            return torch.stack([permutation_invariant_loss(row[:n], label[:n]) for row, label, n in triples]).sum()
        valid = batch.mask.bool()
        return frame_activity_losses(logits[valid], labels[valid]).sum() / len(self.names)

    def predict(self, model: Any, batch: Batch) -> list[NDArray[Any]]:
        """Return the probabilities (F, C) of each crop."""
        scores = model(batch.features, batch.mask).logits.float().sigmoid().cpu().numpy()
        return [row[: crop.tokens] for row, crop in zip(scores, batch.crops, strict=True)]

    def evaluate(self, clips: Sequence[int], predictions: Sequence[NDArray[Any]]) -> Evaluation:
        """Return frame F1 and diarization error rate over all recordings, and those with the most seconds wrong."""
        rules = TimelineSettings()
        hits = predicted = reference = 0
        wrong_s = spoken_s = 0.0
        cases: list[ErrorCase] = []
        for clip, scores in zip(clips, predictions, strict=True):
            about, labels = self.dataset.clips[clip], self.labels[clip][: len(scores)]
            active = scores >= rules.threshold
            if self.settings.learn == SPEAKERS:
                active = _permuted_like(active, labels)
            hits += (active & labels).sum()
            predicted, reference = predicted + active.sum(), reference + labels.sum()
            turns = find_turns(scores, self.names, rules, frame_s=self.frame_s, duration_s=about.duration_s)
            error = diarization_error(self.turns[clip], turns, collar_s=self.settings.collar_s)
            clip_wrong_s = error.missed_s + error.false_alarm_s + error.confused_s
            wrong_s += clip_wrong_s
            spoken_s += error.spoken_s
            if clip_wrong_s:
                parts = {"missed": error.missed_s, "false alarm": error.false_alarm_s, "confused": error.confused_s}
                errors = ", ".join(f"{seconds:.1f} s {name}" for name, seconds in parts.items())
                cases.append(ErrorCase(about.name, clip_wrong_s, errors, f"{error.spoken_s:.1f} s of speech"))
        metrics = {
            "frame F1": float(2 * hits / (predicted + reference)) if predicted + reference else 1.0,
            "DER": wrong_s / spoken_s if spoken_s else float(wrong_s > 0),
        }
        return Evaluation(metrics, sorted(cases, key=lambda case: -case.error))

    def score(self, metrics: Mapping[str, float]) -> float:
        """Return the frame F1."""
        return metrics.get("frame F1", 0.0)

    def save(self, folder: Path, evaluation: Evaluation) -> None:
        """Save nothing: the names are in the configuration."""

    def card(self) -> CardSections:
        """Return what the task adds to the model card."""
        return finetune_card(self.builder, "voice-activity-detection")

    def _reference_turns(self, turns: list[Segment]) -> list[Segment]:
        """Return turns as they are predicted: for voice activity, overlapping speakers are merged."""
        if self.settings.learn != SPEECH:
            return turns
        merged: list[Segment] = []
        for turn in sorted(turns, key=lambda each: each.start_s):
            if merged and turn.start_s <= merged[-1].end_s:
                end_s = max(merged[-1].end_s, turn.end_s)
                merged[-1] = Segment(merged[-1].start_s, end_s, SPEECH, 1.0)
            else:
                merged.append(Segment(turn.start_s, turn.end_s, SPEECH, 1.0))
        return merged

    def _output_names(self) -> list[str]:
        if self.settings.learn == SPEECH:
            return [SPEECH]
        if self.settings.learn == NAMES:
            return sorted({turn.label for turns in self.turns for turn in turns}) or [SPEECH]
        most = self.settings.speakers
        crowded = [
            clip.name
            for clip, turns in zip(self.dataset.clips, self.turns, strict=True)
            if len({turn.label for turn in turns}) > most
        ]
        if crowded:
            raise SettingError(
                "speakers", f"must be at least the number in each recording; more than {most} are in"
                f"{first_names(crowded)[1:]}",
            )  # fmt: skip
        return [f"speaker {number + 1}" for number in range(most)]

    def _activity(self, clip: int) -> NDArray[np.bool_]:
        turns = self.turns[clip]
        # Speakers without an order of their own are those of this recording; further columns are nobody.
        names = sorted({turn.label for turn in turns}) if self.settings.learn == SPEAKERS else self.names
        found = activity(turns, names, tokens=self.dataset.clips[clip].tokens, token_s=self.frame_s)
        return np.pad(found, ((0, 0), (0, len(self.names) - len(names))))


def _permuted_like(active: NDArray[np.bool_], labels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the columns of predictions (F, C) in the order that agrees best with the labels (F, C)."""
    overlap = (labels[:, :, None] & active[:, None, :]).sum(0).astype(float)
    ordered = np.zeros_like(active)
    for speaker, column in best_match(overlap):
        ordered[:, speaker] = active[:, column]
    return ordered


FRAMES = TaskType(
    read_row=turns_of_row,
    required=lambda settings: "turns in RTTM",
    cache_key=lambda settings: finetune_cache_key(settings, {"rttm": version_of_rttm(settings)}),
    create=lambda settings, dataset, device, listener: FramesTask(settings, dataset),
    group=group_by_speaker,
)
