"""The job of `photism embed`: vectors of recordings or of their windows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from photism.audio.reading_settings import ReadingSettings
from photism.errors import InputError, warning_field
from photism.jobs.in_flight import InFlight
from photism.jobs.job import Outcome, Vector
from photism.jobs.outputs.text_format import JSON_LINES, TextFormat
from photism.jobs.outputs.vector_archive import SUFFIXES as VECTOR_SUFFIXES
from photism.jobs.provenance import determining
from photism.jobs.rows import as_json_line, times_in_file
from photism.listening.settings import EmbedModelSettings, EmbedSettings

if TYPE_CHECKING:
    from photism.audio.sources import SoundFile
    from photism.listening.audio_embedder import AudioEmbedder, Embedded
    from photism.listening.batching import OnError, OnProgress

SUFFIXES = (".jsonl", ".parquet", ".lance", *VECTOR_SUFFIXES)
"""Suffixes of the files that vectors are written to."""
COLUMNS: Mapping[str, Any] = {
    "duration_s": float,
    "silent": bool,
    "known": bool,
    "start_s": float,
    "end_s": float,
    "vector": Vector,
    "warnings": [str],
}
"""Columns that rows may have, with their types."""


@dataclass(frozen=True)
class EmbedJob:
    """Compute vectors of recordings: `photism embed`.

    Attributes:
        models: model, kind of vectors, and layer.
        embedding: windows and batches.
        reading: how recordings are read.
    """

    models: EmbedModelSettings = field(default_factory=EmbedModelSettings)
    embedding: EmbedSettings = field(default_factory=EmbedSettings)
    reading: ReadingSettings = field(default_factory=ReadingSettings)

    verb: ClassVar[str] = "embed"
    columns: ClassVar[Mapping[str, Any]] = COLUMNS

    @property
    def settings(self) -> dict[str, Any]:
        """Settings that determine the rows; the kind and the layer are part of the worker's fingerprint."""
        return {**determining(self.embedding), **determining(self.reading)}

    def text_format(self, name: str) -> TextFormat:
        """Return the only text format of vectors, JSON Lines.

        Raises:
            InputError: another format was given.
        """
        if name != JSON_LINES:
            raise InputError(f"-o must be a file that ends in {', '.join(SUFFIXES)}; got the format {name!r}")
        return TextFormat(f".{JSON_LINES}", _as_json_lines)

    def load(self) -> EmbedWorker:
        """Load the model."""
        from photism.listening.audio_embedder import AudioEmbedder

        return EmbedWorker(self, AudioEmbedder.from_pretrained(**vars(self.models)))


class EmbedWorker:
    """An embedder that makes rows.

    Args:
        job: the job.
        embedder: the embedder.
    """

    def __init__(self, job: EmbedJob, embedder: AudioEmbedder) -> None:
        self._job, self._embedder = job, embedder

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the vectors."""
        return self._embedder.fingerprint

    def stream(
        self, recordings: Iterable[SoundFile], *, on_error: OnError, on_progress: OnProgress | None = None
    ) -> Iterator[Outcome]:
        """Embed recordings, and yield the outcomes in order."""
        files = InFlight(recordings)
        for embedded in self._embedder.stream(
            files, on_error=files.skipping(on_error), on_progress=on_progress, **vars(self._job.embedding)
        ):
            warned = warning_field(files.pop(embedded.number).warnings)
            yield self._outcome(embedded, warned)

    def _outcome(self, embedded: Embedded, warned: Mapping[str, Any]) -> Outcome:
        """Return the fields of a recording, or those of each of its windows."""
        fields = {"duration_s": embedded.duration_s, "silent": embedded.level.is_silent, **warned}
        rows = [
            {**({} if known is None else {"known": known}), "vector": vector}
            for known, vector in zip(embedded.known, embedded.vectors, strict=True)
        ]
        if self._job.embedding.window_s is None:
            return Outcome(embedded.number, {**fields, **rows[0]}, embedded.duration_s, embedded)
        windows = [
            {"start_s": start_s, "end_s": end_s, **row}
            for (start_s, end_s), row in zip(embedded.windows, rows, strict=True)
        ]
        return Outcome(embedded.number, fields, embedded.duration_s, embedded, windows)


def _as_json_lines(row: Mapping[str, Any], outcome: Outcome, _: str) -> str:
    """Return a line for the recording, or one for each window, with its times in the file."""
    if outcome.windows is None:
        return as_json_line(row).decode("utf8")
    start_s = row.get("start_s", 0.0)
    rows = [{**row, **window, **times_in_file(window, start_s)} for window in outcome.windows]
    return b"".join(map(as_json_line, rows)).decode("utf8")
