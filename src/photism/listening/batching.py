"""Decode any number of recordings ahead of a model, and batch those of similar length, in the order they came in."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeAlias, TypeVar, cast
from warnings import warn

import numpy as np
from torch import Tensor

from photism.audio.long_recording import LongRecording, Recording, load_recording
from photism.audio.sources import SoundFile
from photism.audio.waveform import SAMPLING_RATE, AudioSource, Waveform, load_waveform, recording_in, source_name
from photism.cancellation import check_cancelled
from photism.errors import InputError, RecordingWarning

SORTED_BATCHES = 8
"""Number of batches that are sorted by length together."""
COLUMNS = (("dataset", "key"), ("source", "column_name"))
"""Attributes of a column of a data set, which name the data set and the column: transformers' KeyDataset, and Column of
datasets."""

Recordings: TypeAlias = "AudioSource | Iterable[AudioSource]"
"""One recording, or several: a list, a generator, a dataset with a column `audio`."""
OnError: TypeAlias = "Callable[[int, InputError], None]"
"""Callback for an unreadable recording: its index, from 0, and the error."""
OnProgress: TypeAlias = "Callable[[int, float, float], None]"
"""Callback for progress: index of a recording, seconds of it processed so far, and its duration in seconds."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def is_single(recordings: Recordings) -> bool:
    """Return whether this is one recording: anything that `load_waveform` accepts, except a list of recordings."""
    if isinstance(recordings, list | tuple):
        return bool(recordings) and isinstance(recordings[0], int | float | np.number)
    files = SoundFile | str | bytes | bytearray | memoryview
    known = isinstance(recordings, files | Waveform | LongRecording | np.ndarray | Tensor | Mapping)
    return known or any(hasattr(recordings, name) for name in ("read", "__fspath__", "get_all_samples"))


def as_iterable(recordings: Recordings) -> Iterable[AudioSource]:
    """Return one recording, or several, as an iterable of recordings.

    The decoding of a data set of `datasets`, which would need a decoder of its own, is switched off.

    Raises:
        InputError: this is neither a recording nor an iterable, or it is an empty list or a DataFrame.
    """
    if is_single(recordings):
        return cast("Iterable[AudioSource]", [recordings])
    rows = cast("Any", recordings)
    for source, column in COLUMNS:
        if hasattr(rows, source) and hasattr(rows, column):
            of_data_set = cast("Iterable[Any]", as_iterable(getattr(rows, source)))
            return (row[getattr(rows, column)] for row in of_data_set)
    if hasattr(rows, "cast_column"):
        return _undecoded(rows)
    if hasattr(rows, "iterrows"):  # iterating over it gives the names of its columns
        raise InputError("recordings is a DataFrame; give the column with the recordings, such as frame['file']")
    if not isinstance(recordings, Iterable):
        if hasattr(rows, "__getitem__") and hasattr(rows, "__len__"):  # a data set of torch
            return (rows[index] for index in range(len(rows)))
        kind = type(recordings).__name__
        raise InputError(f"recordings must be a recording or an iterable of recordings; got {kind}")
    if isinstance(recordings, list | tuple) and not recordings:
        raise InputError("recordings must contain at least one recording; got an empty list")
    return recordings


def collect(recordings: Recordings, results: Iterator[Result]) -> Result | list[Result] | Iterator[Result]:
    """Return the results of recordings in the form of these: one, a list for a list, or otherwise an iterator."""
    if is_single(recordings):
        return next(results)
    return list(results) if isinstance(recordings, list | tuple) else results


def decode_ahead(
    recordings: Recordings,
    *,
    sampling_rate: float = SAMPLING_RATE,
    max_duration_s: float = 3600.0,
    num_workers: int = 2,
    on_error: OnError | None = None,
) -> Iterator[tuple[int, Waveform]]:
    """Decode recordings in threads while the caller processes earlier ones.

    A recording in which there is nothing to hear is reported as a `RecordingWarning`.

    Args:
        recordings: one recording, or any number of them.
        sampling_rate: rate in Hz of arrays that come without one.
        max_duration_s: maximum duration; longer recordings are an error.
        num_workers: decoding threads; 0 decodes each recording when it is needed, as a single one always is.
        on_error: called for each unreadable recording, which is then skipped; by default it is an error.

    Yields:
        the index of each recording, from 0, and its waveform.

    Raises:
        InputError: a recording is unreadable and there is no `on_error`, or there are no recordings.
    """

    def load(recording: AudioSource) -> Waveform:
        """Decode one recording."""
        source, rate = _with_rate(recording, sampling_rate)
        waveform = load_waveform(source, sampling_rate=rate, max_duration_s=max_duration_s)
        _report_silence(waveform, source)
        return waveform

    return _submit_ahead(as_iterable(recordings), load, 0 if is_single(recordings) else num_workers, on_error)


def read_ahead(
    recordings: Recordings,
    *,
    sampling_rate: float = SAMPLING_RATE,
    max_duration_s: float | None = None,
    num_workers: int = 2,
    refuse_silence: bool = False,
    on_error: OnError | None = None,
) -> Iterator[tuple[int, Recording]]:
    """Read recordings in threads while the caller processes earlier ones; long ones are not held in memory.

    Args:
        recordings: as in `decode_ahead`.
        sampling_rate: as in `decode_ahead`.
        max_duration_s: maximum duration; longer recordings are an error. None for no limit.
        num_workers: as in `decode_ahead`.
        refuse_silence: treat a recording in which there is nothing to hear as unreadable; by default it is reported as
            a `RecordingWarning`, as `decode_ahead` does.
        on_error: as in `decode_ahead`.

    Yields:
        the index of each recording, from 0, and its waveform or, of more than an hour, a `LongRecording`.

    Raises:
        InputError: as in `decode_ahead`.
    """

    def load(recording: AudioSource) -> Recording:
        """Read one recording."""
        source, rate = _with_rate(recording, sampling_rate)
        loaded = load_recording(source, sampling_rate=rate, max_duration_s=max_duration_s)
        _report_silence(loaded, source, refuse=refuse_silence)
        return loaded

    return _submit_ahead(as_iterable(recordings), load, 0 if is_single(recordings) else num_workers, on_error)


