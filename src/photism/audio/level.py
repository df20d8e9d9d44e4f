"""Signal level: the power of a recording in the frames of `log_mel`, and whether it holds any sound at all."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from photism.audio.sampling import FRAME_SAMPLES, SAMPLING_RATE

HOP_SAMPLES = SAMPLING_RATE // 100  # 160 samples, 10 ms
HOP_S = HOP_SAMPLES / SAMPLING_RATE
MIN_POWER = 1e-12  # in place of the logarithm of 0
MIN_DB = 10 * math.log10(MIN_POWER)  # -120 dBFS
QUIETEST_SOUND_DB = -65.0
"""Level in dBFS up to which a hop is silent. Dither of 16 bits is at -96 and idle noise of a telephone line at -68.
Speech whose peak is at -50 has at least 50 ms above this level; 206 recordings of single words were tried."""
SHORTEST_SOUND_S = 0.05
"""Total duration of sound in a recording that holds any. A short word has more, a click and the edges of a constant
offset, where resampling rings, have less."""


@dataclass(frozen=True)
class SignalLevel:
    """Level of a recording, in hops of 10 ms. A constant offset counts as silence.

    Attributes:
        duration_s: duration of the recording.
        sound_s: total duration of its hops that are louder than `QUIETEST_SOUND_DB`.
        loudest_db: level of the loudest hop in dBFS, at least -120.
        digital_silence: fraction of hops whose samples are constant, 0 to 1.
    """

    duration_s: float
    sound_s: float
    loudest_db: float
    digital_silence: float

    @property
    def is_silent(self) -> bool:
        """True if there is nothing to hear: no sound, or no more than a click."""
        return self.sound_s < min(SHORTEST_SOUND_S, self.duration_s / 2)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warning of a silent recording, which says why it is one; none for any other."""
        return (f"there is nothing to hear: {self}",) if self.is_silent else ()

    def __str__(self) -> str:
        """Return how much of the recording is louder than silence."""
        if self.digital_silence == 1:
            return "all of it is digital silence"
        amount = f"{self.sound_s:.2f} s are louder than {QUIETEST_SOUND_DB:.0f} dBFS"
        return f"{amount}, the loudest 10 ms are at {self.loudest_db:.0f} dBFS"


class LevelMeter:
    """Meter of the level of a recording that is read in blocks, in memory that does not grow.

    Samples at the end that fill no hop are not counted.
    """

    def __init__(self) -> None:
        self._remainder = np.empty(0, np.float32)
        self._samples = self._hops = self._sound = self._constant = 0
        self._loudest = 0.0

    def add(self, samples: NDArray[np.float32]) -> None:
        """Add a block of samples (T,) of any length."""
        self._samples += len(samples)
        samples = np.concatenate([self._remainder, samples])
        hops = len(samples) // HOP_SAMPLES
        self._remainder = samples[hops * HOP_SAMPLES :]
        if hops:
            power = samples[: hops * HOP_SAMPLES].reshape(hops, HOP_SAMPLES).var(axis=1, dtype=np.float64)
            self._hops += hops
            self._sound += int((power_to_db(power) > QUIETEST_SOUND_DB).sum())
            self._constant += int((power <= MIN_POWER).sum())
            self._loudest = max(self._loudest, float(power.max()))

    @property
    def level(self) -> SignalLevel:
        """The level of the samples so far."""
        return SignalLevel(
            duration_s=self._samples / SAMPLING_RATE,
            sound_s=self._sound * HOP_S,
            loudest_db=10 * math.log10(max(self._loudest, MIN_POWER)),
            digital_silence=self._constant / self._hops if self._hops else 1.0,
        )


def measure_level(samples: NDArray[np.float32]) -> SignalLevel:
    """Measure the level of a whole recording, samples (T,) float32 at 16 kHz."""
    meter = LevelMeter()
    for start in range(0, len(samples), SAMPLING_RATE):  # a second at a time: the squares need no second copy
        meter.add(samples[start : start + SAMPLING_RATE])
    return meter.level


def frame_blocks(blocks: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """Regroup a stream of samples, so that the frames of its blocks are those of the whole recording.

    Args:
        blocks: samples (T,), in blocks of any length.

    Yields:
        Blocks that hold whole frames and at least one. Each begins where the next frame begins, so that neighbouring
        blocks overlap; samples at the end that fill no frame are dropped.
    """
    remainder = np.empty(0, np.float32)
    for block in blocks:
        samples = np.concatenate([remainder, block])
        frames = 1 + (len(samples) - FRAME_SAMPLES) // HOP_SAMPLES if len(samples) >= FRAME_SAMPLES else 0
        remainder = samples[frames * HOP_SAMPLES :]
        if frames:
            yield samples[: (frames - 1) * HOP_SAMPLES + FRAME_SAMPLES]


def frame_power(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Compute the mean square of each frame: (T,) -> (F,), with F = 1 + (T - 400) // 160, or 0 for T below 400."""
    if len(samples) < FRAME_SAMPLES:
        return np.empty(0)
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME_SAMPLES)[::HOP_SAMPLES]  # (F, 400), a view
    return np.square(frames, dtype=np.float64).mean(axis=1)


def power_to_db(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert power, relative to full scale, to dBFS; power below -120 dBFS becomes -120."""
    return 10 * np.log10(power.clip(min=MIN_POWER))
