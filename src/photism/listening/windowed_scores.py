"""Class scores of any number of recordings, whole or in windows: shared by classification and zero-shot ranking."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeAlias, TypedDict

import numpy as np
from numpy.typing import NDArray

from photism.audio.long_recording import LongRecording, Recording
from photism.audio.waveform import SAMPLING_RATE, AudioSource, Waveform
from photism.audio.windowing import Window
from photism.display.markup import Html, block, duration, note
from photism.display.scores import Ranking, score_table
from photism.display.short_repr import short_repr
from photism.display.timeline import timeline
from photism.listening.batching import OnError, OnProgress
from photism.listening.segmentation import ProblemType, SegmentMerger
from photism.listening.segments import Segment
from photism.listening.settings import HearSettings, LabelSettings
from photism.listening.windowed_results import WindowResults, summarise_recordings


class Scored(NamedTuple):
    """Scores (C,) of a waveform, and whether the model knows its sound at all; None if the model cannot tell."""

    scores: NDArray[np.floating]
    known: bool | None = None


ScoreWaveforms: TypeAlias = Callable[[Sequence[Waveform]], Sequence[Scored]]
"""Function from waveforms to the scores of each, which do not depend on the other waveforms."""
ScoreLongRecording: TypeAlias = Callable[[LongRecording, Callable[[float], None]], Scored]
"""Function from a long recording, and a callback for the seconds that are processed, to its scores."""


class ClassScore(TypedDict):
    """A class and its score, as an object of JSON.

    Attributes:
        label: name of the class.
        score: its score, as the function of the classifier gives it.
    """

    label: str
    score: float


class ScoredWindow(NamedTuple):
    """A window of a recording with its scores.

    Attributes:
        start_s: start of the window, in seconds.
        end_s: end of the window, in seconds.
        scores: its best classes or captions, best first.
        known: whether the model knows its sound at all; None if it cannot tell.
    """

    start_s: float
    end_s: float
    scores: tuple[ClassScore, ...]
    known: bool | None = None

    def __repr__(self) -> str:
        scores = Ranking(self.scores)
        return short_repr(self, start_s=self.start_s, end_s=self.end_s, known=self.known, scores=scores)


@dataclass(frozen=True)
class Labels:
    """Labels of one recording.

    Attributes:
        number: index of the recording among the given ones, from 0.
        duration_s: duration of the recording.
        windows: scored windows; a single one if the whole recording was scored.
        segments: neighbouring windows with the same label, merged; if the whole recording was scored, its best classes,
            best first. Windows whose sound the model does not know have none.
        silent: whether there is nothing to hear in the recording.
    """

    number: int
    duration_s: float
    windows: tuple[ScoredWindow, ...]
    segments: tuple[Segment, ...]
    silent: bool

    @property
    def known(self) -> bool | None:
        """True if the model knows the sound of any window; None if it cannot tell."""
        decisions = [window.known for window in self.windows if window.known is not None]
        return any(decisions) if decisions else None

    @property
    def closest(self) -> ClassScore:
        """The class with the highest score of all windows, known or not."""
        return max((window.scores[0] for window in self.windows), key=lambda best: best["score"])

    def as_dict(self) -> dict[str, Any]:
        """Return the duration, segments and windows for JSON."""
        windows = [
            {
                "start_s": window.start_s,
                "end_s": window.end_s,
                **({} if window.known is None else {"known": window.known}),
                "scores": list(window.scores),
            }
            for window in self.windows
        ]
        segments = [segment._asdict() for segment in self.segments]
        return {"duration_s": self.duration_s, "silent": self.silent, "segments": segments, "windows": windows}

    def player(self, recording: AudioSource) -> Html:
        """Return the labels below a player, for a notebook: a click on a segment plays it.

        Args:
            recording: the recording, as `load_waveform` accepts it. The player holds its first minute.

        Raises:
            InputError: it is unreadable.
        """
        from photism.audio.player import player

        return player(recording, labels_html(self, plays=True))

    def __repr__(self) -> str:
        labels = list(dict.fromkeys(segment.label for segment in self.segments))
        return short_repr(self, duration_s=self.duration_s, windows=len(self.windows), labels=labels)

    def _repr_html_(self) -> str:
        return block(labels_html(self, plays=False))


@dataclass(frozen=True, kw_only=True)
class LabelPolicy:
    """Which labels are reported: how many, and above which threshold.

    Attributes:
        names: names of the C classes.
        problem_type: meaning of the scores.
        top_k: maximum number of classes of a window; None for all.
        threshold: minimum score of a segment.
    """

    names: Sequence[str]
    problem_type: ProblemType
    top_k: int | None
    threshold: float | None

    def scored_window(self, window: Window, scored: Scored) -> ScoredWindow:
        """Return a window in samples with its best classes, best first."""
        best = best_classes(scored.scores, self.names, self.top_k)
        return ScoredWindow(window.start / SAMPLING_RATE, window.stop / SAMPLING_RATE, best, scored.known)


def best_classes(scores: NDArray[np.floating], names: Sequence[str], top_k: int | None) -> tuple[ClassScore, ...]:
    """Return the classes of the highest scores (C,), highest first; all of them if `top_k` is None."""
    order = np.argsort(-scores, kind="stable")[:top_k]
    return tuple(ClassScore(label=names[int(index)], score=float(scores[index])) for index in order)


def label_recordings(
    recordings: Iterable[tuple[int, Recording]],
    score: ScoreWaveforms,
    score_long: ScoreLongRecording,
    policy: LabelPolicy,
    settings: HearSettings | LabelSettings,
    *,
    check: Callable[[Recording], None] | None = None,
    on_error: OnError | None = None,
    on_progress: OnProgress | None = None,
) -> Iterator[Labels]:
    """Score and label recordings in batches, and yield the labels in the order of the recordings.

    Args:
        recordings: recordings and their indices.
        score: scores a batch of waveforms of similar length.
        score_long: scores a long recording as a whole.
        policy: which labels are reported.
        settings: windows and batch size.
        check: raises InputError for a recording, or its first window, that cannot be scored.
        on_error: called for each such recording, and for each whose scores are not finite, which is then skipped; by
            default it is an error.
        on_progress: called after each batch, and while a long recording is scored.

    Raises:
        InputError: `check` refuses a recording, or its scores are not finite, and there is no `on_error`.
    """
    label = _label_whole if settings.window_s is None else _label_windows
    return summarise_recordings(
        recordings,
        score,
        score_long,
        partial(label, policy=policy),
        settings,
        check=check,
        on_error=on_error,
        on_progress=on_progress,
    )


def _label_whole(scored: WindowResults[Scored], policy: LabelPolicy) -> Labels:
    ((crop, row),) = scored
    window = policy.scored_window(crop.window, row)
    best = [each for each in window.scores if policy.threshold is None or each["score"] >= policy.threshold]
    segments = () if row.known is False else tuple(Segment(0.0, window.end_s, **each) for each in best)
    return Labels(crop.number, window.end_s, (window,), segments, crop.level.is_silent)


def _label_windows(scored: WindowResults[Scored], policy: LabelPolicy) -> Labels:
    """Label a recording window by window, without holding the scores of all classes of all windows."""
    merger = SegmentMerger(policy.names, policy.problem_type, policy.threshold)
    windows: list[ScoredWindow] = []
    number = before_stop = 0
    silent = False
    for crop, row in scored:
        number, window, silent = crop.number, crop.window, crop.level.is_silent
        windows.append(policy.scored_window(window, row))
        # A window stands for the range up to the middle of its overlap with the next one. NaN reaches no threshold.
        scores = np.full_like(row.scores, np.nan) if row.known is False else row.scores
        merger.add((before_stop + window.start) / 2 / SAMPLING_RATE, scores)
        before_stop = window.stop
    duration_s = windows[-1].end_s
    return Labels(number, duration_s, tuple(windows), tuple(merger.finish(duration_s)), silent)


def labels_html(labels: Labels, *, plays: bool) -> str:
    """Return a table of the classes of a whole recording, or the segments of one in windows on a line of time.

    Args:
        labels: labels of a recording.
        plays: whether there is a player, so that a click plays a segment.
    """
    if labels.silent:
        return note(f"There is nothing to hear in {duration(labels.duration_s)}.")
    unknown = "" if labels.known is not False else note("No known sound was recognised.")
    if len(labels.windows) == 1:
        return unknown + score_table(labels.windows[0].scores)
    return unknown + timeline(labels.segments, labels.duration_s, plays=plays)
