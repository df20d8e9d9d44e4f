"""Integrated loudness against the definition of ITU-R BS.1770."""

import numpy as np
import pytest
from scipy import signal

from photism.audio.loudness import integrated_loudness
from photism.audio.sampling import SAMPLING_RATE

TONE = np.sin(2 * np.pi * 997 * np.arange(5 * SAMPLING_RATE) / SAMPLING_RATE).astype(np.float32)


def reference(samples: np.ndarray) -> float:
    """Compute the loudness by the formulas of the standard, with its filters for 48 kHz."""
    wide = signal.resample_poly(samples.astype(np.float64), 3, 1)
    shelf = ([1.53512485958697, -2.69169618940638, 1.19839281085285], [1, -1.69065929318241, 0.73248077421585])
    highpass = ([1.0, -2.0, 1.0], [1, -1.99004745483398, 0.99007225036621])
    weighted = signal.lfilter(*highpass, signal.lfilter(*shelf, wide))
    blocks = np.lib.stride_tricks.sliding_window_view(weighted, 19_200)[::4_800]  # 400 ms, every 100 ms
    power = np.square(blocks).mean(axis=1)
    power = power[-0.691 + 10 * np.log10(power) > -70]
    power = power[power > power.mean() / 10]  # 10 LU below the mean
    return -0.691 + 10 * np.log10(power.mean())


def test_a_tone_at_minus_23_dbfs_in_one_channel_has_minus_26_lufs():
    assert integrated_loudness([10 ** (-23 / 20) * TONE]) == pytest.approx(-26, abs=0.05)


@pytest.mark.parametrize("block", [160, 16_000, 200_000])
def test_loudness_is_that_of_the_standard_in_any_blocks(block: int):
    rng = np.random.default_rng(0)
    loud = signal.lfilter(*signal.butter(4, 3000, fs=SAMPLING_RATE), 0.1 * rng.standard_normal(6 * SAMPLING_RATE))
    samples = np.concatenate([loud, 0.001 * loud, 0.3 * loud]).astype(np.float32)  # the gate drops the middle
    blocks = [samples[start : start + block] for start in range(0, len(samples), block)]
    assert integrated_loudness(blocks) == pytest.approx(reference(samples), abs=0.1)


def test_what_is_short_or_silent_has_no_loudness():
    assert integrated_loudness([TONE[:6_300]]) is None
    assert integrated_loudness([TONE[:6_400]]) is not None
    assert integrated_loudness([0 * TONE]) is None
    assert integrated_loudness([]) is None
