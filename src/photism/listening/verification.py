"""Speaker verification by x-vectors: enrol speakers, compare recordings, and calibrate the threshold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from photism.audio.sources import SoundFile, source_name
from photism.audio.waveform import SAMPLING_RATE, AudioSource
from photism.display.markup import MAX_ROWS, block, score_bar, table, text
from photism.display.short_repr import MAX_LENGTH, short_repr, shortened
from photism.encoder.pretrained import load_head
from photism.encoder.x_vector import Wav2Vec2BertForXVector
from photism.errors import InputError
from photism.listening.audio_embedder import AudioEmbedder
from photism.listening.batching import (
    OnError,
    OnProgress,
    Recordings,
    is_single,
)
from photism.listening.calibration import Calibration
from photism.listening.embeddings import load_others, save_embeddings
from photism.listening.metrics import equal_error_rate, min_detection_cost
from photism.listening.settings import EmbeddingSettings
from photism.listening.x_vectors import XVectors
from photism.output_files import printable
from photism.settings import accepts

MAX_DECIMALS = 17
"""Decimals that distinguish any two different cosines."""

HEADINGS = ("verdict", "score", "threshold", "")

Embedding = NDArray[np.float32]


class Verification(NamedTuple):
    """Result of comparing a recording with a speaker.

    Attributes:
        is_same: whether the score reaches the threshold.
        score: cosine similarity of the embeddings, -1 to 1.
        threshold: minimum score of the same speaker.
    """

    is_same: bool
    score: float
    threshold: float

    def __repr__(self) -> str:
        return short_repr(self)

    def _repr_html_(self) -> str:
        return block(table(HEADINGS, [_cells(self)]))


class Comparison(NamedTuple):
    """Result of comparing a recording with an enrolled speaker.

    Attributes:
        file: name of the recording.
        speaker: name of the speaker.
        result: whether they are the same.
    """

    file: str
    speaker: str
    result: Verification

    def __repr__(self) -> str:
        return short_repr(
            self, file=self.file, speaker=self.speaker, is_same=self.result.is_same, score=self.result.score
        )

    def as_dict(self) -> dict[str, Any]:
        """Return names and result for JSON."""
        return {"file": self.file, "speaker": self.speaker, **self.result._asdict()}

    def __str__(self) -> str:
        """Return a line with the verdict, the score and the speaker."""
        verdict = "same speaker " if self.result.is_same else "other speaker"
        score, threshold = _distinguishable(self.result.score, self.result.threshold)
        return f"{verdict}  {score:>5} (from {threshold} on)  {printable(self.speaker)}"


class Comparisons(list[Comparison]):
    """Comparisons of a recording with speakers, the most similar first. It is a list, and equal to one."""

    def __repr__(self) -> str:
        """Return the speakers and their scores in one line."""
        speakers = ", ".join(f"{each.speaker!r} {each.result.score:.3f}" for each in self[:MAX_ROWS])
        return shortened(f"{type(self).__name__}({len(self):,}: {speakers})", MAX_LENGTH)

    def _repr_html_(self) -> str:
        rows = [[text(each.speaker), *_cells(each.result)] for each in self[:MAX_ROWS]]
        return block(table(["speaker", *HEADINGS], rows, count=len(self)))


class SpeakerVerifier:
    """Decide whether recordings are of the same speaker.

        verifier = SpeakerVerifier.from_pretrained("my-x-vectors")
        anna = verifier.enrol(["anna-1.wav", "anna-2.wav"])
        calibration = verifier.calibrate(pairs)
        verifier.verify(anna, "unknown.wav", threshold=calibration.threshold)

    Args:
        model: a model of x-vectors, in evaluation mode.
        extractor: its feature extractor.
        settings: settings of `EmbeddingSettings`.

    Raises:
        SettingError: a setting is out of range.
    """

    @accepts(EmbeddingSettings)
    def __init__(self, model: Wav2Vec2BertForXVector, extractor: Any, **settings: Any) -> None:
        self.model, self.extractor = model, extractor
        self.settings = EmbeddingSettings(**settings)

    @classmethod
    @accepts(EmbeddingSettings)
    def from_pretrained(
        cls,
        model: str | Path,
        *,
        device: str | torch.device | None = None,
        dtype: torch.dtype | str = "float32",
        **settings: Any,
    ) -> SpeakerVerifier:
        """Load a Wav2Vec2BertForXVector.

        Args:
            model: folder or hub id.
            device: device; by default CUDA if there is a GPU, else MPS, else the CPU.
            dtype: dtype of the weights: float32, float16 or bfloat16.
            settings: settings of `EmbeddingSettings`.

        Raises:
            InputError: the checkpoint does not exist, has another head, has no matching feature extractor, or is
                incomplete.
            SettingError: a setting is out of range.
        """
        EmbeddingSettings(**settings)  # raises an error before anything is loaded
        loaded, extractor = load_head(Wav2Vec2BertForXVector, model, device=device, dtype=dtype)
        return cls(loaded, extractor, **settings)

    def stream(
        self,
        recordings: Recordings,
        *,
        sampling_rate: float = SAMPLING_RATE,
        max_duration_s: float | None = None,
        on_error: OnError | None = None,
        on_progress: OnProgress | None = None,
    ) -> Iterator[tuple[int, Embedding]]:
        """Embed recordings, and yield the embeddings in the order of the recordings.

        A recording in which there is nothing to hear is treated as an unreadable one: its embedding would be as close
        to that of any other such recording as two embeddings of one voice are.

        Args:
            recordings: one recording, or any number of them.
            sampling_rate: rate in Hz of arrays that come without one.
            max_duration_s: maximum duration; longer recordings are an error. None for no limit.
            on_error: called for each unreadable recording, which is then skipped; by default it is an error.
            on_progress: called after each batch, and while a long recording is encoded.

        Yields:
            the index of each recording, from 0, and its embedding (D,) of unit length: dot products are cosines.

        Raises:
            InputError: a recording is unreadable and there is no `on_error`, or there are no recordings.
        """
        embedder = AudioEmbedder(XVectors(self.model, self.extractor), kind="xvector", **vars(self.settings))
        found = embedder.stream(
            recordings,
            sampling_rate=sampling_rate,
            max_duration_s=max_duration_s,
            on_error=on_error,
            on_progress=on_progress,
        )
        return ((each.number, each.vectors[0]) for each in found)

    def embed(
        self,
        recordings: Recordings,
        *,
        sampling_rate: float = SAMPLING_RATE,
        on_progress: OnProgress | None = None,
    ) -> Embedding:
        """Return the embeddings of recordings, of unit length: (D,) for one recording, (B, D) for several.

        Args:
            recordings: one recording, or any number of them.
            sampling_rate: rate in Hz of arrays that come without one.
            on_progress: called after each batch.

        Raises:
            InputError: a recording is unreadable, or there are none.
        """
        found = self.stream(recordings, sampling_rate=sampling_rate, on_progress=on_progress)
        rows = np.stack([row for _, row in found])
        return rows[0] if is_single(recordings) else rows

    def enrol(
        self,
        recordings: Recordings,
        *,
        sampling_rate: float = SAMPLING_RATE,
        on_error: OnError | None = None,
        on_progress: OnProgress | None = None,
    ) -> Embedding:
        """Return the embedding (D,) of a speaker: the mean of the embeddings of recordings, scaled to unit length.

        Args:
            recordings: one or several recordings of the speaker.
            sampling_rate: rate in Hz of arrays that come without one.
            on_error: called for each unreadable recording, which is then skipped; by default it is an error.
            on_progress: called after each batch.

        Raises:
            InputError: a recording is unreadable and there is no `on_error`, or no recording is readable.
        """
        found = self.stream(recordings, sampling_rate=sampling_rate, on_error=on_error, on_progress=on_progress)
        rows = [row for _, row in found]
        if not rows:
            raise InputError("a speaker needs at least one readable recording")
        mean = np.stack(rows).mean(0)
        return mean / max(float(np.linalg.norm(mean)), 1e-12)

    def enrol_into(
        self,
        path: Path,
        name: str,
        recordings: Recordings,
        *,
        force: bool = False,
        on_error: OnError | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        """Add a speaker to a file of speakers.

        Args:
            path: file of speakers; it is created if it does not exist.
            name: name of the speaker.
            recordings: one or several recordings of the speaker.
            force: replace a speaker of that name.
            on_error: called for each unreadable recording, which is then skipped; by default it is an error.
            on_progress: called after each batch.

        Raises:
            InputError: a recording is unreadable and there is no `on_error`, none is readable, a speaker of that name
                is enrolled, or others were enrolled with a model of another width.
        """
        self.check_speakers(load_others(path, name, force=force))
        speaker = self.enrol(recordings, on_error=on_error, on_progress=on_progress)
        enrolled = load_others(path, name, force=force)  # again: another process may have enrolled somebody meanwhile
        self.check_speakers(enrolled)
        save_embeddings({**enrolled, name: speaker}, path)

    def score(self, one: AudioSource | NDArray[np.floating], other: AudioSource) -> float:
        """Return the similarity of two voices: the cosine of their embeddings, -1 to 1.

        Args:
            one: a speaker's embedding (D,) from `enrol`, or a recording.
            other: a recording.

        Raises:
            InputError: a recording is unreadable.
        """
        speaker = one if self._is_speaker(one) else self.embed(one)
        return _cosine(np.asarray(speaker), self.embed(other))

    def verify(self, one: AudioSource | NDArray[np.floating], other: AudioSource, *, threshold: float) -> Verification:
        """Decide whether two voices are the same speaker.

        Args:
            one: a speaker's embedding (D,) from `enrol`, or a recording.
            other: a recording.
            threshold: minimum score of the same speaker, from `calibrate`.

        Raises:
            InputError: a recording is unreadable.
        """
        score = self.score(one, other)
        return Verification(score >= threshold, score, threshold)

    def compare(
        self, speakers: Mapping[str, NDArray[np.floating]], recording: str | SoundFile, *, threshold: float
    ) -> Comparisons:
        """Compare a recording with speakers by name; the most similar is first.

        Args:
            speakers: embeddings (D,) from `enrol`.
            recording: file or URL.
            threshold: minimum score of the same speaker, from `calibrate`.

        Raises:
            InputError: the recording is unreadable.
        """
        embedding = self.embed(recording)
        scores = {name: _cosine(speaker, embedding) for name, speaker in speakers.items()}
        return Comparisons(
            Comparison(source_name(recording), name, Verification(score >= threshold, score, threshold))
            for name, score in sorted(scores.items(), key=lambda item: -item[1])
        )

    def calibrate(
        self,
        pairs: Sequence[tuple[AudioSource, AudioSource, bool]],
        *,
        on_error: OnError | None = None,
        on_progress: OnProgress | None = None,
    ) -> Calibration:
        """Find the threshold of the equal error rate on labelled pairs.

        Args:
            pairs: two recordings each, and whether they are of the same speaker. A path that is in several pairs is
                embedded once.
            on_error: called for each unreadable recording, whose pairs are then skipped; by default it is an error.
            on_progress: called after each batch.

        Raises:
            InputError: a recording is unreadable and there is no `on_error`, or there are no pairs of one kind.
        """
        if not pairs:
            raise InputError("pairs must contain at least one of the same speaker and one of different ones; got none")
        recordings: dict[Any, AudioSource] = {}
        for one, other, _ in pairs:
            for recording in (one, other):
                recordings.setdefault(_key(recording), recording)
        keys = list(recordings)
        rows = self.stream(list(recordings.values()), on_error=on_error, on_progress=on_progress)
        embeddings = {keys[number]: row for number, row in rows}
        compared = [
            (_cosine(embeddings[_key(one)], embeddings[_key(other)]), bool(same))
            for one, other, same in pairs
            if _key(one) in embeddings and _key(other) in embeddings
        ]
        scores, is_same = [score for score, _ in compared], [same for _, same in compared]
        rate, threshold = equal_error_rate(scores, is_same)
        return Calibration(
            threshold=threshold,
            equal_error_rate=rate,
            min_detection_cost=min_detection_cost(scores, is_same),
            same=sum(is_same),
            different=len(is_same) - sum(is_same),
        )

    def check_speakers(self, speakers: Mapping[str, NDArray[np.floating]]) -> None:
        """Check that enrolled speakers, by name, have embeddings of this model's width.

        Raises:
            InputError: a speaker was enrolled with a model of another width.
        """
        width = self.model.config.xvector_output_dim
        for name, speaker in speakers.items():
            if not self._is_speaker(speaker):
                raise InputError(
                    f"speaker {name!r} must be an embedding of {width} numbers and unit length; got shape "
                    f"{speaker.shape}: enrol and compare with the same model"
                )

    def _is_speaker(self, one: Any) -> bool:
        width = self.model.config.xvector_output_dim
        if not (isinstance(one, np.ndarray) and one.shape == (width,)):
            return False
        return abs(float(np.linalg.norm(one)) - 1) < 1e-3


def _cells(result: Verification) -> list[str]:
    """Return the cells of a table: the verdict, the score, the threshold, and the score as a bar."""
    score, threshold = _distinguishable(result.score, result.threshold)
    return ["same speaker" if result.is_same else "other speaker", score, threshold, score_bar(result.score)]


def _cosine(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Return the cosine of two vectors (D,) of unit length, which rounding must not carry beyond ±1."""
    return float(np.clip(np.dot(one, other), -1, 1))


def _distinguishable(score: float, threshold: float) -> tuple[str, str]:
    """Print a score and a threshold with two decimals, or more if a lower score would otherwise not look lower."""
    for decimals in range(2, MAX_DECIMALS):
        printed = f"{score:.{decimals}f}", f"{threshold:.{decimals}f}"
        if score >= threshold or float(printed[0]) < float(printed[1]):
            return printed
    return str(score), str(threshold)


def _key(recording: Any) -> Any:
    return str(recording) if isinstance(recording, str | Path) else id(recording)
