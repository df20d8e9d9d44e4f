"""Signal level: the power of a recording in frames of 25 ms every 10 ms, the frames of `log_mel`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from photism.audio.waveform import FRAME_SAMPLES, SAMPLING_RATE

HOP_SAMPLES = SAMPLING_RATE // 100  # 160 samples, 10 ms
HOP_S = HOP_SAMPLES / SAMPLING_RATE
MIN_POWER = 1e-12  # -120 dBFS, in place of the logarithm of 0


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
