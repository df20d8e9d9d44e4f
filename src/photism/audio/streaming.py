"""Read recordings of any length block by block, in bounded memory, as often as needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photism.audio.sampling import SAMPLING_RATE
from photism.audio.segment import segment_of
from photism.audio.sources import SoundFile
from photism.audio.waveform import check_range, mono_16khz, read_blocks
from photism.errors import InputError

BLOCK_SAMPLES = 10 * SAMPLING_RATE  # 10 s, 640 kB


def stream_samples(
    sound: SoundFile,
    *,
    block_samples: int = BLOCK_SAMPLES,
    callback_on_rate: Callable[[float], None] | None = None,
    warnings: list[str] | None = None,
) -> Iterator[NDArray[np.float32]]:
    """Read the samples that ``load_waveform`` would return, in memory that does not grow with their number.

    Args:
        sound: file to read, or a segment of it.
        block_samples: samples in each block.
        callback_on_rate: called with the file's own sampling rate in Hz, first and after each change.
        warnings: list to which what is missing is added, at the end; by default a `RecordingWarning` is given.

    Yields:
        (block_samples,) float32 at 16 kHz, nominally within ±1, finite; the last block has the remaining samples, at
        least one.

    Raises:
        InputError: the file is not audio, its rate is out of range, or samples are not finite or out of range; it has
            no such track or channel; or something is missing and `sound.reading` is strict.
    """
    held: list[NDArray[np.float32]] = []
    count = 0
    found: list[str] = []
    _, skip, decoded = read_blocks(sound, sound.reading, found)
    blocks = decoded if callback_on_rate is None else _reporting_rates(decoded, callback_on_rate)
    mono = mono_16khz(blocks, sound.name, channel=sound.reading.channel_number, warnings=found)
    for resampled in segment_of(mono, sound, skip, SAMPLING_RATE, found):
        try:
            check_range(resampled)
        except InputError as error:
            raise error.about(sound.name) from None
        held.append(resampled)
        count += len(resampled)
        if count >= block_samples:
            joined = np.concatenate(held)
            whole = count - count % block_samples
            yield from np.split(joined[:whole], whole // block_samples)
            held, count = [joined[whole:]], count - whole
    if count:
        yield np.concatenate(held)
    sound.warnings = tuple(found)
    if warnings is None or sound.reading.strict:
        sound.reading.report(sound.name, found)
    if warnings is not None:
        warnings += found


def _reporting_rates(
    blocks: Iterator[tuple[float, NDArray[Any]]], callback: Callable[[float], None]
) -> Iterator[tuple[float, NDArray[Any]]]:
    """Pass blocks on, and report the sampling rate when it changes."""
    last: float | None = None
    for rate, samples in blocks:
        if rate != last:
            callback(rate)
            last = rate
        yield rate, samples
