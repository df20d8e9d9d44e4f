"""Speaker diarization: who spoke when, by a model that classifies frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from photism.audio.log_mel import HOP_SAMPLES
from photism.audio.long_recording import LongRecording, Recording
from photism.audio.waveform import SAMPLING_RATE, AudioSource
from photism.display.markup import Html, block, duration, note
from photism.display.short_repr import short_repr
from photism.display.timeline import timeline
from photism.encoder.heads import Wav2Vec2BertForAudioFrameClassification
from photism.encoder.pretrained import load_head
from photism.finite import check_finite, each_finite
from photism.listening.batching import OnError, OnProgress, Recordings, read_ahead, without_errors
from photism.listening.head_states import encode_recordings, stream_states
from photism.listening.segmentation import find_runs
from photism.listening.segments import Segment, Segments
from photism.listening.settings import TimelineSettings
from photism.settings import accepts

ROUNDING_S = 1e-9
"""Tolerance of comparisons of durations: 3 frames of 0.1 s are not shorter than 0.3 s."""


@dataclass(frozen=True)
class Diarization:
    """Speaker turns of one recording.

    Attributes:
        number: index of the recording among the given ones, from 0.
        duration_s: duration of the recording.
        turns: turns in order of time; turns of different speakers may overlap.
        silent: whether there is nothing to hear, and therefore no turn.
    """

    number: int
    duration_s: float
    turns: tuple[Segment, ...]
    silent: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the duration, whether there is nothing to hear, and the turns for JSON."""
        turns = [
            {"start_s": start_s, "end_s": end_s, "speaker": speaker, "score": score}
            for start_s, end_s, speaker, score in self.turns
        ]
        return {"duration_s": self.duration_s, "silent": self.silent, "turns": turns}

    def player(self, recording: AudioSource) -> Html:
        """Return the turns below a player, for a notebook: a click on a turn plays it.

        Args:
            recording: the recording, as `load_waveform` accepts it. The player holds its first minute.

        Raises:
            InputError: it is unreadable.
        """
        from photism.audio.player import player

        return player(recording, timeline(self.turns, self.duration_s, plays=True))

    def __repr__(self) -> str:
        speakers = list(dict.fromkeys(turn.label for turn in self.turns))
        return short_repr(self, duration_s=self.duration_s, turns=len(self.turns), speakers=speakers)

    def _repr_html_(self) -> str:
        if self.silent:
            return block(note(f"There is nothing to hear in {duration(self.duration_s)}."))
        return block(timeline(self.turns, self.duration_s))


