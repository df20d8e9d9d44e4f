"""Audio features that steer a film: envelopes of loudness, onsets and frequency bands, at the time of each frame.

A recording is read three times, in blocks, so that memory does not grow with its length: `measure_recording` finds its
length and peak, `audio_envelopes` first the range of its levels, and then the envelopes relative to that range.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from photism.audio.bands import band_power
from photism.audio.level import (
    HOP_S,
    MIN_POWER,
    LevelMeter,
    SignalLevel,
    frame_blocks,
    frame_power,
    power_to_db,
)
from photism.audio.onsets import OnsetStrength
from photism.audio.sources import SoundFile
from photism.audio.streaming import stream_samples
from photism.audio.waveform import FRAME_SAMPLES, SAMPLING_RATE
from photism.errors import InputError

LEVELS = 4  # of the whole recording and of its bands
LEVEL_RANGE_DB = 40.0  # quieter frames than this below the peak are silence, and count in no percentile
QUIET_AND_LOUD = (0.05, 0.95)  # fractions of the other frames below level 0 and level 1
MIN_RANGE_DB = 6.0  # from level 0 to level 1: a steady sound, whose level varies by 1 dB, hardly moves
SILENCE_DB = -85.0  # dBFS; dither of 16 bits is at -96
INAUDIBLE_DB = -50.0  # of a band, relative to the peak of the recording
LEVEL_EDGES_DB = np.arange(-1205, 2005) / 10  # steps of the histograms of levels, beyond samples of ±2³¹ (187 dBFS)
MIN_PULSE = 0.01  # seconds of full onset strength that are a full pulse, at least; a struck note has .035
MIN_PEAK_DB = -36.0  # dBFS: a quieter recording is measured against this level, so that noise alone moves little


@dataclass(frozen=True)
class MeasuredRecording:
    """A recording that has been read once, by `measure_recording`.

    Attributes:
        sound: the file.
        sample_count: number of samples at 16 kHz.
        peak_db: root mean square of the loudest 25 ms, in dBFS.
        level: level of the recording, and whether it holds any sound.
    """

    sound: SoundFile
    sample_count: int
    peak_db: float
    level: SignalLevel

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.sample_count / SAMPLING_RATE


class AudioEnvelope(NamedTuple):
    """Levels of a recording, 0 to 1, and integrals over the seconds so far, at one time."""

    loudness: float
    pulse: float  # of the onsets: it rises by the strength of each, and decays
    low: float
    mid: float
    high: float
    onset_integral: float  # of the onset strength, 0 to 1
    low_integral: float
    mid_integral: float
    high_integral: float


def measure_recording(source: SoundFile | str | Path | bytes) -> MeasuredRecording:
    """Read a recording once, and return its length and level.

    Args:
        source: path, ``http(s)://`` or ``file://`` URL, or the bytes of a file with audio, of any length.

    Raises:
        InputError: the source is missing, unreachable, not audio, shorter than 25 ms or not finite, or its sampling
            rate changes within the file, so that no film could hold its sound.
    """
    sound = SoundFile.of(source)
    rates: list[float] = []
    sample_count = 0
    meter = LevelMeter()

    def _measured() -> Iterator[NDArray[np.float32]]:
        nonlocal sample_count
        for block in stream_samples(sound, callback_on_rate=rates.append):
            sample_count += len(block)
            meter.add(block)
            yield block

    peak = max((float(frame_power(block).max()) for block in frame_blocks(_measured())), default=MIN_POWER)
    if sample_count < FRAME_SAMPLES:
        raise InputError(f"{sound.name} must be at least 25 ms long, not {1000 * sample_count / SAMPLING_RATE:.3g} ms")
    if len(rates) > 1:
        listed = " and ".join(f"{rate:g} Hz" for rate in rates[:2])
        raise InputError(f"{sound.name} must have one sampling rate; it has {listed}: convert it to one of them")
    return MeasuredRecording(sound, sample_count, 10 * math.log10(max(peak, MIN_POWER)), meter.level)


def audio_envelopes(
    recording: MeasuredRecording, frame_rate: Fraction, *, attack_s: float, release_s: float, pulse_s: float
) -> Iterator[AudioEnvelope]:
    """Follow loudness, onsets and frequency bands of a recording, and interpolate them at the time of each frame.

    A level is that of 25 ms in dB, scaled so that 0 and 1 are the 5th and the 95th percentile of the recording: a
    compressed song moves as far as a drum loop. A change of gain of the recording changes nothing.

    Args:
        recording: the recording.
        frame_rate: frames per second; frame i is at i / frame_rate seconds.
        attack_s: time constant of the levels while they rise: 63 % of a step is reached after this time; 0 follows
            without delay.
        release_s: time constant of the levels while they fall.
        pulse_s: time constant with which the pulse of an onset decays.

    Yields:
        An envelope for each frame, without end; after the end of the recording, the last one again.
    """
    envelope = _followed(recording, attack_s, release_s, pulse_s)
    before_s, before = next(envelope)
    after_s, after = before_s, before
    index = 0
    while True:
        time_s = float(index / frame_rate)
        while after_s < time_s:
            before_s, before = after_s, after
            after_s, after = next(envelope, (math.inf, before))
        weight = 0.0 if time_s <= before_s else (time_s - before_s) / (after_s - before_s)
        yield AudioEnvelope(*(before + weight * (after - before)).tolist())
        index += 1


def _followed(
    recording: MeasuredRecording, attack_s: float, release_s: float, pulse_s: float
) -> Iterator[tuple[float, NDArray[np.float64]]]:
    """Yield the time of the middle of each audio frame, in seconds, and the values of an `AudioEnvelope` there."""
    low_db, high_db, highest_pulse = _ranges(recording, pulse_s)
    rise, fall = (1 - math.exp(-HOP_S / each) if each else 1.0 for each in (attack_s, release_s))
    followed = np.zeros(LEVELS)
    integrals = np.zeros(LEVELS)  # of onset strength and of the levels of the bands
    pulses = _Pulse(pulse_s)
    time_s = FRAME_SAMPLES / 2 / SAMPLING_RATE
    for levels_db, onsets in _frame_features(recording):
        levels = ((levels_db - low_db) / (high_db - low_db)).clip(0, 1)  # (F, LEVELS)
        for level, onset, pulse in zip(levels, onsets.tolist(), pulses(onsets), strict=True):
            followed = followed + np.where(level > followed, rise, fall) * (level - followed)
            yield time_s, np.array([followed[0], pulse / highest_pulse, *followed[1:], *integrals])
            integrals = integrals + HOP_S * np.array([onset, *followed[1:]])
            time_s += HOP_S


def _ranges(recording: MeasuredRecording, pulse_s: float) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Read a recording, and return the levels in dBFS that become 0 and 1, (LEVELS,) each, and the highest pulse."""
    counts = np.zeros((LEVELS, len(LEVEL_EDGES_DB) - 1), np.int64)
    pulses = _Pulse(pulse_s)
    highest_pulse = MIN_PULSE
    for levels_db, onsets in _frame_features(recording):
        counts += [np.histogram(levels_db[:, each], LEVEL_EDGES_DB)[0] for each in range(LEVELS)]
        highest_pulse = max(highest_pulse, *pulses(onsets))
    low_db, high_db = np.array([_level_range(each, recording.peak_db + INAUDIBLE_DB) for each in counts]).T
    return low_db, high_db, highest_pulse


