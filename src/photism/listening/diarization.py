"""Who spoke when, by the classes of a recording's frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from photism.audio.log_mel import HOP_SAMPLES
from photism.audio.waveform import SAMPLING_RATE, Waveform
from photism.encoder.heads import Wav2Vec2BertForAudioFrameClassification
from photism.encoder.pretrained import load_head
from photism.errors import InputError
from photism.listening.batching import OnError, Recordings, decoded
from photism.listening.head_states import encode_recordings
from photism.listening.transcription import formats
from photism.listening.transcription.subtitles import Cue
from photism.listening.windows import Segment, runs


@dataclass(frozen=True, kw_only=True)
class TurnRules:
    """How the activity of speakers becomes turns.

    Attributes:
        threshold: the probability from which on somebody speaks, above 0 and below 1.
        min_on_s: shorter turns are left out, after pauses are filled.
        min_off_s: shorter pauses in a turn are filled, without `overlap` only those in which nobody speaks.
        overlap: several may speak at once; otherwise the likeliest of them does.

    Raises:
        InputError: one of them is out of range.
    """

    threshold: float = 0.5
    min_on_s: float = 0.1
    min_off_s: float = 0.1
    overlap: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            raise InputError(f"threshold must be above 0 and below 1; got {self.threshold}")
        for name, value in (("min_on_s", self.min_on_s), ("min_off_s", self.min_off_s)):
            if not 0 <= value < float("inf"):
                raise InputError(f"{name} must be 0 or more seconds; got {value}")

    def turns(
        self, activity: NDArray[np.floating], names: Iterable[str], *, token_s: float, duration_s: float
    ) -> list[Segment]:
        """The turns of speakers, in order of time; a turn's score is its mean probability.

        Args:
            activity: (F, C) probabilities that each of C speaks in each token.
            names: of the C.
            token_s: length of a token.
            duration_s: of the recording, to whose end the last token reaches.
        """
        speaks = activity >= self.threshold
        if not self.overlap:
            speaks &= np.arange(activity.shape[1]) == activity.argmax(1)[:, None]

        def edge(token: int) -> float:
            return duration_s if token == len(activity) else token * token_s

        found: list[Segment] = []
        for index, name in enumerate(names):
            stretches: list[list[int]] = []
            for first, after in runs(speaks[:, index]):
                is_short = stretches and (first - stretches[-1][1]) * token_s < self.min_off_s - 1e-9
                # Where one speaks at a time, a pause in which another does is none.
                if is_short and (self.overlap or not speaks[stretches[-1][1] : first].any()):
                    stretches[-1][1] = after
                else:
                    stretches.append([first, after])
            for first, after in stretches:
                if edge(after) - edge(first) >= self.min_on_s - 1e-9:
                    score = float(activity[first:after, index].mean())
                    found.append(Segment(edge(first), edge(after), name, score))
        return sorted(found, key=lambda turn: turn.start_s)


@dataclass(frozen=True)
class Timeline:
    """Who spoke when in one recording.

    Attributes:
        number: of the recording among those given, from 0.
        duration_s: of the recording.
        turns: in order of time; those of different speakers may overlap.
    """

    number: int
    duration_s: float
    turns: tuple[Segment, ...]


class SpeakerTimeline:
    """Says who spoke when.

    Args:
        model: that gives classes to frames, each a speaker, in evaluation. Several may speak at once unless the
            configuration's `problem_type` is "single_label_classification".
        extractor: its feature extractor.
        num_workers: recordings decoded at once, while others are computed.
    """

    def __init__(self, model: Wav2Vec2BertForAudioFrameClassification, extractor: Any, *, num_workers: int = 2) -> None:
        self.model, self.extractor, self.num_workers = model, extractor, num_workers
        self.names = tuple(str(name) for _, name in sorted((model.config.id2label or {}).items()))

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path,
        *,
        device: str | torch.device | None = None,
        dtype: torch.dtype | str = "float32",
        num_workers: int = 2,
    ) -> SpeakerTimeline:
        """Loads a Wav2Vec2BertForAudioFrameClassification.

        Args:
            model: folder or hub id.
            device: by default CUDA where there is a GPU, else MPS, else the processor.
            dtype: of the weights: float32, float16 or bfloat16.
            num_workers: as for the class.

        Raises:
            InputError: the checkpoint has another head, no feature extractor that fits, or is not whole.
        """
        kind = Wav2Vec2BertForAudioFrameClassification
        loaded, extractor = load_head(kind, model, device=device, dtype=dtype)
        return cls(loaded, extractor, num_workers=num_workers)

    @property
    def token_s(self) -> float:
        """Length of a token, 20 ms where two frames are one."""
        return HOP_SAMPLES * self.extractor.stride / SAMPLING_RATE

    @torch.no_grad()
    def activity(self, waveform: Waveform) -> NDArray[np.float32]:
        """The probability (F, C) that each of the speakers speaks in each token."""
        states, lengths = encode_recordings(self.model, self.extractor, [waveform])
        logits = self.model.classifier(states)[0, : int(lengths)].float()
        one_only = self.model.config.problem_type == "single_label_classification"
        return (logits.softmax(-1) if one_only else logits.sigmoid()).cpu().numpy()

    def stream(
        self,
        sounds: Recordings,
        *,
        rules: TurnRules | None = None,
        sampling_rate: float = SAMPLING_RATE,
        max_duration_s: float = 3600.0,
        on_error: OnError | None = None,
    ) -> Iterator[Timeline]:
        """Who spoke when, one recording after the other in their order.

        Args:
            sounds: one recording, or any number of them.
            rules: by which activity becomes turns.
            sampling_rate: of arrays that do not bring their own, in Hz.
            max_duration_s: longer recordings are an error.
            on_error: is given the number and the error of a recording that cannot be used, which is left out; by
                default it ends the stream.

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
        return (self._timeline(number, waveform, rules or TurnRules()) for number, waveform in waveforms)

    def __call__(self, sound: Any, *, rules: TurnRules | None = None) -> tuple[Segment, ...]:
        """The turns of one recording.

        Raises:
            InputError: it cannot be used.
        """
        return next(self.stream([sound], rules=rules)).turns

    def _timeline(self, number: int, waveform: Waveform, rules: TurnRules) -> Timeline:
        seconds = waveform.duration_s
        turns = rules.turns(self.activity(waveform), self.names, token_s=self.token_s, duration_s=seconds)
        return Timeline(number, seconds, tuple(turns))


def as_rttm(recording: str, turns: Iterable[Segment]) -> str:
    """Rich Transcription Time Marked: a line for each turn, as NIST's tools and pyannote read it."""
    name = "_".join(recording.split())
    return "".join(
        f"SPEAKER {name} 1 {start_s:.3f} {end_s - start_s:.3f} <NA> <NA> {'_'.join(label.split())} <NA> <NA>\n"
        for start_s, end_s, label, _ in turns
    )


def read_rttm(text: str) -> dict[str, list[Segment]]:
    """Turns by recording.

    Raises:
        InputError: a line is not of the form.
    """
    found: dict[str, list[Segment]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        if not fields or fields[0] != "SPEAKER":  # other kinds of lines tell of other things
            continue
        try:
            start_s, length_s = float(fields[3]), float(fields[4])
            turn = Segment(start_s, start_s + length_s, fields[7], 1.0)
        except (IndexError, ValueError):
            raise InputError(f"line {number} is no turn in RTTM: {line!r}") from None
        found.setdefault(fields[1], []).append(turn)
    return found


def as_srt(turns: Iterable[Segment]) -> str:
    """Subtitles that say who speaks."""
    return formats.as_srt([Cue(start_s, end_s, (label,)) for start_s, end_s, label, _ in turns])
