"""Job of `photism speakers timeline`: find who spoke when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from photism.audio.reading_settings import ReadingSettings
from photism.errors import warning_field
from photism.jobs.in_flight import InFlight
from photism.jobs.job import Outcome
from photism.jobs.outputs.text_format import TextFormat
from photism.jobs.provenance import determining
from photism.jobs.text_formats import turn_format
from photism.listening.settings import DiarizationModelSettings, TimelineSettings

if TYPE_CHECKING:
    from photism.audio.sources import SoundFile
    from photism.listening.batching import OnError, OnProgress
    from photism.listening.diarization import SpeakerTimeline

COLUMNS: Mapping[str, Any] = {
    "duration_s": float,
    "silent": bool,
    "turns": [{"start_s": float, "end_s": float, "speaker": str, "score": float}],
    "warnings": [str],
}
"""Columns that rows may have, with their types."""


@dataclass(frozen=True)
class TimelineJob:
    """Find who spoke when: `photism speakers timeline`.

    Attributes:
        models: the model.
        timeline: how the activity of speakers becomes turns.
        reading: how recordings are read.
    """

    models: DiarizationModelSettings
    timeline: TimelineSettings = field(default_factory=TimelineSettings)
    reading: ReadingSettings = field(default_factory=ReadingSettings)

    verb: ClassVar[str] = "speakers timeline"
    columns: ClassVar[Mapping[str, Any]] = COLUMNS

    @property
    def settings(self) -> dict[str, Any]:
        """Settings that determine the rows."""
        return {**determining(self.timeline), **determining(self.reading)}

    def text_format(self, name: str) -> TextFormat:
        """Return a format of speaker turns."""
        return turn_format(name)

    def load(self) -> TimelineWorker:
        """Load the model."""
        from photism.listening.diarization import SpeakerTimeline

        return TimelineWorker(self, SpeakerTimeline.from_pretrained(**vars(self.models)))


class TimelineWorker:
    """A diarization model that makes rows.

    Args:
        job: the job.
        diarizer: the model.
    """

    def __init__(self, job: TimelineJob, diarizer: SpeakerTimeline) -> None:
        self._job, self._diarizer = job, diarizer

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the model."""
        from photism.fingerprint import model_fingerprint

        return model_fingerprint(self._diarizer.model)

    def stream(
        self, recordings: Iterable[SoundFile], *, on_error: OnError, on_progress: OnProgress | None = None
    ) -> Iterator[Outcome]:
        """Find the turns of recordings, and yield the outcomes in order."""
        files = InFlight(recordings)
        found = self._diarizer.stream(
            files, on_error=files.skipping(on_error), on_progress=on_progress, **vars(self._job.timeline)
        )
        for result in found:
            warned = warning_field(files.pop(result.number).warnings)
            yield Outcome(result.number, result.as_dict() | warned, result.duration_s, result)
