"""Audio classification with a trained model: Wav2Vec2-BERT or any other architecture of transformers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from photism.audio.log_mel import FRAMES_PER_S
from photism.audio.long_recording import LongRecording
from photism.audio.waveform import SAMPLING_RATE, Waveform
from photism.device import choose_device
from photism.display.scores import Ranking, Rankings
from photism.encoder.chunked import max_exact_tokens
from photism.encoder.heads import Wav2Vec2BertForSequenceClassification
from photism.finite import check_finite
from photism.listening.batching import OnError, OnProgress, Recordings, is_single, read_ahead
from photism.listening.classifier_checkpoint import load_classifier
from photism.listening.head_states import encode_windows, extract_features, stream_states
from photism.listening.segmentation import ProblemType
from photism.listening.settings import ClassifierSettings, LabelSettings, ScoreFunction
from photism.listening.transformers_classifier import TransformersClassifier
from photism.listening.windowed_scores import ClassScore, LabelPolicy, Labels, Scored, label_recordings
from photism.settings import accepts

PROBLEM_TYPES: dict[ScoreFunction, ProblemType] = {
    "softmax": "single_label",
    "sigmoid": "multi_label",
    "none": "regression",
}
"""Meaning of the scores that a function returns."""


class AudioClassifier:
    """Classify recordings, with the same scores as `transformers.pipeline("audio-classification")`.

        classifier = AudioClassifier.from_pretrained("superb/wav2vec2-base-superb-ks")
        classifier("speech.wav")               # its five best classes, best first
        classifier(["a.wav", "b.mp3"])         # those of each recording
        for labels in classifier.stream(paths, window_s=2, hop_s=1):
            ...

    The scores of a recording do not depend on the others in its batch.

    Args:
        model: a model for audio classification, in evaluation mode.
        extractor: its feature extractor.
        names: names of the classes; by default those in the model's configuration.
        settings: settings of `ClassifierSettings`, which a call can override.

    Raises:
        SettingError: a setting is out of range.
    """

    @accepts(ClassifierSettings)
    def __init__(self, model: Any, extractor: Any, *, names: Sequence[str] | None = None, **settings: Any) -> None:
        self.model, self.extractor = model, extractor
        self.names = tuple(names or (model.config.id2label[index] for index in range(model.config.num_labels)))
        self.settings = ClassifierSettings(**settings)
        is_ours = isinstance(model, Wav2Vec2BertForSequenceClassification)
        self.transformers_classifier = None if is_ours else TransformersClassifier(model, extractor)

    @classmethod
    @accepts(ClassifierSettings)
    def from_pretrained(
        cls,
        model: str | Path | None = None,
        *,
        device: str | torch.device | None = None,
        dtype: torch.dtype | str = "float32",
        **settings: Any,
    ) -> AudioClassifier:
        """Load a checkpoint of any `AutoModelForAudioClassification`.

        Args:
            model: folder or hub id; by default the bundled classifier.
            device: device; by default CUDA if there is a GPU, else MPS, else the CPU.
            dtype: dtype of the weights: float32, float16, bfloat16, or "auto" for that of the checkpoint.
            settings: settings of `ClassifierSettings`, which a call can override.

        Raises:
            InputError: the checkpoint does not exist, is not a classifier, does not name its classes, has no matching
                feature extractor, or is incomplete. All but the last is checked before weights are loaded.
            SettingError: a setting is out of range.
        """
        ClassifierSettings(**settings)  # raises an error before anything is loaded
        loaded = load_classifier(model, device=choose_device(device), dtype=dtype)
        return cls(loaded.model, loaded.extractor, names=loaded.names, **settings)

    @property
    def max_duration_s(self) -> float | None:
        """Longest recording or window that the model sees in full, such as 30 s for Whisper; None if unlimited."""
        return self.transformers_classifier.max_duration_s if self.transformers_classifier else None

    @accepts(ClassifierSettings)
    def __call__(
        self, recordings: Recordings, *, sampling_rate: float = SAMPLING_RATE, **changes: Any
    ) -> Ranking[ClassScore] | Rankings[ClassScore] | Iterator[Ranking[ClassScore]]:
        """Classify whole recordings.

        Args:
            recordings: one recording, as `load_waveform` accepts it; or a list, generator or dataset of recordings.
            sampling_rate: rate in Hz of arrays that come without one.
            changes: settings that differ from the classifier's.

        Returns:
            the best classes, best first: a list for one recording, a list of lists for a list, and for any other
            iterable an iterator of lists, which computes as it goes.

        Raises:
            InputError: a recording is unreadable, or there are none.
            SettingError: a setting is out of range.
        """
        found = self.stream(recordings, sampling_rate=sampling_rate, **changes)
        rankings = (Ranking(labels.windows[0].scores) for labels in found)
        if is_single(recordings):
            return next(rankings)
        return Rankings(rankings) if isinstance(recordings, list | tuple) else rankings

    @accepts(LabelSettings)
    def stream(
        self,
        recordings: Recordings,
        *,
        sampling_rate: float = SAMPLING_RATE,
        max_duration_s: float | None = None,
        on_error: OnError | None = None,
        on_progress: OnProgress | None = None,
        **changes: Any,
    ) -> Iterator[Labels]:
        """Classify recordings, whole or in windows, and yield their labels in order.

        Wav2Vec2-BERT encodes a long recording (`photism.encoder.chunked.max_exact_tokens`) in overlapping windows whose
        states are cross-faded. Other architectures take it at once, or refuse it if memory does not suffice. With
        `window_s`, a recording of any length is read in blocks by all of them.

        Args:
            recordings: one recording, or any number of them.
            sampling_rate: rate in Hz of arrays that come without one.
            max_duration_s: maximum duration; longer recordings are an error. None for no limit.
            on_error: called for each unreadable recording, which is then skipped; by default it is an error.
            on_progress: called after each batch, and while a long recording is scored.
            changes: settings that differ from the classifier's.

        Raises:
            InputError: a recording is unreadable and there is no `on_error`, or there are no recordings.
            SettingError: a setting is out of range.
        """
        settings = LabelSettings(**{**vars(self.settings), **changes})
        function = settings.function_to_apply or self.default_function
        policy = LabelPolicy(
            names=self.names,
            problem_type=self._problem_type(function),
            top_k=settings.top_k,
            threshold=settings.threshold,
        )
        found = read_ahead(
            recordings,
            sampling_rate=sampling_rate,
            max_duration_s=max_duration_s,
            num_workers=settings.num_workers,
            on_error=on_error,
        )
        return label_recordings(
            found,
            lambda batch: apply_function(function, self.logits(batch)),
            lambda recording, report: apply_function(function, self.long_logits(recording, on_progress=report))[0],
            policy,
            settings,
            check=self.transformers_classifier.check if self.transformers_classifier else None,
            on_error=on_error,
            on_progress=on_progress,
        )

    @torch.no_grad()
    def logits(self, waveforms: Sequence[Waveform]) -> Tensor:
        """Return the logits (B, C) of waveforms, float32 on the CPU.

        Raises:
            NotFiniteError: some are not finite.
        """
        if self.transformers_classifier:
            return check_finite(self.transformers_classifier.logits(waveforms), "logits", self.model.dtype)
        max_tokens = max_exact_tokens(self.model.wav2vec2_bert)
        groups = self._split_by_memory(waveforms, max_tokens)
        logits = torch.cat([self._logits(group, max_tokens) for group in groups]).float().cpu()
        return check_finite(logits, "logits", self.model.dtype)

    @torch.no_grad()
    def long_logits(self, recording: LongRecording, *, on_progress: Callable[[float], None] | None = None) -> Tensor:
        """Return the logits (1, C) of a recording that is read in blocks, float32 on the CPU.

        Args:
            recording: the recording.
            on_progress: called with the seconds that are processed.

        Raises:
            NotFiniteError: some are not finite.
        """
        if self.transformers_classifier:
            return self.logits([self.transformers_classifier.beginning(recording)])
        model, count = self.model, 0
        total = torch.zeros(1)
        for states in stream_states(model, self.extractor, recording, on_progress=on_progress):
            projected = model.projector(states)
            total = total.to(projected.device, torch.float64) + projected.double().sum(dim=1)
            count += projected.shape[1]
        logits = model.classifier((total / count).to(model.dtype)).float().cpu()
        return check_finite(logits, "logits", model.dtype)

    def _logits(self, waveforms: Sequence[Waveform], max_tokens: int) -> Tensor:
        """Return the logits (B, C) of waveforms that fit into memory together, or of a single one of any length."""
        model = self.model
        features, mask = extract_features(model, self.extractor, waveforms)
        if features.shape[1] <= max_tokens:
            return model(features, mask).logits
        states = encode_windows(model, features[:, : int(mask.sum())])
        return model.classifier(model.projector(states).mean(dim=1))  # (1, F, D) -> (1, C)

    def _split_by_memory(self, waveforms: Sequence[Waveform], max_tokens: int) -> Iterator[Sequence[Waveform]]:
        """Yield groups of at most `max_tokens` tokens together, or of a single waveform."""
        group: list[Waveform] = []
        tokens = 0
        for waveform in waveforms:
            more = 1 + int(waveform.duration_s * FRAMES_PER_S / self.extractor.stride)
            if group and tokens + more > max_tokens:
                yield group
                group, tokens = [], 0
            group.append(waveform)
            tokens += more
        yield group

    @property
    def default_function(self) -> ScoreFunction:
        """The function for the model's `problem_type`, as transformers' pipeline chooses it."""
        if self._is_regression:
            return "none"
        return "sigmoid" if self.model.config.problem_type == "multi_label_classification" else "softmax"

    @property
    def _is_regression(self) -> bool:
        problem = self.model.config.problem_type
        return problem == "regression" or (problem is None and len(self.names) == 1)

    def _problem_type(self, function: ScoreFunction) -> ProblemType:
        if function == "none" and not self._is_regression:
            # Logits of a single-label model have the order of its probabilities.
            return "regression" if self.model.config.problem_type == "multi_label_classification" else "single_label"
        return PROBLEM_TYPES[function]


def apply_function(function: ScoreFunction, logits: Tensor) -> list[Scored]:
    """Return the scores (C,) of each row of logits (B, C)."""
    scores = logits
    if function == "softmax":
        scores = logits.softmax(-1)
    elif function == "sigmoid":
        scores = logits.sigmoid()
    return [Scored(row) for row in scores.numpy()]
