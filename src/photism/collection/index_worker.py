"""The models of an index: each recording is decoded once, and its vector and captions come from one encoding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from photism.audio.long_recording import LongRecording, Recording, sample_blocks
from photism.audio.loudness import integrated_loudness
from photism.audio.sampling import SAMPLING_RATE
from photism.audio.sources import SoundFile
from photism.audio.waveform import Waveform
from photism.collection.settings import TOP_K, IndexSettings
from photism.errors import warning_field
from photism.fingerprint import combine, model_fingerprint
from photism.jobs.in_flight import InFlight
from photism.jobs.job import Outcome
from photism.listening.audio_embedder import AudioEmbedder
from photism.listening.batching import OnError, OnProgress, read_ahead
from photism.listening.classification import AudioClassifier, apply_function
from photism.listening.vectors import Vector
from photism.listening.windowed_results import WindowResults, summarise_recordings
from photism.listening.windowed_scores import ClassScore, best_classes


class _Described(NamedTuple):
    """What was computed of the samples of a row; `labels` are None without a classifier."""

    vector: Vector
    labels: list[ClassScore] | None
    loudness_lufs: float | None


class IndexWorker:
    """Models that describe recordings.

    Args:
        settings: settings of the rows.
        embedder: model of the vectors, which also ranks captions.
        classifier: model of the labels.

    Attributes:
        fingerprint: fingerprint of the models together.
    """

    def __init__(
        self, settings: IndexSettings, embedder: AudioEmbedder, classifier: AudioClassifier | None = None
    ) -> None:
        self.embedder = embedder
        self._settings, self._classifier = settings, classifier
        self.fingerprint = embedder.fingerprint
        if classifier is not None:
            self.fingerprint = combine(self.fingerprint, model_fingerprint(classifier.model), *classifier.names)

    def stream(
        self, recordings: Iterable[SoundFile], *, on_error: OnError, on_progress: OnProgress | None = None
    ) -> Iterator[Outcome]:
        """Describe recordings, and yield the outcomes in order."""
        files = InFlight(recordings)
        skip = files.skipping(on_error)
        found = read_ahead(
            files,
            num_workers=self._settings.num_workers,
            refuse_silence=self.embedder.model.refuses_silence,
            on_error=skip,
        )
        for outcome in summarise_recordings(
            found,
            self._describe,
            self._describe_long,
            self._join,
            self._settings,
            check=self._check,
            on_error=skip,
            on_progress=on_progress,
        ):
            warned = warning_field(files.pop(outcome.number).warnings)
            yield outcome._replace(fields=outcome.fields | warned)

    def _describe(self, waveforms: Sequence[Waveform]) -> list[_Described]:
        """Describe waveforms of similar length."""
        vectors = self.embedder.model.embed(waveforms)
        labels = [None] * len(waveforms)
        if self._classifier is not None:
            labels = _label(self._classifier, self._classifier.logits(waveforms))
        loudness = [integrated_loudness([waveform.samples]) for waveform in waveforms]
        return [_Described(*row) for row in zip(vectors, labels, loudness, strict=True)]

    def _describe_long(self, recording: LongRecording, on_progress: Callable[[float], None]) -> _Described:
        """Describe a recording that is read in blocks."""
        vector, labels = self.embedder.model.embed_long(recording, on_progress), None
        if self._classifier is not None:
            labels = _label(self._classifier, self._classifier.long_logits(recording))[0]
        return _Described(vector, labels, integrated_loudness(sample_blocks(recording)))

    def _check(self, recording: Recording) -> None:
        """Raise InputError for a recording that the classifier cannot score."""
        if self._classifier is not None and self._classifier.transformers_classifier is not None:
            self._classifier.transformers_classifier.check(recording)

    def _join(self, rows: WindowResults[_Described]) -> Outcome:
        """Return the outcome of a recording from its windows, or from itself as a whole."""
        described = list(rows)
        crop = described[0][0]
        duration_s = crop.sample_count / SAMPLING_RATE
        if self._settings.window_s is None:
            fields = {"duration_s": duration_s, **self._columns(described[0][1])}
            return Outcome(crop.number, fields, duration_s, None)
        windows = [
            {
                "start_s": crop.window.start / SAMPLING_RATE,
                "end_s": crop.window.stop / SAMPLING_RATE,
                **self._columns(each),
            }
            for crop, each in described
        ]
        return Outcome(crop.number, {"duration_s": duration_s}, duration_s, None, windows)

    def _columns(self, described: _Described) -> dict[str, Any]:
        """Return the columns of a recording or window."""
        return {
            "vector": described.vector.values,
            "captions": list(described.vector.captions) if self.embedder.kind == "prompt" else None,
            "known": described.vector.known,
            "labels": described.labels,
            "loudness_lufs": described.loudness_lufs,
        }


def _label(classifier: AudioClassifier, logits: Tensor) -> list[list[ClassScore]]:
    """Return the best classes of each row of logits (B, C)."""
    scored = apply_function(classifier.default_function, logits)
    return [list(best_classes(each.scores, classifier.names, TOP_K)) for each in scored]
