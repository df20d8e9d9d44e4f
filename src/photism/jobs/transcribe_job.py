"""Job of `photism transcribe`: recognise speech, or find the times of given transcripts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from photism.audio.reading_settings import ReadingSettings
from photism.errors import warning_field
from photism.jobs.in_flight import InFlight
from photism.jobs.job import Outcome
from photism.jobs.outputs.text_format import TextFormat
from photism.jobs.provenance import determining
from photism.jobs.text_formats import transcript_format
from photism.listening.transcription.decoding_options import RecognizerModelSettings, TranscribeSettings
from photism.listening.transcription.reference_text import SUFFIXES, ReferenceText, find_reference

if TYPE_CHECKING:
    from photism.audio.sources import SoundFile
    from photism.listening.batching import OnError, OnProgress
    from photism.listening.transcription.ngram_lm import LanguageModel
    from photism.listening.transcription.transcriber import Transcriber
    from photism.listening.transcription.transcript import Transcript

DIGESTED_BYTES = 2**20
"""Bytes at each end of a language model by which it is recognised."""
CHARACTER_COLUMN = {"text": str, "start_s": float, "end_s": float, "confidence": float}
WORD_COLUMN = {**CHARACTER_COLUMN, "characters": [CHARACTER_COLUMN]}
COLUMNS: Mapping[str, Any] = {
    "text": str,
    "duration_s": float,
    "windows": int,
    "words": [WORD_COLUMN],
    "cues": [{"text": str, "start_s": float, "end_s": float}],
    "missing": [{"index": int, "text": str}],
    "warnings": [str],
}
"""Columns that rows may have, with their types."""


@dataclass(frozen=True)
class TranscribeJob:
    """Recognise speech: `photism transcribe`.

    Attributes:
        models: the model.
        transcription: how recordings are transcribed.
        transcript: file or folder of transcripts whose words get times, as `find_reference` finds them; None to
            recognise the words.
        words: rows have the characters of words, and texts have a subtitle or row for each word.
        reading: how recordings are read.
    """

    models: RecognizerModelSettings
    transcription: TranscribeSettings = field(default_factory=TranscribeSettings)
    transcript: str | None = None
    words: bool = False
    reading: ReadingSettings = field(default_factory=ReadingSettings)

    verb: ClassVar[str] = "transcribe"
    columns: ClassVar[Mapping[str, Any]] = COLUMNS

    @property
    def settings(self) -> dict[str, Any]:
        """Settings that determine the rows."""
        return {
            **determining(self.transcription),
            "language_model": _describe(self.transcription.language_model),
            "transcript": _describe_transcript(self.transcript),
            "words": self.words,
            **determining(self.reading),
        }

    def text_format(self, name: str) -> TextFormat:
        """Return a format of transcripts."""
        return transcript_format(name, words=self.words)

    def load(self) -> TranscribeWorker:
        """Load the model."""
        from photism.listening.transcription.transcriber import Transcriber

        return TranscribeWorker(self, Transcriber.from_pretrained(**vars(self.models)))


class TranscribeWorker:
    """A transcriber that makes rows.

    Args:
        job: the job.
        transcriber: the transcriber.

    Attributes:
        fingerprint: fingerprint of the model, its language and its vocabulary.
    """

    def __init__(self, job: TranscribeJob, transcriber: Transcriber) -> None:
        from photism.fingerprint import combine, model_fingerprint

        self._job, self.transcriber = job, transcriber
        model, vocabulary = transcriber.acoustic_model.model, transcriber.acoustic_model.vocabulary
        self.fingerprint = combine(
            model_fingerprint(model),
            transcriber.language,
            vocabulary.tokens,
            vocabulary.blank_id,
            sorted(vocabulary.ignored_ids),
            vocabulary.separator,
            vocabulary.joins_punctuation,
        )

    def stream(
        self, recordings: Iterable[SoundFile], *, on_error: OnError, on_progress: OnProgress | None = None
    ) -> Iterator[Outcome]:
        """Transcribe recordings, and yield the outcomes in order."""
        files = InFlight(recordings)
        for number, transcript in self._transcribe(files, files.skipping(on_error), on_progress):
            fields = transcript.as_dict(characters=self._job.words)
            warned = warning_field(files.pop(number).warnings)
            yield Outcome(number, fields | warned, transcript.duration_s, transcript)

    def _transcribe(
        self, files: InFlight[SoundFile], on_error: OnError, on_progress: OnProgress | None
    ) -> Iterator[tuple[int, Transcript]]:
        settings, transcript = self._job.transcription, self._job.transcript
        if transcript is None:
            return self.transcriber.transcribe(files, settings, on_error=on_error, on_progress=on_progress)

        def reference_of(number: int) -> ReferenceText:
            """Read the transcript of a recording."""
            return ReferenceText.read(find_reference(transcript, files[number].name))

        return self.transcriber.align_transcripts(
            files, reference_of, settings, on_error=on_error, on_progress=on_progress
        )


def _describe(language_model: LanguageModel | str | Path | None) -> str | None:
    """Return the name, the size and a digest of the file of a language model, which may be large: of its two ends."""
    path = getattr(language_model, "path", language_model)
    if not isinstance(path, str | Path):
        return None if path is None else type(path).__name__
    with open(path, "rb") as file:
        digest = blake2b(file.read(DIGESTED_BYTES), digest_size=8)
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - DIGESTED_BYTES))
        digest.update(file.read())
    return f"{Path(path).name} ({size:,} bytes, {digest.hexdigest()})"


def _describe_transcript(transcript: str | None) -> str | None:
    """Return the name of a file or folder of transcripts with a digest of the names, sizes and times of its files."""
    if transcript is None:
        return None
    path = Path(transcript)
    files = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.suffix in SUFFIXES)
    digest = blake2b(digest_size=8)
    for each in files:
        found = each.stat()
        digest.update(repr((str(each.relative_to(path)), found.st_size, found.st_mtime_ns)).encode("utf8", "replace"))
    return f"{path.name} ({digest.hexdigest()})"
