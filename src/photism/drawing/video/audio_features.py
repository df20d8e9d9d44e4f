"""Audio features that steer a film: the envelopes of loudness and onset strength, at the time of each frame.

A recording is read twice, in blocks, so that memory does not grow with its length: `measure_recording` finds its length
and level, `audio_envelopes` computes the envelopes relative to its peak.
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

from photism.audio.level import HOP_S, MIN_POWER, LevelMeter, SignalLevel, frame_blocks, frame_power, power_to_db
from photism.audio.onsets import OnsetStrength
from photism.audio.sources import SoundFile
from photism.audio.streaming import stream_samples
from photism.audio.waveform import FRAME_SAMPLES, SAMPLING_RATE
from photism.errors import InputError

LOUDNESS_RANGE_DB = 40.0  # loudness 0 is this far below the peak of the recording
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
    """Loudness and accumulated onset strength at one time."""

    loudness: float  # 0, at least LOUDNESS_RANGE_DB below the peak, to 1, the peak
    onset_integral: float  # onset strength, 0 to 1, integrated over the seconds so far; it never falls


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
    recording: MeasuredRecording, frame_rate: Fraction, *, attack_s: float, release_s: float
) -> Iterator[AudioEnvelope]:
    """Follow the loudness and the onset strength of a recording, and interpolate them at the time of each frame.

    Loudness is the level of 25 ms in dB, relative to the recording's peak. A change of gain of the recording changes
    neither loudness nor onset strength.

    Args:
        recording: the recording.
        frame_rate: frames per second; frame i is at i / frame_rate seconds.
        attack_s: time constant of both envelopes while they rise: 63 % of a step is reached after this time; 0 follows
            without delay.
        release_s: time constant of both envelopes while they fall.

    Yields:
        An envelope for each frame, without end; after the end of the recording, the last one again.
    """
    envelope = _followed(recording, attack_s, release_s)
    before_s, before = next(envelope)
    after_s, after = before_s, before
    index = 0
    while True:
        time_s = float(index / frame_rate)
        while after_s < time_s:
            before_s, before = after_s, after
            after_s, after = next(envelope, (math.inf, before))
        weight = 0.0 if time_s <= before_s else (time_s - before_s) / (after_s - before_s)
        yield AudioEnvelope(*(start + weight * (end - start) for start, end in zip(before, after, strict=True)))
        index += 1


def _followed(recording: MeasuredRecording, attack_s: float, release_s: float) -> Iterator[tuple[float, AudioEnvelope]]:
    """Yield the time of the middle of each audio frame, in seconds, and the envelopes there."""
    rise, fall = (1 - math.exp(-HOP_S / each) if each else 1.0 for each in (attack_s, release_s))
    loudness = onset = onset_integral = 0.0
    time_s = FRAME_SAMPLES / 2 / SAMPLING_RATE
    for frame_loudness, frame_onset in _frame_features(recording):
        loudness += (rise if frame_loudness > loudness else fall) * (frame_loudness - loudness)
        onset += (rise if frame_onset > onset else fall) * (frame_onset - onset)
        onset_integral += onset * HOP_S
        yield time_s, AudioEnvelope(loudness, onset_integral)
        time_s += HOP_S


def _frame_features(recording: MeasuredRecording) -> Iterator[tuple[float, float]]:
    """Yield the loudness and the onset strength of each audio frame, both 0 to 1."""
    peak_db = max(recording.peak_db, MIN_PEAK_DB)
    onset_strength = OnsetStrength(peak_db)
    for block in frame_blocks(stream_samples(recording.sound, warnings=[])):
        loudness = 1 + (power_to_db(frame_power(block)) - peak_db) / LOUDNESS_RANGE_DB
        yield from zip(loudness.clip(0, 1).tolist(), onset_strength(block).tolist(), strict=True)
