"""Job of `photism hear`: rank captions for recordings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from photism.audio.reading_settings import ReadingSettings
from photism.errors import warning_field
from photism.jobs.in_flight import InFlight
from photism.jobs.job import Outcome
from photism.jobs.label_columns import SEGMENT_COLUMN, WINDOW_COLUMN
from photism.jobs.outputs.text_format import TextFormat
from photism.jobs.provenance import determining
from photism.jobs.text_formats import label_format
from photism.listening.settings import HearSettings, RankerModelSettings

if TYPE_CHECKING:
    from photism.audio.sources import SoundFile
    from photism.listening.batching import OnError, OnProgress
    from photism.listening.zero_shot import CaptionRanker

COLUMNS: Mapping[str, Any] = {
    "duration_s": float,
    "silent": bool,
    "known": bool,
    "heard": [{"caption": str, "score": float}],
    "segments": [SEGMENT_COLUMN],
    "windows": [WINDOW_COLUMN],
    "warnings": [str],
}
"""Columns that rows may have, with their types."""


@dataclass(frozen=True)
class HearJob:
    """Rank captions for recordings: `photism hear`.

    Attributes:
        models: the models.
        ranking: how captions are ranked.
        captions: captions to rank; None for the model's own.
        reading: how recordings are read.
    """

    models: RankerModelSettings = field(default_factory=RankerModelSettings)
    ranking: HearSettings = field(default_factory=HearSettings)
    captions: tuple[str, ...] | None = None
    reading: ReadingSettings = field(default_factory=ReadingSettings)

    verb: ClassVar[str] = "hear"
    columns: ClassVar[Mapping[str, Any]] = COLUMNS

    @property
    def settings(self) -> dict[str, Any]:
        """Settings that determine the rows."""
        captions = None if self.captions is None else list(self.captions)
        return {**determining(self.ranking), **determining(self.reading), "captions": captions}

    def text_format(self, name: str) -> TextFormat:
        """Return a format of captions."""
        return label_format(name, with_times=self.ranking.window_s is not None)

    def load(self) -> HearWorker:
        """Load the encoder and the text encoder."""
        from photism.listening.zero_shot import CaptionRanker

        return HearWorker(self, CaptionRanker.from_pretrained(**vars(self.models)))


class HearWorker:
    """A caption ranker that makes rows.

    Args:
        job: the job.
        ranker: the caption ranker.
    """

    def __init__(self, job: HearJob, ranker: CaptionRanker) -> None:
        self._job, self._ranker = job, ranker

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the encoder, the text encoder and the model's own captions."""
        from photism.fingerprint import combine, model_fingerprint

        models = (self._ranker.encoder, self._ranker.diffusion.text_encoder)
        return combine(*map(model_fingerprint, models), *self._ranker.captions)

    def stream(
        self, recordings: Iterable[SoundFile], *, on_error: OnError, on_progress: OnProgress | None = None
    ) -> Iterator[Outcome]:
        """Rank captions for recordings, and yield the outcomes in order."""
        from photism.listening.label_formats import captions_as_dict

        ranking, files = self._job.ranking, InFlight(recordings)
        is_whole = ranking.window_s is None
        for labels in self._ranker.stream(
            files,
            captions=self._job.captions,
            on_error=files.skipping(on_error),
            on_progress=on_progress,
            **vars(ranking),
        ):
            fields = captions_as_dict(labels, threshold=ranking.threshold, is_whole=is_whole)
            warned = warning_field(files.pop(labels.number).warnings)
            yield Outcome(labels.number, fields | warned, labels.duration_s, labels)