def _level_range(counts: NDArray[np.int64], inaudible_db: float) -> tuple[float, float]:
    """Return the levels in dBFS that become 0 and 1.

    Args:
        counts: number of frames in each step of `LEVEL_EDGES_DB`.
        inaudible_db: level in dBFS below which frames are silent.
    """
    bins_db = LEVEL_EDGES_DB[:-1]
    peak_db = float(bins_db[counts > 0].max())
    silence_db = max(peak_db - LEVEL_RANGE_DB, inaudible_db, SILENCE_DB)
    audible = np.where(bins_db > silence_db, counts, 0).cumsum()
    if not audible[-1]:
        return silence_db, silence_db + LEVEL_RANGE_DB
    quiet_db, loud_db = (float(bins_db[np.searchsorted(audible, share * audible[-1])]) for share in QUIET_AND_LOUD)
    return min(quiet_db, loud_db - MIN_RANGE_DB), loud_db


class _Pulse:
    """Onset strength, each moment of which decays exponentially: the sum of what is left of it, in blocks."""

    def __init__(self, pulse_s: float) -> None:
        self._remaining = math.exp(-HOP_S / pulse_s) if pulse_s else 0.0
        self._last = 0.0

    def __call__(self, onsets: NDArray[np.float32]) -> list[float]:
        """Return the pulse at each of the next audio frames."""
        pulses: list[float] = []
        for onset in onsets.tolist():
            self._last = self._remaining * self._last + HOP_S * onset
            pulses.append(self._last)
        return pulses


def _frame_features(recording: MeasuredRecording) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float32]]]:
    """Yield the levels of blocks of audio frames in dBFS, (F, LEVELS), and their onset strengths (F,)."""
    onset_strength = OnsetStrength(max(recording.peak_db, MIN_PEAK_DB))
    for block in frame_blocks(stream_samples(recording.sound, warnings=[])):
        power = np.column_stack([frame_power(block), band_power(block)])
        yield power_to_db(power), onset_strength(block)
