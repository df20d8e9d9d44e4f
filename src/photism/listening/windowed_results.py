"""Results of any number of recordings, whole or in windows: cut, compute in batches, and join by recording."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

from photism.audio.level import SignalLevel
from photism.audio.long_recording import LongRecording, Recording, sample_blocks
from photism.audio.waveform import SAMPLING_RATE, Waveform
from photism.audio.windowing import Window, count_samples, stream_windows
from photism.errors import InputError, NotFiniteError
from photism.finite import each_finite
from photism.listening.batching import OnError, OnProgress, in_batches

MAX_GROUP_SAMPLES = 20 * 60 * SAMPLING_RATE
"""Samples of decoded recordings that are held in memory to sort them by length: 77 MB."""

Result = TypeVar("Result")
Summary = TypeVar("Summary")


class WindowSettings(Protocol):
    """Settings that have windows and a batch size."""

    @property
    def window_s(self) -> float | None:
        """Length of a window in seconds; None for whole recordings."""
        ...

    @property
    def hop_s(self) -> float | None:
        """Seconds from the start of a window to that of the next; None for half a window."""
        ...

    @property
    def batch_size(self) -> int:
        """Number of recordings, or windows, that are computed at once."""
        ...


class Crop(NamedTuple):
    """A window of a recording."""

    number: int
    window: Window
    waveform: Recording  # a long one only if it is computed as a whole
    sample_count: int  # of the recording
    level: SignalLevel  # of the recording
    new_from: int  # sample of the recording up to which the windows before it reach

    @property
    def is_last(self) -> bool:
        """True for the last window of a recording."""
        return self.window.stop == self.sample_count


WindowResults: TypeAlias = "Iterator[tuple[Crop, Result]]"
"""Windows of one recording, in order, each with the result of its samples."""


def summarise_recordings(
    recordings: Iterable[tuple[int, Recording]],
    compute: Callable[[Sequence[Waveform]], Sequence[Result]],
    compute_long: Callable[[LongRecording, Callable[[float], None]], Result],
    summarise: Callable[[WindowResults[Result]], Summary],
    settings: WindowSettings,
    *,
    check: Callable[[Recording], None] | None = None,
    on_error: OnError | None = None,
    on_progress: OnProgress | None = None,
) -> Iterator[Summary]:
    """Compute a result for each window of recordings in batches, and yield a summary of each recording in order.

    Args:
        recordings: recordings and their indices.
        compute: returns the result of each waveform of a batch of similar length; it does not depend on the others.
        compute_long: returns the result of a long recording as a whole; it calls its second argument with the seconds
            that are processed.
        summarise: returns the summary of a recording from all of its windows, which it has to take. One that spans the
            whole recording is the only one if there are no windows in the settings.
        settings: windows and batch size.
        check: raises InputError for a recording, or its first window, that cannot be computed.
        on_error: called for each such recording, and for each whose results are not finite, which is then skipped; by
            default it is an error.
        on_progress: called after each batch, and while a long recording is computed.

    Raises:
        InputError: `check` refuses a recording, or its results are not finite, and there is no `on_error`.
    """
    processed: Counter[int] = Counter()  # samples by recording; overlaps count once

    def report(crop: Crop, processed_s: float) -> None:
        """Report the progress of a recording."""
        if on_progress:
            on_progress(crop.number, processed_s, crop.sample_count / SAMPLING_RATE)

    def compute_whole(crops: Sequence[Crop]) -> list[Result]:
        """Compute long recordings as a whole."""
        return [
            compute_long(crop.waveform, partial(report, crop))
            for crop in crops
            if isinstance(crop.waveform, LongRecording)
        ]

    def compute_crops(batch: Sequence[Crop]) -> list[tuple[Crop, Result | NotFiniteError]]:
        """Compute a batch and report the progress."""
        short = [crop.waveform for crop in batch if isinstance(crop.waveform, Waveform)]
        rows = iter(each_finite(compute, short) if short else ())
        computed: list[tuple[Crop, Result | NotFiniteError]] = []
        for crop in batch:
            is_short = isinstance(crop.waveform, Waveform)
            computed.append((crop, next(rows) if is_short else each_finite(compute_whole, [crop])[0]))
            processed[crop.number] += crop.window.stop - crop.new_from
            report(crop, processed[crop.number] / SAMPLING_RATE)
            if crop.is_last:
                del processed[crop.number]
        return computed

    computed = in_batches(
        _cut(recordings, settings, check, on_error),
        compute_crops,
        length=lambda crop: crop.waveform.sample_count,
        batch_size=settings.batch_size,
        max_group_length=MAX_GROUP_SAMPLES,
    )
    for first in computed:
        try:
            summary = summarise(_until_last(first, computed))
        except NotFiniteError as error:
            if on_error is None:
                raise
            on_error(first[0].number, error)
        else:
            yield summary


def _cut(
    recordings: Iterable[tuple[int, Recording]],
    settings: WindowSettings,
    check: Callable[[Recording], None] | None,
    on_error: OnError | None,
) -> Iterator[Crop]:
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


def _crops(number: int, recording: Recording, settings: WindowSettings) -> Iterator[Crop]:
    total, level = recording.sample_count, recording.level
    if settings.window_s is None:
        yield Crop(number, Window(0, total), recording, total, level, 0)
        return
    length = count_samples(settings.window_s)
    hop = length // 2 if settings.hop_s is None else count_samples(settings.hop_s)
    new_from = 0
    for window, samples in stream_windows(sample_blocks(recording), length=length, hop=hop):
        yield Crop(number, window, Waveform(samples), total, level, new_from)
        new_from = window.stop


def _until_last(
    first: tuple[Crop, Result | NotFiniteError], computed: WindowResults[Result | NotFiniteError]
) -> WindowResults[Result]:
    """Yield the windows of one recording; after the last of them, raise the error of one that is not finite."""
    problem: NotFiniteError | None = None
    for crop, result in chain([first], computed):
        if isinstance(result, NotFiniteError):
            problem = result
        elif problem is None:
            yield crop, result
        if crop.is_last:
            break
    if problem is not None:
        raise problem
