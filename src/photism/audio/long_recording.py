"""Recordings of more than an hour, which are read block by block, as often as needed, instead of held in memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from photism.audio.level import LevelMeter, SignalLevel
from photism.audio.sources import SoundFile
from photism.audio.streaming import BLOCK_SAMPLES, stream_samples
from photism.audio.waveform import SAMPLING_RATE, AudioSource, Waveform, load_waveform, recording_in
from photism.errors import InputError

MAX_HELD_S = 3600.0
"""Longest recording that is held in memory as a whole: 230 MB."""
FILES = (SoundFile, str, Path, bytes, bytearray, memoryview)
"""Types of sources that are files."""


@dataclass(frozen=True, eq=False)
class LongRecording:
    """A recording that is read block by block.

    Attributes:
        source: the file, or samples that the caller holds in memory.
        sample_count: number of samples at 16 kHz.
        level: level of all of it.
    """

    source: SoundFile | Waveform
    sample_count: int
    level: SignalLevel

    @property
    def duration_s(self) -> float:
        """Duration in seconds."""
        return self.sample_count / SAMPLING_RATE

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences that say what is missing in the recording, as in `Waveform.warnings`."""
        return self.source.warnings

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Read the samples from the beginning, in blocks (T,) of 10 s."""
        return (
            stream_samples(self.source, warnings=[])
            if isinstance(self.source, SoundFile)
            else sample_blocks(self.source)
        )

    def beginning(self, duration_s: float) -> Waveform:
        """Read the first seconds of the recording."""
        held: list[NDArray[np.float32]] = []
        missing = round(duration_s * SAMPLING_RATE)
        for block in self.blocks():
            held.append(block[:missing])
            missing -= len(held[-1])
            if not missing:
                break
        return Waveform(np.concatenate(held))


Recording: TypeAlias = Waveform | LongRecording
"""A recording that has been read once, and is held in memory unless it is long."""


def sample_blocks(recording: Recording) -> Iterator[NDArray[np.float32]]:
    """Read the samples of a recording of any length, in blocks (T,) of 10 s."""
    if isinstance(recording, LongRecording):
        return recording.blocks()
    samples = recording.samples
    return (samples[start : start + BLOCK_SAMPLES] for start in range(0, len(samples), BLOCK_SAMPLES))


def load_recording(
    source: AudioSource | LongRecording,
    *,
    sampling_rate: float | None = None,
    max_duration_s: float | None = None,
) -> Recording:
    """Read a recording of any length once, and keep it in memory if it is short.

    Args:
        source: source of ``load_waveform``, or a ``LongRecording``, which is returned unchanged.
        sampling_rate: sampling rate of an array in Hz. Mappings and files have their own.
        max_duration_s: longest recording that is accepted; None for no limit.

    Returns:
        a ``Waveform`` or, of more than an hour, a ``LongRecording``.

    Raises:
        InputError: the source cannot be read, as in ``load_waveform``, or is too long.
    """
    source = recording_in(source)
    if isinstance(source, LongRecording):
        return source
    limit_s = math.inf if max_duration_s is None else max_duration_s
    if sampling_rate is None and (isinstance(source, FILES) or hasattr(source, "read")):
        sound = source if isinstance(source, SoundFile) else SoundFile(cast("Any", source))
        return _read(sound, limit_s)
    waveform = load_waveform(source, sampling_rate=sampling_rate, max_duration_s=limit_s)
    if waveform.duration_s <= MAX_HELD_S:
        return waveform
    return LongRecording(waveform, waveform.sample_count, waveform.level)


def _read(sound: SoundFile, limit_s: float) -> Recording:
    """Read a file to its end, but keep at most an hour of it in memory."""
    if (decoded := sound.decoded_within(limit_s)) is not None:
        return decoded
    held: list[NDArray[np.float32]] = []
    count = 0
    meter = LevelMeter()
    for block in stream_samples(sound):
        count += len(block)
        meter.add(block)
        if count > limit_s * SAMPLING_RATE:
            raise InputError(f"{sound.name} is longer than max_duration_s={limit_s:g}; cut it, or raise the limit")
        if count > MAX_HELD_S * SAMPLING_RATE:
            held.clear()
        else:
            held.append(block)
    if count > MAX_HELD_S * SAMPLING_RATE:
        return LongRecording(sound, count, meter.level)
    try:
        return Waveform(np.concatenate([np.empty(0, np.float32), *held]), sound.warnings)
    except InputError as error:
        raise error.about(sound.name) from None
