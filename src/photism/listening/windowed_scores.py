"""Scores of classes for any number of recordings, whole or in windows: one path for all that names what it hears."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from photism.audio.waveform import SAMPLING_RATE, Waveform
from photism.audio.windowing import Window
from photism.errors import InputError
from photism.listening.batching import OnError, OnHeard, Recordings, decoded, in_batches
from photism.listening.windows import Reading, Segment, Windows, cells, join

LONGEST_GROUP = 20 * 60 * SAMPLING_RATE
"""Samples of recordings that are held decoded to sort them by length: 77 MB."""

Score: TypeAlias = Callable[[Sequence[Waveform]], NDArray[np.floating]]
"""B waveforms -> (B, C) scores, of which none depends on the other waveforms."""


class ClassScore(NamedTuple):
    """A class and its score."""

    label: str
    score: float


class ScoredWindow(NamedTuple):
    """A stretch of a recording and its best classes, best first."""

    start_s: float
    end_s: float
    scores: tuple[ClassScore, ...]


@dataclass(frozen=True)
class Labels:
    """What one recording is called.

    Attributes:
        number: of the recording among those given, from 0.
        duration_s: of the recording.
        windows: of the recording, or one that is the whole.
        segments: of neighbouring windows that are called alike; of a recording that is heard whole, which no windows
            were asked for, its best classes, best first.
    """

    number: int
    duration_s: float
    windows: tuple[ScoredWindow, ...]
    segments: tuple[Segment, ...]


@dataclass(frozen=True, kw_only=True)
class Telling:
    """How scores become what is told.

    Attributes:
        names: of the C classes.
        reading: what the scores mean.
        top_k: how many classes to tell of a window, or all where there are fewer; None for all.
        threshold: that a score must reach to be told, or to be in a segment.

    Raises:
        InputError: the threshold is no number.
    """

    names: Sequence[str]
    reading: Reading = "one"
    top_k: int | None = 5
    threshold: float | None = None

    def __post_init__(self) -> None:
        if self.threshold is not None and np.isnan(self.threshold):
            raise InputError("threshold must be a number; got nan")

    def best(self, scores: NDArray[np.floating]) -> tuple[ClassScore, ...]:
        """The best of (C,) scores, best first."""
        order = np.argsort(-scores, kind="stable")[: self.top_k]
        return tuple(ClassScore(self.names[int(index)], float(scores[index])) for index in order)

    def labels(self, number: int, spans: Sequence[Window], scores: NDArray[np.floating], *, is_whole: bool) -> Labels:
        """Of a recording whose windows, from sample to sample, have (W, C) scores; or which was heard whole, W = 1."""
        windows = tuple(
            ScoredWindow(start / SAMPLING_RATE, end / SAMPLING_RATE, self.best(row))
            for (start, end), row in zip(spans, scores, strict=True)
        )
        duration_s = windows[-1].end_s
        if is_whole:
            told = [each for each in windows[0].scores if self.threshold is None or each.score >= self.threshold]
            segments = [Segment(0.0, duration_s, label, score) for label, score in told]
        else:
            segments = join(cells(spans), scores, self.names, reading=self.reading, threshold=self.threshold)
        return Labels(number, duration_s, windows, tuple(segments))


class _Piece(NamedTuple):
    number: int
    span: Window
    waveform: Waveform
    recording: Waveform
    ends_before: int  # samples of the recording up to the end of the piece before it

    @property
    def is_last(self) -> bool:
        return self.span.stop == len(self.recording.samples)


def labelled(
    sounds: Recordings,
    score: Score,
    telling: Telling,
    *,
    windows: Windows | None = None,
    batch_size: int = 8,
    num_workers: int = 2,
    sampling_rate: float = SAMPLING_RATE,
    max_duration_s: float = 3600.0,
    on_error: OnError | None = None,
    check: Callable[[Waveform], None] | None = None,
    on_heard: OnHeard | None = None,
) -> Iterator[Labels]:
    """What recordings are called, one after the other in their order, while the next ones are decoded.

    Args:
        sounds: one recording, or any number of them.
        score: of a batch of waveforms, of like length.
        telling: how the scores become what is told.
        windows: by default each recording is heard whole.
        batch_size: the most that `score` is given.
        num_workers: recordings that are decoded at once; 0: each when it is asked for.
        sampling_rate: of arrays that do not bring their own, in Hz.
        max_duration_s: longer recordings are an error.
        on_error: what is done about a recording that cannot be used, instead of ending; it is left out.
        check: raises InputError where a recording, or a window, cannot be scored.
        on_heard: is told how far it is.

    Raises:
        InputError: a recording cannot be used, and there is no `on_error`; there are none; or a number is out of range.
    """
    waveforms = decoded(
        sounds,
        sampling_rate=sampling_rate,
        max_duration_s=max_duration_s,
        num_workers=num_workers,
        on_error=on_error,
    )

    def pieces() -> Iterator[_Piece]:
        for number, waveform in waveforms:
            length = len(waveform.samples)
            spans = [Window(0, length)] if windows is None else windows.spans(length)
            cut = [waveform if len(spans) == 1 else Waveform(waveform.samples[start:end]) for start, end in spans]
            try:
                if check:
                    check(cut[0])
            except InputError as error:
                if on_error is None:
                    raise
                on_error(number, error)
                continue
            ends = [0, *(end for _, end in spans[:-1])]
            for span, each, end in zip(spans, cut, ends, strict=True):
                yield _Piece(number, span, each, waveform, end)

    heard: Counter[int] = Counter()  # samples, by number

    def scored(batch: Sequence[_Piece]) -> list[tuple[_Piece, NDArray[np.floating]]]:
        rows = score([piece.waveform for piece in batch])
        for piece in batch:
            heard[piece.number] += piece.span.stop - piece.ends_before
            if on_heard:
                on_heard(piece.number, heard[piece.number] / SAMPLING_RATE, piece.recording.duration_s)
        return list(zip(batch, rows, strict=True))

    stream = in_batches(
        pieces(),
        scored,
        length=lambda piece: len(piece.waveform.samples),
        batch_size=batch_size,
        longest_group=LONGEST_GROUP,
    )
    return _joined(stream, telling, is_whole=windows is None)


def _joined(
    stream: Iterator[tuple[_Piece, NDArray[np.floating]]], telling: Telling, *, is_whole: bool
) -> Iterator[Labels]:
    spans: list[Window] = []
    rows: list[NDArray[np.floating]] = []
    for piece, row in stream:
        spans.append(piece.span)
        rows.append(row)
        if piece.is_last:
            yield telling.labels(piece.number, spans, np.stack(rows), is_whole=is_whole)
            spans, rows = [], []
