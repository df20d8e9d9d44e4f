"""The job of `photism index`: what is computed of each recording, with which models and settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from photism.audio.reading_settings import ReadingSettings
from photism.collection.settings import TOP_K, IndexSettings
from photism.errors import InputError
from photism.jobs.job import Vector
from photism.jobs.provenance import determining
from photism.listening.settings import EmbedModelSettings

if TYPE_CHECKING:
    from photism.collection.index_worker import IndexWorker
    from photism.jobs.outputs.text_format import TextFormat

COLUMNS = {
    "duration_s": float,
    "vector": Vector,
    "captions": [{"caption": str, "score": float}],
    "known": bool,
    "labels": [{"label": str, "score": float}],
    "loudness_lufs": float,
    "warnings": [str],
}
"""Columns that the job fills, as `Job.columns` describes them."""


@dataclass(frozen=True)
class IndexJob:
    """Compute a vector, captions, labels and the loudness of recordings or their windows.

    Attributes:
        models: model of the vectors.
        rows: settings of the rows.
        reading: how recordings are read.
    """

    models: EmbedModelSettings = field(default_factory=EmbedModelSettings)
    rows: IndexSettings = field(default_factory=IndexSettings)
    reading: ReadingSettings = field(default_factory=ReadingSettings)

    verb: ClassVar[str] = "index"
    columns: ClassVar[Mapping[str, Any]] = COLUMNS

    @property
    def settings(self) -> dict[str, Any]:
        """Settings that determine the rows; the models count by their fingerprint."""
        return {"window_s": self.rows.window_s, "hop_s": self.rows.hop_s, **determining(self.reading)}

    def text_format(self, name: str) -> TextFormat:
        """Raise an error, since an index is a table."""
        raise InputError(f"an index cannot be written as {name}")

    def load(self) -> IndexWorker:
        """Load the model of the vectors, and the classifier if there is one.

        Raises:
            InputError: a model does not exist or cannot be used.
        """
        from photism.collection.index_worker import IndexWorker
        from photism.listening.audio_embedder import AudioEmbedder

        embedder = AudioEmbedder.from_pretrained(**vars(self.models), caption_count=TOP_K)
        if self.rows.label_model is None:
            return IndexWorker(self.rows, embedder)
        from photism.listening.classification import AudioClassifier

        classifier = AudioClassifier.from_pretrained(
            self.rows.label_model, device=self.models.device, dtype=self.models.dtype
        )
        return IndexWorker(self.rows, embedder, classifier)
