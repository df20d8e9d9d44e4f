"""Job of `photism label`: classify recordings by a trained model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from photism.audio.reading_settings import ReadingSettings
from photism.errors import warning_field
from photism.jobs.in_flight import InFlight
from photism.jobs.job import Outcome
from photism.jobs.label_columns import LABEL_COLUMN, SEGMENT_COLUMN, WINDOW_COLUMN
from photism.jobs.outputs.text_format import TextFormat
from photism.jobs.provenance import determining
from photism.jobs.text_formats import label_format
from photism.listening.settings import ClassifierModelSettings, LabelSettings

if TYPE_CHECKING:
    from photism.audio.sources import SoundFile
    from photism.listening.batching import OnError, OnProgress
    from photism.listening.classification import AudioClassifier

COLUMNS: Mapping[str, Any] = {
    "duration_s": float,
    "silent": bool,
    "labels": [LABEL_COLUMN],
    "segments": [SEGMENT_COLUMN],
    "windows": [WINDOW_COLUMN],
    "warnings": [str],
}
"""Columns that rows may have, with their types."""


@dataclass(frozen=True)
class LabelJob:
    """Classify recordings: `photism label`.

    Attributes:
        models: the model.
        classification: how recordings are classified.
        reading: how recordings are read.
    """

    models: ClassifierModelSettings = field(default_factory=ClassifierModelSettings)
    classification: LabelSettings = field(default_factory=LabelSettings)
    reading: ReadingSettings = field(default_factory=ReadingSettings)

    verb: ClassVar[str] = "label"
    columns: ClassVar[Mapping[str, Any]] = COLUMNS

    @property
    def settings(self) -> dict[str, Any]:
        """Settings that determine the rows."""
        return {**determining(self.classification), **determining(self.reading)}

    def text_format(self, name: str) -> TextFormat:
        """Return a format of labels."""
        return label_format(name, with_times=self.classification.window_s is not None)

    def load(self) -> LabelWorker:
        """Load the model."""
        from photism.listening.classification import AudioClassifier

        return LabelWorker(self, AudioClassifier.from_pretrained(**vars(self.models)))


class LabelWorker:
    """A classifier that makes rows.

    Args:
        job: the job.
        classifier: the classifier.
    """

    def __init__(self, job: LabelJob, classifier: AudioClassifier) -> None:
        self._job, self.classifier = job, classifier

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the model and the names of its classes."""
        from photism.fingerprint import combine, model_fingerprint

        return combine(model_fingerprint(self.classifier.model), *self.classifier.names)

    def stream(
        self, recordings: Iterable[SoundFile], *, on_error: OnError, on_progress: OnProgress | None = None
    ) -> Iterator[Outcome]:
        """Classify recordings, and yield the outcomes in order."""
        from photism.listening.label_formats import classes_as_dict

        chosen, files = self._job.classification, InFlight(recordings)
        found = self.classifier.stream(
            files, on_error=files.skipping(on_error), on_progress=on_progress, **vars(chosen)
        )
        for labels in found:
            fields = classes_as_dict(labels, is_whole=chosen.window_s is None)
            warned = warning_field(files.pop(labels.number).warnings)
            yield Outcome(labels.number, fields | warned, labels.duration_s, labels)
