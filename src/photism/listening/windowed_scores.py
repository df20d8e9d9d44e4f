"""Class scores of any number of recordings, whole or in windows: shared by classification and zero-shot ranking."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, NamedTuple, TypeAlias, TypedDict

import numpy as np
from numpy.typing import NDArray

from photism.audio.long_recording import LongRecording, Recording, sample_blocks
from photism.audio.waveform import SAMPLING_RATE, Waveform
from photism.audio.windowing import Window, stream_windows
from photism.errors import InputError
from photism.finite import NotFiniteError, each_finite
from photism.listening.batching import OnError, OnProgress, in_batches
from photism.listening.segmentation import ProblemType, SegmentMerger
from photism.listening.segments import Segment
from photism.listening.settings import HearSettings, LabelSettings

MAX_GROUP_SAMPLES = 20 * 60 * SAMPLING_RATE
"""Samples of decoded recordings that are held in memory to sort them by length: 77 MB."""


class Scored(NamedTuple):
    """Scores (C,) of a waveform, and whether the model knows its sound at all; None if the model cannot tell."""

    scores: NDArray[np.floating]
    known: bool | None = None


ScoreWaveforms: TypeAlias = Callable[[Sequence[Waveform]], Sequence[Scored]]
"""Function from waveforms to the scores of each, which do not depend on the other waveforms."""
ScoreLongRecording: TypeAlias = Callable[[LongRecording, Callable[[float], None]], Scored]
"""Function from a long recording, and a callback for the seconds that are processed, to its scores."""


class ClassScore(TypedDict):
    """A class and its score, as an object of JSON."""

    label: str
    score: float


class ScoredWindow(NamedTuple):
    """A window of a recording, its best classes, best first, and whether the model knows its sound at all."""

    start_s: float
    end_s: float
    scores: tuple[ClassScore, ...]
    known: bool | None = None


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
        scores = scored.scores
        order = np.argsort(-scores, kind="stable")[: self.top_k]
        best = tuple(ClassScore(label=self.names[int(index)], score=float(scores[index])) for index in order)
        return ScoredWindow(window.start / SAMPLING_RATE, window.stop / SAMPLING_RATE, best, scored.known)


class _Crop(NamedTuple):
    """A window of a recording that waits to be scored."""

    number: int
    window: Window
    waveform: Recording  # a long one only if it is scored as a whole
    sample_count: int  # of the recording
    silent: bool  # whether there is nothing to hear in the recording
    new_from: int  # sample of the recording up to which the windows before it reach

    @property
    def is_last(self) -> bool:
        """True for the last window of a recording."""
        return self.window.stop == self.sample_count


ScoredCrop: TypeAlias = tuple[_Crop, Scored | NotFiniteError]
ScoredCrops: TypeAlias = Iterator[tuple[_Crop, Scored]]


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
    processed: Counter[int] = Counter()  # samples by recording; overlaps count once

    def report(crop: _Crop, processed_s: float) -> None:
        """Report the progress of a recording."""
        if on_progress:
            on_progress(crop.number, processed_s, crop.sample_count / SAMPLING_RATE)

    def score_whole(crops: Sequence[_Crop]) -> list[Scored]:
        """Score long recordings as a whole."""
        return [
            score_long(crop.waveform, partial(report, crop))
            for crop in crops
            if isinstance(crop.waveform, LongRecording)
        ]

    def score_crops(batch: Sequence[_Crop]) -> list[ScoredCrop]:
        """Score a batch and report the progress."""
        short = [crop.waveform for crop in batch if isinstance(crop.waveform, Waveform)]
        rows = iter(each_finite(score, short) if short else ())
        scored: list[ScoredCrop] = []
        for crop in batch:
            is_short = isinstance(crop.waveform, Waveform)
            scored.append((crop, next(rows) if is_short else each_finite(score_whole, [crop])[0]))
            processed[crop.number] += crop.window.stop - crop.new_from
            report(crop, processed[crop.number] / SAMPLING_RATE)
        return scored

    scored = in_batches(
        _cut(recordings, settings, check, on_error),
        score_crops,
        length=lambda crop: crop.waveform.sample_count,
        batch_size=settings.batch_size,
        max_group_length=MAX_GROUP_SAMPLES,
    )
    label = _label_whole if settings.window_s is None else _label_windows
    for first in scored:
        try:
            labels = label(_until_last(first, scored), policy)
        except NotFiniteError as error:
            if on_error is None:
                raise
            on_error(first[0].number, error)
        else:
            yield labels


def _cut(
    recordings: Iterable[tuple[int, Recording]],
    settings: HearSettings | LabelSettings,
    check: Callable[[Recording], None] | None,
    on_error: OnError | None,
) -> Iterator[_Crop]:
    """Yield the windows of each recording; a recording no longer than a window is one window."""
    for number, recording in recordings:
        crops = _crops(number, recording, settings)
        first = next(crops)
        try:
            if check:
                check(first.waveform)
        except InputError as error:
            if on_error is None:
                raise
            on_error(number, error)
            continue
        yield first
        yield from crops


def _crops(number: int, recording: Recording, settings: HearSettings | LabelSettings) -> Iterator[_Crop]:
    total, silent = recording.sample_count, recording.level.is_silent
    if settings.window_s is None:
        yield _Crop(number, Window(0, total), recording, total, silent, 0)
        return
    length = round(settings.window_s * SAMPLING_RATE)
    hop = length // 2 if settings.hop_s is None else max(1, round(settings.hop_s * SAMPLING_RATE))
    new_from = 0
    for window, samples in stream_windows(sample_blocks(recording), length=length, hop=hop):
        yield _Crop(number, window, Waveform(samples), total, silent, new_from)
        new_from = window.stop


def _until_last(first: ScoredCrop, scored: Iterator[ScoredCrop]) -> ScoredCrops:
    """Yield the windows of one recording; after the last of them, raise the error of one that is not finite."""
    problem: NotFiniteError | None = None
    for crop, row in chain([first], scored):
        if isinstance(row, NotFiniteError):
            problem = row
        elif problem is None:
            yield crop, row
        if crop.is_last:
            break
    if problem is not None:
        raise problem


def _label_whole(scored: ScoredCrops, policy: LabelPolicy) -> Labels:
    ((crop, row),) = scored
    window = policy.scored_window(crop.window, row)
    best = [each for each in window.scores if policy.threshold is None or each["score"] >= policy.threshold]
    segments = () if row.known is False else tuple(Segment(0.0, window.end_s, **each) for each in best)
    return Labels(crop.number, window.end_s, (window,), segments, crop.silent)


def _label_windows(scored: ScoredCrops, policy: LabelPolicy) -> Labels:
    """Label a recording window by window, without holding the scores of all classes of all windows."""
    merger = SegmentMerger(policy.names, policy.problem_type, policy.threshold)
    windows: list[ScoredWindow] = []
    number = before_stop = 0
    silent = False
    for crop, row in scored:
        number, window, silent = crop.number, crop.window, crop.silent
        windows.append(policy.scored_window(window, row))
        # A window stands for the range up to the middle of its overlap with the next one. NaN reaches no threshold.
        scores = np.full_like(row.scores, np.nan) if row.known is False else row.scores
        merger.add((before_stop + window.start) / 2 / SAMPLING_RATE, scores)
        before_stop = window.stop
    duration_s = windows[-1].end_s
    return Labels(number, duration_s, tuple(windows), tuple(merger.finish(duration_s)), silent)