class SpeakerTimeline:
    """Find who spoke when.

    Args:
        model: a model that classifies frames, with a class for each speaker, in evaluation mode. Speakers may overlap
            unless the configuration's `problem_type` is "single_label_classification".
        extractor: its feature extractor.
        settings: settings of `TimelineSettings`, which a call can override.

    Raises:
        SettingError: a setting is out of range.
    """

    @accepts(TimelineSettings)
    def __init__(self, model: Wav2Vec2BertForAudioFrameClassification, extractor: Any, **settings: Any) -> None:
        self.model, self.extractor = model, extractor
        self.settings = TimelineSettings(**settings)
        self.names = tuple(str(name) for _, name in sorted((model.config.id2label or {}).items()))

    @classmethod
    @accepts(TimelineSettings)
    def from_pretrained(
        cls,
        model: str | Path,
        *,
        device: str | torch.device | None = None,
        dtype: torch.dtype | str = "float32",
        **settings: Any,
    ) -> SpeakerTimeline:
        """Load a Wav2Vec2BertForAudioFrameClassification.

        Args:
            model: folder or hub id.
            device: device; by default CUDA if there is a GPU, else MPS, else the CPU.
            dtype: dtype of the weights: float32, float16 or bfloat16.
            settings: settings of `TimelineSettings`, which a call can override.

        Raises:
            InputError: the checkpoint does not exist, has another head, has no matching feature extractor, or is
                incomplete.
            SettingError: a setting is out of range.
        """
        TimelineSettings(**settings)  # raises an error before anything is loaded
        head = Wav2Vec2BertForAudioFrameClassification
        loaded, extractor = load_head(head, model, device=device, dtype=dtype)
        return cls(loaded, extractor, **settings)

    @property
    def frame_s(self) -> float:
        """Duration of a frame of the model, 20 ms if two frames of log-mel are stacked."""
        return HOP_SAMPLES * self.extractor.stride / SAMPLING_RATE

    @torch.no_grad()
    def activity(
        self, recording: Recording, *, on_progress: Callable[[float], None] | None = None
    ) -> NDArray[np.float32]:
        """Return the probability (F, C) of each speaker in each frame.

        Args:
            recording: the recording.
            on_progress: called, while a long recording is encoded, with the seconds that are.
        """
        if isinstance(recording, LongRecording):
            blocks = stream_states(self.model, self.extractor, recording, on_progress=on_progress)
            return np.concatenate([self._probabilities(states[0]) for states in blocks])
        states, lengths = encode_recordings(self.model, self.extractor, [recording])
        return self._probabilities(states[0, : int(lengths)])

    @accepts(TimelineSettings)
    def stream(
        self,
        recordings: Recordings,
        *,
        sampling_rate: float = SAMPLING_RATE,
        max_duration_s: float | None = None,
        on_error: OnError | None = None,
        on_progress: OnProgress | None = None,
        **changes: Any,
    ) -> Iterator[Diarization]:
        """Find the turns of recordings, and yield them in the order of the recordings.

        Args:
            recordings: one recording, or any number of them.
            sampling_rate: rate in Hz of arrays that come without one.
            max_duration_s: maximum duration; longer recordings are an error. None for no limit.
            on_error: called for each unreadable recording, which is then skipped; by default it is an error.
            on_progress: called after each recording, and while a long one is encoded.
            changes: settings that differ from those of the constructor.

        Raises:
            InputError: a recording is unreadable and there is no `on_error`, or there are no recordings.
            SettingError: a setting is out of range.
        """
        settings = replace(self.settings, **changes)
        found = read_ahead(
            recordings,
            sampling_rate=sampling_rate,
            max_duration_s=max_duration_s,
            num_workers=settings.num_workers,
            on_error=on_error,
        )

        def diarize(batch: Sequence[tuple[int, Recording]]) -> list[Diarization]:
            """Find the turns of recordings, one by one."""
            return [self._diarize(*each, settings, on_progress) for each in batch]

        diarized = ((each[0], each_finite(diarize, [each])[0]) for each in found)
        return (diarization for _, diarization in without_errors(diarized, on_error))

    @accepts(TimelineSettings)
    def __call__(self, recording: AudioSource, **changes: Any) -> Segments:
        """Return the turns of one recording.

        Args:
            recording: anything that `load_waveform` accepts.
            changes: settings that differ from those of the constructor.

        Raises:
            InputError: it is unreadable.
            SettingError: a setting is out of range.
        """
        return Segments(next(self.stream([recording], **changes)).turns)

    def _probabilities(self, states: Tensor) -> NDArray[np.float32]:
        """Return the probabilities (F, C) of states (F, D)."""
        logits = self.model.classifier(states).float()
        check_finite(logits[None], "logits", self.model.dtype)
        is_single_label = self.model.config.problem_type == "single_label_classification"
        return (logits.softmax(-1) if is_single_label else logits.sigmoid()).cpu().numpy()

    def _diarize(
        self, number: int, recording: Recording, settings: TimelineSettings, on_progress: OnProgress | None
    ) -> Diarization:
        duration_s = recording.duration_s

        def report(processed_s: float) -> None:
            """Report the progress of this recording."""
            if on_progress is not None:
                on_progress(number, processed_s, duration_s)

        if recording.level.is_silent:
            report(duration_s)
            return Diarization(number, duration_s, (), silent=True)
        activity = self.activity(recording, on_progress=report)
        report(duration_s)
        turns = find_turns(activity, self.names, settings, frame_s=self.frame_s, duration_s=duration_s)
        return Diarization(number, duration_s, tuple(turns))


def find_turns(
    activity: NDArray[np.floating],
    names: Iterable[str],
    settings: TimelineSettings,
    *,
    frame_s: float,
    duration_s: float,
) -> list[Segment]:
    """Turn the activity of speakers into turns in order of time; a turn's score is its mean probability.

    Args:
        activity: probability (F, C) of each of C speakers in each frame.
        names: names of the C speakers.
        settings: threshold, shortest turn and pause, and whether turns may overlap.
        frame_s: duration of a frame.
        duration_s: duration of the recording, at which the last frame ends.
    """
    is_active = activity >= settings.threshold
    if not settings.overlap:
        is_active &= np.arange(activity.shape[1]) == activity.argmax(1)[:, None]

    def time_of(frame: int) -> float:
        """Return the start of a frame, or the end of the recording after the last one."""
        return duration_s if frame == len(activity) else frame * frame_s

    turns: list[Segment] = []
    for index, name in enumerate(names):
        for start, stop in _fill_pauses(is_active, index, settings, frame_s):
            if time_of(stop) - time_of(start) >= settings.min_on_s - ROUNDING_S:
                score = float(activity[start:stop, index].mean())
                turns.append(Segment(time_of(start), time_of(stop), name, score))
    return sorted(turns, key=lambda turn: turn.start_s)


def _fill_pauses(
    is_active: NDArray[np.bool_], speaker: int, settings: TimelineSettings, frame_s: float
) -> list[tuple[int, int]]:
    """Return the runs of frames (F, C) in which a speaker is active, joined across short pauses."""
    runs: list[tuple[int, int]] = []
    for start, stop in find_runs(is_active[:, speaker]):
        is_short = bool(runs) and (start - runs[-1][1]) * frame_s < settings.min_off_s - ROUNDING_S
        # Without overlap, a pause in which another speaker is active cannot be filled.
        if is_short and (settings.overlap or not is_active[runs[-1][1] : start].any()):
            runs[-1] = runs[-1][0], stop
        else:
            runs.append((start, stop))
    return runs
