"""Read a segment of a recording: the samples that it has when the whole recording is read, to the sample."""

from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from photism.audio.sources import SoundFile
from photism.errors import InputError

MARGIN_S = 1.0  # read after the segment, since a resampled sample depends on later ones; soxr's filter is shorter
TOLERANCE_S = 0.1  # lists round, and a segment may end so much after its recording

Sample = TypeVar("Sample", bound=np.generic)


def until_end(blocks: Iterator[tuple[float, NDArray[Any]]], source: object) -> Iterator[tuple[float, NDArray[Any]]]:
    """Stop decoding a recording a second after the end of its segment; all of it is passed on if it has none.

    Args:
        blocks: sampling rate in Hz, and samples (C, T).
        source: the recording; only a `SoundFile` may have a segment.
    """
    if not isinstance(source, SoundFile) or source.end_s is None:
        yield from blocks
        return
    left_s = source.end_s + MARGIN_S
    for rate, samples in blocks:
        yield rate, samples
        left_s -= samples.shape[1] / rate
        if left_s <= 0:
            return


def segment_of(
    blocks: Iterator[NDArray[Sample]], source: object, sampling_rate: float, warnings: list[str]
) -> Iterator[NDArray[Sample]]:
    """Cut the segment of a recording out of its samples.

    Args:
        blocks: samples (..., T) from the beginning of the recording.
        source: the recording; only a `SoundFile` may have a segment.
        sampling_rate: sampling rate in Hz.
        warnings: list to which is added, at the end, if the recording ends before the segment.

    Yields:
        samples (..., T) of any length, including 0.

    Raises:
        InputError: the segment starts after the end of the recording.
    """
    if not isinstance(source, SoundFile) or (source.start_s == 0 and source.end_s is None):
        yield from blocks
        return
    first = round(source.start_s * sampling_rate)
    last = None if source.end_s is None else round(source.end_s * sampling_rate)
    position = 0
    for block in blocks:  # also those after the segment: what is wrong with the recording is noted at their end
        yield block[..., max(0, first - position) : None if last is None else max(0, last - position)]
        position += block.shape[-1]
    duration_s = position / sampling_rate
    if position <= first:
        raise InputError(
            f"{source.name}: the segment starts at {source.start_s:g} s, but the recording ends at {duration_s:.2f} s"
        )
    if source.end_s is not None and source.end_s - duration_s > TOLERANCE_S:
        warnings.append(f"the segment ends at {source.end_s:g} s, but the recording at {duration_s:.2f} s")
