"""Class scores of any number of recordings, whole or in windows: shared by classification and zero-shot ranking."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias, TypedDict

import numpy as np
from numpy.typing import NDArray

from photism.audio.waveform import SAMPLING_RATE, Waveform
from photism.audio.windowing import Window, cut_windows, kept_ranges
from photism.errors import InputError
from photism.listening.batching import OnError, OnProgress, in_batches
from photism.listening.segmentation import ProblemType, merge_windows
from photism.listening.segments import Segment
from photism.listening.settings import HearSettings, LabelSettings

MAX_GROUP_SAMPLES = 20 * 60 * SAMPLING_RATE
"""Samples of decoded recordings that are held in memory to sort them by length: 77 MB."""

ScoreWaveforms: TypeAlias = Callable[[Sequence[Waveform]], NDArray[np.floating]]
"""Function from B waveforms to scores (B, C), in which no row depends on the other waveforms."""


class ClassScore(TypedDict):
    """A class and its score, as an object of JSON."""

    label: str
    score: float


class ScoredWindow(NamedTuple):
    """A window of a recording and its best classes, best first."""

    start_s: float
    end_s: float
    scores: tuple[ClassScore, ...]


@dataclass(frozen=True)
class Labels:
    """Labels of one recording.

    Attributes:
        number: index of the recording among the given ones, from 0.
        duration_s: duration of the recording.
        windows: scored windows; a single one if the whole recording was scored.
        segments: neighbouring windows with the same label, merged; if the whole recording was scored, its best classes,
            best first.
    """

    number: int
    duration_s: float
    windows: tuple[ScoredWindow, ...]
    segments: tuple[Segment, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the duration, segments and windows for JSON."""
        windows = [
            {"start_s": start_s, "end_s": end_s, "scores": list(scores)} for start_s, end_s, scores in self.windows
        ]
        segments = [segment._asdict() for segment in self.segments]
        return {"duration_s": self.duration_s, "segments": segments, "windows": windows}


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

    def best(self, scores: NDArray[np.floating]) -> tuple[ClassScore, ...]:
        """Return the best classes by scores (C,), best first."""
        order = np.argsort(-scores, kind="stable")[: self.top_k]
        return tuple(ClassScore(label=self.names[int(index)], score=float(scores[index])) for index in order)

    def label(self, number: int, windows: Sequence[Window], scores: NDArray[np.floating], *, is_whole: bool) -> Labels:
        """Label one recording.

        Args:
            number: index of the recording.
            windows: W windows in samples.
            scores: (W, C).
            is_whole: whether the recording was scored as a whole, W = 1.
        """
        scored = tuple(
            ScoredWindow(start / SAMPLING_RATE, stop / SAMPLING_RATE, self.best(row))
            for (start, stop), row in zip(windows, scores, strict=True)
        )
        duration_s = scored[-1].end_s
        if is_whole:
            best = [each for each in scored[0].scores if self.threshold is None or each["score"] >= self.threshold]
            segments = [Segment(0.0, duration_s, **each) for each in best]
        else:
            ranges_s = [(start / SAMPLING_RATE, stop / SAMPLING_RATE) for start, stop in kept_ranges(windows)]
            segments = merge_windows(
                ranges_s, scores, self.names, problem_type=self.problem_type, threshold=self.threshold
            )
        return Labels(number, duration_s, scored, tuple(segments))


class _Crop(NamedTuple):
    """A window of a recording that waits to be scored."""

    number: int
    window: Window
    waveform: Waveform
    recording: Waveform
    new_from: int  # sample of the recording up to which the windows before it reach

    @property
    def is_last(self) -> bool:
        """True for the last window of a recording."""
        return self.window.stop == len(self.recording.samples)


def label_recordings(
    waveforms: Iterable[tuple[int, Waveform]],
    score: ScoreWaveforms,
    policy: LabelPolicy,
    settings: HearSettings | LabelSettings,
    *,
    check: Callable[[Waveform], None] | None = None,
    on_error: OnError | None = None,
    on_progress: OnProgress | None = None,
) -> Iterator[Labels]:
    """Score and label recordings in batches, and yield the labels in the order of the recordings.

    Args:
        waveforms: recordings and their indices.
        score: scores a batch of waveforms of similar length.
        policy: which labels are reported.
        settings: windows and batch size.
        check: raises InputError for a recording, or its first window, that cannot be scored.
        on_error: called for each such recording, which is then skipped; by default it is an error.
        on_progress: called after each batch.

    Raises:
        InputError: `check` refuses a recording and there is no `on_error`.
    """
    processed: Counter[int] = Counter()  # samples by recording; overlaps count once

    def score_crops(batch: Sequence[_Crop]) -> list[tuple[_Crop, NDArray[np.floating]]]:
        """Score a batch and report the progress."""
        rows = score([crop.waveform for crop in batch])
        for crop in batch:
            processed[crop.number] += crop.window.stop - crop.new_from
            if on_progress:
                on_progress(crop.number, processed[crop.number] / SAMPLING_RATE, crop.recording.duration_s)
        return list(zip(batch, rows, strict=True))

    scored = in_batches(
        _cut(waveforms, settings, check, on_error),
        score_crops,
        length=lambda crop: len(crop.waveform.samples),
        batch_size=settings.batch_size,
        max_group_length=MAX_GROUP_SAMPLES,
    )
    return _label_each(scored, policy, is_whole=settings.window_s is None)


def _cut(
    waveforms: Iterable[tuple[int, Waveform]],
    settings: HearSettings | LabelSettings,
    check: Callable[[Waveform], None] | None,
    on_error: OnError | None,
) -> Iterator[_Crop]:
    """Yield the windows of each recording; a recording no longer than a window is one window."""
    for number, recording in waveforms:
        samples = recording.samples
        windows = _windows(len(samples), settings)
        crops = [recording] if len(windows) == 1 else [Waveform(samples[start:stop]) for start, stop in windows]
        try:
            if check:
                check(crops[0])
        except InputError as error:
            if on_error is None:
                raise
            on_error(number, error)
            continue
        new_from = [0, *(window.stop for window in windows[:-1])]
        for window, crop, start in zip(windows, crops, new_from, strict=True):
            yield _Crop(number, window, crop, recording, start)


def _windows(total: int, settings: HearSettings | LabelSettings) -> list[Window]:
    if settings.window_s is None:
        return [Window(0, total)]
    length = round(settings.window_s * SAMPLING_RATE)
    hop = length // 2 if settings.hop_s is None else max(1, round(settings.hop_s * SAMPLING_RATE))
    return cut_windows(total, length=length, hop=hop)


def _label_each(
    scored: Iterator[tuple[_Crop, NDArray[np.floating]]], policy: LabelPolicy, *, is_whole: bool
) -> Iterator[Labels]:
    windows: list[Window] = []
    rows: list[NDArray[np.floating]] = []
    for crop, row in scored:
        windows.append(crop.window)
        rows.append(row)
        if crop.is_last:
            yield policy.label(crop.number, windows, np.stack(rows), is_whole=is_whole)
            windows, rows = [], []
