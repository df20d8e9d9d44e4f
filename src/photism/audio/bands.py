"""Power of a recording in three frequency bands: bass, middle and treble."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from photism.audio.level import HOP_SAMPLES
from photism.audio.sampling import FRAME_SAMPLES, SAMPLING_RATE

BAND_STARTS_HZ = {"low": 20, "mid": 200, "high": 2000}
"""Bass drum and bass; voices and most instruments; cymbals, consonants and overtones. A band ends where the next one
begins, the last one at 8000 Hz, half of 16 kHz."""
FFT_SAMPLES = 512  # 31 Hz a bin, so that the lowest band has five


def band_power(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Compute the mean square of each frame in each band of `BAND_STARTS_HZ`.

    Args:
        samples: (T,) at 16 kHz, a block of `photism.audio.level.frame_blocks`.

    Returns:
        (F, 3), relative to full scale. The sum over the bands is the power of the frame, apart from frequencies below
        20 Hz and the shape of the window, within 1 dB for noise and tones.
    """
    window = np.hanning(FRAME_SAMPLES)
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME_SAMPLES)[::HOP_SAMPLES]  # (F, 400), a view
    spectrum = np.abs(np.fft.rfft(frames * window, FFT_SAMPLES)) ** 2  # (F, 257)
    # Parseval: a frame's mean square is its spectrum's sum over both halves, by FFT_SAMPLES and the window's energy.
    spectrum *= 2 / (FFT_SAMPLES * np.square(window).sum())
    edges = [round(low * FFT_SAMPLES / SAMPLING_RATE) for low in BAND_STARTS_HZ.values()]
    return np.add.reduceat(spectrum, edges, axis=1)
