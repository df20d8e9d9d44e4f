"""Follow loudness and onsets of a recording while it goes on, with automatic gain: what moves noise and zoom.

The levels of a film are relative to the whole recording. Here they are relative to the last seconds, so that what was
loud or quiet is forgotten.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from photism.audio.level import HOP_S, HOP_SAMPLES, MIN_DB, frame_power, power_to_db
from photism.audio.onsets import OnsetStrength
from photism.audio.sampling import FRAME_SAMPLES
from photism.drawing.video.audio_features import MIN_PEAK_DB, MIN_PULSE
from photism.drawing.video.motion import NOISE_DRIFT, ONSET_NOISE, PULSE_ZOOM

MEMORY_S = 10.0
"""Time constant with which the highest level and pulse are forgotten."""
RANGE_DB = 30.0
"""Range of levels below the highest one, from loudness 0 to 1."""
ATTACK_S, RELEASE_S, PULSE_S = 0.01, 0.05, 0.25
"""Time constants with which loudness rises and falls, and a pulse decays, as those of a film."""


class LiveMotion(NamedTuple):
    """Loudness and pulse of onsets, 0 to 1, and the integral of the onset strength over the seconds so far."""

    loudness: float
    pulse: float
    onset_integral: float

    def zoom(self, amount: float) -> float:
        """Return the factor by which a picture is enlarged, where the setting `zoom` is `amount`."""
        return 1 + amount * (PULSE_ZOOM * self.pulse + (1 - PULSE_ZOOM) * self.loudness)

    def noise(self, amount: float, time_s: float) -> float:
        """Return the position on the noise path, in seeds, where the setting `noise` is `amount`."""
        return amount * (NOISE_DRIFT * time_s + ONSET_NOISE * self.onset_integral)


class MotionTracker:
    """Follow the loudness and the onsets of samples that arrive in blocks."""

    def __init__(self) -> None:
        self.motion = LiveMotion(0.0, 0.0, 0.0)
        self._held = np.empty(0, np.float32)
        self._onset_strength = OnsetStrength(MIN_PEAK_DB)
        self._high_db, self._highest_pulse = MIN_PEAK_DB, MIN_PULSE
        self._followed_db = MIN_DB
        self._pulse = 0.0

    def __call__(self, block: NDArray[np.float32]) -> LiveMotion:
        """Follow the next block of at least 25 ms."""
        samples = np.concatenate([self._held, block])
        frames = 1 + (len(samples) - FRAME_SAMPLES) // HOP_SAMPLES
        self._held = samples[frames * HOP_SAMPLES :]
        samples = samples[: (frames - 1) * HOP_SAMPLES + FRAME_SAMPLES]
        levels_db = power_to_db(frame_power(samples))
        self._high_db = max(self._high_db, float(levels_db.max()))
        self._onset_strength.peak_db = self._high_db
        for level_db, onset in zip(levels_db.tolist(), self._onset_strength(samples).tolist(), strict=True):
            self._follow(level_db, onset)
        return self.motion

    def _follow(self, level_db: float, onset: float) -> None:
        """Follow a frame, 10 ms after the last one."""
        forgotten = HOP_S / MEMORY_S
        self._high_db = max(level_db, self._high_db + forgotten * (MIN_PEAK_DB - self._high_db))
        loudness = min(1.0, max(0.0, 1 + (level_db - self._high_db) / RANGE_DB))
        self._pulse = math.exp(-HOP_S / PULSE_S) * self._pulse + HOP_S * onset
        highest = self._highest_pulse + forgotten * (MIN_PULSE - self._highest_pulse)
        self._highest_pulse = max(self._pulse, highest)
        before = self.motion
        speed = 1 - math.exp(-HOP_S / (ATTACK_S if loudness > before.loudness else RELEASE_S))
        self.motion = LiveMotion(
            before.loudness + speed * (loudness - before.loudness),
            self._pulse / self._highest_pulse,
            before.onset_integral + HOP_S * onset,
        )
