"""Any number of recordings: decoded ahead, computed in batches of like length, told in the order they came in."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np
from torch import Tensor

from photism.audio.waveform import SAMPLING_RATE, AudioSource, Waveform, load_waveform
from photism.errors import InputError

SORTED_BATCHES = 8
"""Of recordings that are looked at together, to put those of like length in one batch."""

Recordings: TypeAlias = "AudioSource | Iterable[AudioSource]"
"""One recording, or several: a list, a generator, a data set whose rows have a column `audio`."""
OnError: TypeAlias = "Callable[[int, InputError], None]"
"""Is given the number of a recording that cannot be used, from 0, and why."""
OnHeard: TypeAlias = "Callable[[int, float, float], None]"
"""Is given the number of a recording, how many of its seconds are heard so far, and how many it has."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def is_single(sounds: Recordings) -> bool:
    """Whether this is one recording: anything that `load_waveform` takes, but for a list of recordings."""
    if isinstance(sounds, list | tuple):
        return bool(sounds) and isinstance(sounds[0], int | float | np.number)
    known = isinstance(sounds, Waveform | str | bytes | bytearray | memoryview | np.ndarray | Tensor | Mapping)
    return known or hasattr(sounds, "read") or hasattr(sounds, "__fspath__")


def several(sounds: Recordings) -> Iterable[AudioSource]:
    """The same as something to iterate over, a single recording too.

    Raises:
        InputError: it is neither, or a list without a recording.
    """
    if is_single(sounds):
        return cast("Iterable[AudioSource]", [sounds])
    if not isinstance(sounds, Iterable):
        raise InputError(f"sounds must be a recording, or something to iterate over; got {type(sounds).__name__}")
    if isinstance(sounds, list | tuple) and not sounds:
        raise InputError("sounds must hold at least one recording; got none")
    return sounds


def decoded(
    sounds: Recordings,
    *,
    sampling_rate: float = SAMPLING_RATE,
    max_duration_s: float = 3600.0,
    num_workers: int = 2,
    on_error: OnError | None = None,
) -> Iterator[tuple[int, Waveform]]:
    """The waveforms of recordings with their numbers, from 0, each decoded while those before it are worked on.

    Args:
        sounds: one recording, or any number of them.
        sampling_rate: of arrays that do not bring their own, in Hz.
        max_duration_s: longer recordings are an error.
        num_workers: recordings that are decoded at once; 0: each when it is asked for, as a single one always is.
        on_error: what is done about a recording that cannot be used, instead of ending; it is left out.

    Raises:
        InputError: a recording cannot be used, and there is no `on_error`; there are none; or `num_workers` is below 0.
    """
    if num_workers < 0:
        raise InputError(f"num_workers must be 0 or more; got {num_workers}")

    def load(sound: AudioSource) -> Waveform:
        return _load(sound, sampling_rate, max_duration_s)

    return _ahead(several(sounds), load, 0 if is_single(sounds) else num_workers, on_error)


def in_batches(
    items: Iterable[Item],
    compute: Callable[[Sequence[Item]], Sequence[Result]],
    *,
    length: Callable[[Item], int],
    batch_size: int,
    longest_batch: int | None = None,
    longest_group: int | None = None,
) -> Iterator[Result]:
    """What `compute` makes of batches of items of like length, in the order of the items.

    Args:
        items: are taken `SORTED_BATCHES` batches at a time, and the results given before the next ones are.
        compute: gives one result for each item.
        length: by which items are brought together.
        batch_size: the most that `compute` is given.
        longest_batch: length, padding included, that `compute` is given, but for a single item that is longer.
        longest_group: length, of all together, from which on no more items are taken before results are given.

    Raises:
        InputError: `batch_size` is below 1.
    """
    if batch_size < 1:
        raise InputError(f"batch_size must be at least 1; got {batch_size}")
    stream = iter(items)
    while group := _group(stream, SORTED_BATCHES * batch_size, length, longest_group):
        results: dict[int, Result] = {}
        batch: list[int] = []
        for index in sorted(range(len(group)), key=lambda index: length(group[index])):
            padded = (len(batch) + 1) * length(group[index])
            if batch and (len(batch) == batch_size or (longest_batch is not None and padded > longest_batch)):
                results.update(zip(batch, compute([group[each] for each in batch]), strict=True))
                batch = []
            batch.append(index)
        results.update(zip(batch, compute([group[each] for each in batch]), strict=True))
        yield from (results[index] for index in range(len(group)))


def _ahead(
    sounds: Iterable[AudioSource], load: Callable[[AudioSource], Waveform], num_workers: int, on_error: OnError | None
) -> Iterator[tuple[int, Waveform]]:
    numbered = enumerate(_undecoded(sounds))
    with ThreadPoolExecutor(max(1, num_workers)) as pool:
        waiting: deque[tuple[int, Future[Waveform]]] = deque()
        try:
            while True:
                for number, sound in islice(numbered, num_workers + 1 - len(waiting)):
                    waiting.append((number, pool.submit(load, sound)))
                if not waiting:
                    return
                number, waveform = waiting.popleft()
                try:
                    yield number, waveform.result()
                except InputError as error:
                    if on_error is None:
                        raise
                    on_error(number, error)
        finally:
            for _, each in waiting:
                each.cancel()


def _group(stream: Iterator[Item], most: int, length: Callable[[Item], int], longest: int | None) -> list[Item]:
    """The next items, at most so many and, but for the last, not as long as that."""
    group: list[Item] = []
    taken = 0
    for item in islice(stream, most):
        group.append(item)
        taken += length(item)
        if longest is not None and taken >= longest:
            break
    return group


def _load(sound: Any, sampling_rate: float, max_duration_s: float) -> Waveform:
    sound = _of_row(sound)
    if hasattr(sound, "get_all_samples"):  # the feature Audio as torchcodec decodes it
        samples = sound.get_all_samples()
        sound = {"array": samples.data, "sampling_rate": samples.sample_rate}
    is_array = isinstance(sound, np.ndarray | Tensor | list | tuple)
    return load_waveform(sound, sampling_rate=sampling_rate if is_array else None, max_duration_s=max_duration_s)


def _of_row(sound: Any) -> Any:
    """What a row of a data set holds, or what is no row itself."""
    if isinstance(sound, Mapping):
        sound = sound.get("audio", sound)
    if isinstance(sound, Mapping) and ("bytes" in sound or "path" in sound):  # the feature Audio, not decoded
        return sound["path"] if sound.get("bytes") is None else sound["bytes"]
    return sound


def _undecoded(sounds: Any) -> Iterable[Any]:
    """A data set of `datasets` with its sounds as files: it would decode them itself, by a library of its own."""
    if not hasattr(sounds, "cast_column"):
        return sounds
    from datasets import Audio

    for name, feature in (sounds.features or {}).items():
        if isinstance(feature, Audio):
            sounds = sounds.cast_column(name, Audio(decode=False))
    return sounds
