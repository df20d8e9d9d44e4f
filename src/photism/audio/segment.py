"""Read a segment of a recording: the samples that it has when the whole recording is read, to the sample."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from photism.audio.sources import SoundFile
from photism.errors import InputError

MARGIN_S = 1  # read before and after a segment, on which its resampled samples depend; soxr's filter is shorter
SKIP_FROM_S = 20  # an earlier start is read from the beginning of the recording, in .03 s
TOLERANCE_S = 0.1  # lists round, and a segment may end so much after its recording

Sample = TypeVar("Sample", bound=np.generic)


@dataclass
class Skip:
    """Beginning of a recording that is not needed for a segment, and is neither mixed down nor resampled.

    It ends at a whole second: there, every sampling rate has a sample at the same time, so that what follows is
    resampled as in the whole recording but for rounding.

    Attributes:
        duration_s: its length in seconds.
        skipped: sampling rate in Hz and number of the samples that were skipped, for each change of the rate.
    """

    duration_s: int
    skipped: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])

    @classmethod
    def before(cls, source: object) -> "Skip":
        """Return what can be skipped of a recording; only a `SoundFile` may have a segment."""
        start_s = source.start_s if isinstance(source, SoundFile) else 0.0
        return cls(int(start_s) - MARGIN_S if start_s >= SKIP_FROM_S else 0)

    @property
    def skipped_s(self) -> float:
        """Seconds that were skipped so far."""
        return sum(samples / rate for rate, samples in self.skipped)

    def position(self, sampling_rate: float) -> int:
        """Return the number of samples that those that were skipped are at another rate."""
        return sum(round(samples * sampling_rate / rate) for rate, samples in self.skipped)

    def add(self, rate: float, samples: int) -> None:
        """Note samples that were skipped."""
        if self.skipped and self.skipped[-1][0] == rate:
            samples += self.skipped.pop()[1]
        self.skipped.append((rate, samples))

    def after(self, blocks: Iterator[tuple[float, NDArray[Any]]]) -> Iterator[tuple[float, NDArray[Any]]]:
        """Drop what is to be skipped.

        Args:
            blocks: sampling rate in Hz, and samples (C, T).
        """
        for rate, samples in blocks:
            before = self.skipped[-1][1] if self.skipped and self.skipped[-1][0] == rate else 0
            # Up to a whole second of the samples at this rate, since those at another one were rounded.
            count = round((self.duration_s - int(self.skipped_s - before / rate)) * rate) - before
            count = min(max(0, count), samples.shape[1])
            if count:
                self.add(rate, count)
            if count < samples.shape[1]:
                yield rate, samples[:, count:]
                yield from blocks
                return


def until_end(
    blocks: Iterator[tuple[float, NDArray[Any]]], source: object, skip: Skip
) -> Iterator[tuple[float, NDArray[Any]]]:
    """Stop decoding a recording a second after the end of its segment; all of it is passed on if it has none.

    Args:
        blocks: sampling rate in Hz, and samples (C, T).
        source: the recording; only a `SoundFile` may have a segment.
        skip: what was skipped before the blocks, once the first of them is there.
    """
    if not isinstance(source, SoundFile) or source.end_s is None:
        yield from blocks
        return
    read_s = 0.0
    for rate, samples in blocks:
        yield rate, samples
        read_s += samples.shape[1] / rate
        if skip.skipped_s + read_s >= source.end_s + MARGIN_S:
            return


def segment_of(
    blocks: Iterator[NDArray[Sample]], source: object, skip: Skip, sampling_rate: float, warnings: list[str]
) -> Iterator[NDArray[Sample]]:
    """Cut the segment of a recording out of its samples.

    Args:
        blocks: samples (..., T) after those that were skipped.
        source: the recording; only a `SoundFile` may have a segment.
        skip: what was skipped.
        sampling_rate: sampling rate of the blocks in Hz.
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
    read = 0
    for block in blocks:  # also those after the segment: what is wrong with the recording is noted at their end
        position = skip.position(sampling_rate) + read
        yield block[..., max(0, first - position) : None if last is None else max(0, last - position)]
        read += block.shape[-1]
    end = skip.position(sampling_rate) + read
    if end <= first:
        raise InputError(
            f"{source.name}: the segment starts at {source.start_s:g} s, but the recording ends at "
            f"{end / sampling_rate:.2f} s"
        )
    if source.end_s is not None and source.end_s - end / sampling_rate > TOLERANCE_S:
        warnings.append(f"the segment ends at {source.end_s:g} s, but the recording at {end / sampling_rate:.2f} s")