def in_batches(
    items: Iterable[Item],
    compute: Callable[[Sequence[Item]], Sequence[Result]],
    *,
    length: Callable[[Item], int],
    batch_size: int,
    max_batch_length: int | None = None,
    max_group_length: int | None = None,
) -> Iterator[Result]:
    """Apply a function to batches of items of similar length, and yield the results in the order of the items.

    Items are taken in groups of `SORTED_BATCHES` batches. A group is sorted by length and computed before the next one
    is taken. With batches of one item there is nothing to sort, and each is computed before the next one is taken.
    Where taking an item raises an error, the results of the items before it are yielded first.

    Args:
        items: items.
        compute: returns one result for each item of a batch.
        length: returns the length of an item.
        batch_size: maximum number of items in a batch.
        max_batch_length: maximum length of a batch, padding included, unless it is a single longer item.
        max_group_length: total length from which on no more items join a group.
    """

    def compute_batch(batch: Sequence[int]) -> Iterator[tuple[int, Result]]:
        """Compute the results of some items of the group."""
        check_cancelled()
        return zip(batch, compute([group[each] for each in batch]), strict=True)

    stream = _Postponed(items)
    max_items = SORTED_BATCHES * batch_size if batch_size > 1 else 1
    while group := _take_group(stream, max_items, length, max_group_length):
        results: dict[int, Result] = {}
        batch: list[int] = []
        for index in sorted(range(len(group)), key=lambda index: length(group[index])):
            padded = (len(batch) + 1) * length(group[index])
            if batch and (len(batch) == batch_size or (max_batch_length is not None and padded > max_batch_length)):
                results.update(compute_batch(batch))
                batch = []
            batch.append(index)
        results.update(compute_batch(batch))
        yield from (results[index] for index in range(len(group)))
    stream.raise_error()


def without_errors(
    results: Iterable[tuple[int, Result | InputError]], on_error: OnError | None
) -> Iterator[tuple[int, Result]]:
    """Yield the results of recordings but for those that are errors.

    Args:
        results: the index of each recording, and its result or error.
        on_error: called for each error; by default it is raised.

    Raises:
        InputError: a result is an error, such as a NotFiniteError, and there is no `on_error`.
    """
    for number, result in results:
        if not isinstance(result, InputError):
            yield number, result
        elif on_error is None:
            raise result
        else:
            on_error(number, result)


def _submit_ahead(
    recordings: Iterable[AudioSource],
    load: Callable[[AudioSource], Result],
    num_workers: int,
    on_error: OnError | None,
) -> Iterator[tuple[int, Result]]:
    stream = _Postponed(recordings)
    indexed = enumerate(stream)
    with ThreadPoolExecutor(max(1, num_workers)) as pool:
        waiting: deque[tuple[int, Future[Result]]] = deque()
        try:
            while True:
                for index, recording in islice(indexed, num_workers + 1 - len(waiting)):
                    waiting.append((index, pool.submit(load, recording)))
                if not waiting:
                    stream.raise_error()
                    return
                index, read = waiting.popleft()
                try:
                    yield index, read.result()
                except InputError as error:
                    if on_error is None:
                        raise
                    on_error(index, error)
        finally:
            for _, each in waiting:
                each.cancel()


class _Postponed(Iterator[Item]):
    """An iterator that ends where another one raises an error, so that what came before it is processed first."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = iter(items)
        self._error: Exception | None = None

    def __next__(self) -> Item:
        try:
            return next(self._items)
        except StopIteration:
            raise
        except Exception as error:
            self._error = error
            raise StopIteration from None

    def raise_error(self) -> None:
        """Raise the error that ended the iterator, if one did."""
        if self._error is not None:
            raise self._error


def _take_group(
    stream: Iterator[Item], max_items: int, length: Callable[[Item], int], max_length: int | None
) -> list[Item]:
    """Take items until there are `max_items`, or until their total length reaches `max_length`."""
    group: list[Item] = []
    taken = 0
    for item in islice(stream, max_items):
        group.append(item)
        taken += length(item)
        if max_length is not None and taken >= max_length:
            break
    return group


def _report_silence(recording: Recording, source: object, *, refuse: bool = False) -> None:
    """Warn of a recording in which there is nothing to hear, or refuse it."""
    for warning in recording.level.warnings:
        message = f"{source_name(source)}: {warning}"
        if refuse:
            raise InputError(f"{message}; give a recording with a voice", code="silent")
        warn(message, RecordingWarning, stacklevel=2)


def _with_rate(recording: Any, sampling_rate: float) -> tuple[Any, float | None]:
    """Return the recording that a source contains and, for an array without a rate, its rate."""
    recording = recording_in(recording)
    is_array = isinstance(recording, np.ndarray | Tensor | list | tuple)
    return recording, sampling_rate if is_array else None


def _undecoded(dataset: Any) -> Iterable[AudioSource]:
    from datasets import Audio

    for name, feature in (dataset.features or {}).items():
        if isinstance(feature, Audio):
            dataset = dataset.cast_column(name, Audio(decode=False))
    return dataset
