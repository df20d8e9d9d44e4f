"""Whether two recordings are of one speaker, by x-vectors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize

from photism.audio.log_mel import FRAMES_PER_S
from photism.audio.waveform import SAMPLING_RATE, AudioSource, Waveform
from photism.encoder.chunked import longest_exact
from photism.encoder.pretrained import load_head
from photism.encoder.x_vector import Wav2Vec2BertForXVector
from photism.errors import InputError
from photism.files import atomic_path
from photism.listening.batching import OnError, OnHeard, Recordings, decoded, in_batches, is_single
from photism.listening.head_states import encode_recordings
from photism.listening.metrics import equal_error_rate, min_detection_cost
from photism.listening.windowed_scores import LONGEST_GROUP


class Verification(NamedTuple):
    """Whether a recording is of a speaker."""

    is_same: bool
    score: float  # cosine, -1 to 1
    threshold: float


@dataclass(frozen=True)
class Calibration:
    """A threshold, and what it was measured on.

    Attributes:
        threshold: the cosine from which on two recordings are taken for one speaker.
        equal_error_rate: of the pairs: the share that is wrong on either side at the threshold, 0 to 1.
        min_detection_cost: of the pairs, where one of a hundred is of one speaker.
        same, different: number of pairs of either kind.
    """

    threshold: float
    equal_error_rate: float
    min_detection_cost: float
    same: int
    different: int

    def save(self, target: str | Path) -> None:
        """Writes it as JSON, beside the target, which it then becomes."""
        with atomic_path(Path(target)) as unfinished:
            unfinished.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf8")

    @classmethod
    def load(cls, path: str | Path) -> Calibration:
        """Reads what `save` wrote.

        Raises:
            InputError: it is no such file.
        """
        try:
            return cls(**json.loads(Path(path).read_text(encoding="utf8")))
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"calibration {path} cannot be read: {error}") from None


class SpeakerVerifier:
    """Tells by their voices whether recordings are of one speaker.

        verifier = SpeakerVerifier.from_pretrained("my-x-vectors")
        anna = verifier.enrol(["anna-1.wav", "anna-2.wav"])
        calibration = verifier.calibrate(pairs)
        verifier.verify(anna, "somebody.wav", threshold=calibration.threshold)

    Args:
        model: that makes x-vectors, in evaluation.
        extractor: its feature extractor.
        batch_size: recordings computed at once.
        num_workers: recordings decoded at once, while others are computed.
    """

    def __init__(
        self, model: Wav2Vec2BertForXVector, extractor: Any, *, batch_size: int = 8, num_workers: int = 2
    ) -> None:
        self.model, self.extractor = model, extractor
        self.batch_size, self.num_workers = batch_size, num_workers

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path,
        *,
        device: str | torch.device | None = None,
        dtype: torch.dtype | str = "float32",
        batch_size: int = 8,
        num_workers: int = 2,
    ) -> SpeakerVerifier:
        """Loads a Wav2Vec2BertForXVector.

        Args:
            model: folder or hub id.
            device: by default CUDA where there is a GPU, else MPS, else the processor.
            dtype: of the weights: float32, float16 or bfloat16.
            batch_size: as for the class.
            num_workers: likewise.

        Raises:
            InputError: the checkpoint has another head, no feature extractor that fits, or is not whole.
        """
        loaded, extractor = load_head(Wav2Vec2BertForXVector, model, device=device, dtype=dtype)
        return cls(loaded, extractor, batch_size=batch_size, num_workers=num_workers)

    def stream(
        self,
        sounds: Recordings,
        *,
        sampling_rate: float = SAMPLING_RATE,
        max_duration_s: float = 3600.0,
        on_error: OnError | None = None,
        on_heard: OnHeard | None = None,
    ) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """The embeddings of recordings with their numbers, from 0, in their order.

        Args:
            sounds: one recording, or any number of them.
            sampling_rate: of arrays that do not bring their own, in Hz.
            max_duration_s: longer recordings are an error.
            on_error: is given the number and the error of a recording that cannot be used, which is left out; by
                default it ends the stream.
            on_heard: is told how far it is.

        Yields:
            a number, and (D,) of length 1, whose products are cosines.

        Raises:
            InputError: a recording cannot be used, and there is no `on_error`; or there are none.
        """
        waveforms = decoded(
            sounds,
            sampling_rate=sampling_rate,
            max_duration_s=max_duration_s,
            num_workers=self.num_workers,
            on_error=on_error,
        )

        def embed(batch: Sequence[tuple[int, Waveform]]) -> list[tuple[int, NDArray[np.float32]]]:
            rows = self._embed([waveform for _, waveform in batch])
            for number, waveform in batch:
                if on_heard:
                    on_heard(number, waveform.duration_s, waveform.duration_s)
            return [(number, row) for (number, _), row in zip(batch, rows, strict=True)]

        return in_batches(
            waveforms,
            embed,
            length=lambda item: len(item[1].samples),
            batch_size=self.batch_size,
            longest_group=LONGEST_GROUP,
        )

    def embed(
        self,
        sounds: Recordings,
        *,
        sampling_rate: float = SAMPLING_RATE,
        on_heard: OnHeard | None = None,
    ) -> NDArray[np.float32]:
        """The embeddings of recordings: (D,) of one, (B, D) of several; each of length 1.

        Args:
            sounds: one recording, or any number of them.
            sampling_rate: of arrays that do not bring their own, in Hz.
            on_heard: as in `stream`.

        Raises:
            InputError: a recording cannot be used, or there are none.
        """
        found = self.stream(sounds, sampling_rate=sampling_rate, on_heard=on_heard)
        rows = np.stack([row for _, row in found])
        return rows[0] if is_single(sounds) else rows

    def enrol(self, recordings: Recordings, *, sampling_rate: float = SAMPLING_RATE) -> NDArray[np.float32]:
        """A speaker by one or several recordings: the direction of the mean of their embeddings, (D,) of length 1.

        Args:
            recordings: of one speaker.
            sampling_rate: of arrays that do not bring their own, in Hz.

        Raises:
            InputError: a recording cannot be used, or there are none.
        """
        mean = np.atleast_2d(self.embed(recordings, sampling_rate=sampling_rate)).mean(0)
        return mean / max(float(np.linalg.norm(mean)), 1e-12)

    def score(self, one: AudioSource | NDArray[np.floating], other: AudioSource) -> float:
        """How alike two voices are: the cosine of their embeddings, -1 to 1.

        Args:
            one: a speaker as `enrol` gives it, (D,), or a recording that is none such.
            other: a recording.

        Raises:
            InputError: a recording cannot be used.
        """
        speaker = one if self._is_speaker(one) else self.embed(one)
        return float(np.dot(np.asarray(speaker), self.embed(other)))

    def verify(self, one: AudioSource | NDArray[np.floating], other: AudioSource, *, threshold: float) -> Verification:
        """Whether two voices are one.

        Args:
            one: as in `score`.
            other: likewise.
            threshold: the score from which on they are; `calibrate` finds it.

        Raises:
            InputError: a recording cannot be used.
        """
        score = self.score(one, other)
        return Verification(score >= threshold, score, threshold)

    def calibrate(
        self,
        pairs: Sequence[tuple[AudioSource, AudioSource, bool]],
        *,
        on_heard: OnHeard | None = None,
    ) -> Calibration:
        """The threshold at which as many pairs of one speaker are refused as pairs of two are accepted.

        Args:
            pairs: two recordings each, and whether they are of one speaker. A path that is in several is computed once.
            on_heard: as in `stream`.

        Raises:
            InputError: a recording cannot be used, or there are no pairs of either kind.
        """
        if not pairs:
            raise InputError("pairs must hold at least one pair of one speaker and one of two; got none")
        sounds: dict[Any, AudioSource] = {}
        for one, other, _ in pairs:
            for sound in (one, other):
                sounds.setdefault(_key(sound), sound)
        rows = self.embed(list(sounds.values()), on_heard=on_heard)
        found = dict(zip(sounds, rows, strict=True))
        scores = [float(np.dot(found[_key(one)], found[_key(other)])) for one, other, _ in pairs]
        is_same = [bool(same) for _, _, same in pairs]
        rate, threshold = equal_error_rate(scores, is_same)
        return Calibration(
            threshold=threshold,
            equal_error_rate=rate,
            min_detection_cost=min_detection_cost(scores, is_same),
            same=sum(is_same),
            different=len(is_same) - sum(is_same),
        )

    def check_speakers(self, speakers: Mapping[str, NDArray[np.floating]]) -> None:
        """See whether speakers, by their names, are as `enrol` gives them.

        Raises:
            InputError: one is not, but was enrolled with a model of another width.
        """
        width = self.model.config.xvector_output_dim
        for name, speaker in speakers.items():
            if not self._is_speaker(speaker):
                raise InputError(
                    f"speaker {name!r} must be {width} numbers of length 1 for this model; got {speaker.shape}: "
                    "enrol with the model that is compared with"
                )

    @torch.no_grad()
    def _embed(self, waveforms: Sequence[Waveform]) -> NDArray[np.float32]:
        seconds = len(waveforms) * max(waveform.duration_s for waveform in waveforms)
        fits = seconds * FRAMES_PER_S / self.extractor.stride <= longest_exact(self.model.wav2vec2_bert)
        groups = [waveforms] if fits else [[waveform] for waveform in waveforms]
        rows = [self.model.embed(*encode_recordings(self.model, self.extractor, group)).float() for group in groups]
        return normalize(torch.cat(rows), dim=1).cpu().numpy()

    def _is_speaker(self, one: Any) -> bool:
        width = self.model.config.xvector_output_dim
        if not (isinstance(one, np.ndarray) and one.shape == (width,)):
            return False
        return abs(float(np.linalg.norm(one)) - 1) < 1e-3


def _key(sound: Any) -> Any:
    return str(sound) if isinstance(sound, str | Path) else id(sound)
