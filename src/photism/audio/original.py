"""Recordings as they were recorded: all channels, at their own sampling rate, in their own sample type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from photism.audio.channels import scale_samples
from photism.audio.reading_settings import ReadingSettings
from photism.audio.sampling import SAMPLING_RATE
from photism.audio.segment import segment_of
from photism.audio.sources import SoundFile
from photism.audio.waveform import Waveform, mono_16khz, read_blocks, recording_in
from photism.audio.writing import SampleType
from photism.errors import InputError

if TYPE_CHECKING:
    from photism.audio.waveform import AudioSource

MAX_DURATION_S = 3600.0
SMALLEST_TYPES: dict[str, SampleType] = {"u1": "int16", "i2": "int16", "f2": "float32", "f4": "float32"}
"""Type of samples of a file for NumPy's types; int32 may be 24 bits, and all others need float64."""


@dataclass(frozen=True, eq=False)
class OriginalRecording:
    """A recording that was neither mixed down nor resampled.

    Attributes:
        name: name of the recording, in messages and tags.
        sampling_rate: sampling rate in Hz.
        samples: (C, T) in the type in which they are stored or decoded: integers, or floats within ±1.
    """

    name: str
    sampling_rate: int
    samples: NDArray[Any]

    @property
    def sample_type(self) -> SampleType:
        """The smallest type of samples in which a file holds the recording exactly."""
        if self.samples.dtype == np.int32:
            return "int32" if (self.samples & 0xFF).any() else "int24"
        return SMALLEST_TYPES.get(self.samples.dtype.str[1:], "float64")

    @property
    def scaled(self) -> NDArray[np.floating[Any]]:
        """The samples (C, T) within ±1, exactly: float32, or float64 where that has not enough bits."""
        exact = scale_samples(self.samples, np.float64)
        rounded = exact.astype(np.float32)
        return rounded if np.array_equal(rounded, exact, equal_nan=True) else exact

    def waveform(self) -> Waveform:
        """Return the recording mixed down and resampled, as `load_waveform` does.

        Raises:
            InputError: it is shorter than 25 ms, or not finite.
        """
        warnings: list[str] = []
        samples = np.concatenate(
            list(mono_16khz(iter([(self.sampling_rate, self.samples)]), self.name, warnings=warnings))
        )
        try:
            return Waveform(samples, tuple(warnings))
        except InputError as error:
            raise error.about(self.name) from None


def load_original(source: AudioSource | OriginalRecording) -> OriginalRecording:
    """Load a recording from any source with all its channels, at its own sampling rate.

    Args:
        source: anything that `load_waveform` takes.

    Raises:
        InputError: the source cannot be read, its sampling rate or its channels change within the file, or it is longer
            than an hour.
    """
    if isinstance(source, OriginalRecording):
        return source
    source = recording_in(source)
    if isinstance(source, Waveform):
        source = {"array": source.samples, "sampling_rate": SAMPLING_RATE}
    reading = source.reading if isinstance(source, SoundFile) else ReadingSettings()
    warnings: list[str] = []
    name, skip, blocks = read_blocks(source, reading, warnings)
    kinds: set[tuple[float, int]] = set()
    held: list[NDArray[Any]] = []
    duration_s = 0.0
    for rate, samples in blocks:
        kinds.add((rate, len(samples)))
        if len(kinds) > 1:
            raise InputError(f"{name} must have one sampling rate and number of channels; they change: convert it")
        held.append(samples)
        duration_s += samples.shape[1] / rate
        if duration_s > MAX_DURATION_S:
            raise InputError(f"{name} is longer than {MAX_DURATION_S:g} s; cut it")
    ((rate, _),) = kinds
    samples = np.concatenate(list(segment_of(iter(held), source, skip, round(rate), warnings)), axis=1)
    reading.report(name, warnings)
    return OriginalRecording(name, round(rate), samples)
