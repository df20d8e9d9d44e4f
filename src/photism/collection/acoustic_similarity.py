"""Similarity of the audio of two recordings, which shows whether one is a copy: re-encoded, resampled, louder, trimmed.

Vectors of a model that was trained to recognise things are nearly the same for two voices that say one word. Copies
have more in common, which this measures: the correlation of their log-mel energies below 3.5 kHz, at the best shift of
up to half a second. Telephone codecs and MP3 keep these frequencies. Energies are cut off 40 dB below the peak, where
codecs differ. benchmarks/README.md has figures for copies and for other recordings.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from photism.errors import InputError

COPY_CORRELATION = 0.93
"""Correlation from which on two recordings are copies."""
MEL_BINS, BAND = 40, slice(2, 26)
"""Mel filters from 0 to 8 kHz, and those between 100 Hz and 3.5 kHz."""
RANGE = 40 / 10 * float(np.log(10))
"""40 dB as a natural logarithm of power."""
MAX_SHIFT_FRAMES = 50
COARSE_FRAMES = 3
MIN_COARSE = 0.6
"""Correlation at the best of every third shift, below which the others are not tried."""
MIN_OVERLAP = 0.8
"""Fraction of the longer recording that both have at a shift."""
MAX_S = 300.0
"""Longest part of a recording that is compared, in seconds from its start."""
KEPT_BYTES = 2**28

Features = NDArray[np.float32]


class AcousticSimilarity:
    """Comparison of recordings by their log-mel energies, the last of which are kept in memory.

    Args:
        read: returns the samples at 16 kHz of a recording by its key.
    """

    def __init__(self, read: Callable[[int], NDArray[np.float32]]) -> None:
        self._read = read
        self._kept: OrderedDict[int, Features | InputError] = OrderedDict()
        self._bytes = 0

    def __call__(self, one: int, other: int) -> float:
        """Return the correlation of two recordings, by their keys.

        Raises:
            InputError: one cannot be read.
        """
        return correlation(self._features(one), self._features(other))

    def _features(self, key: int) -> Features:
        if key not in self._kept:
            try:
                features: Features | InputError = log_mel_energies(self._read(key))
                self._bytes += features.nbytes
            except InputError as error:
                features = error
            self._kept[key] = features
            while self._bytes > KEPT_BYTES and len(self._kept) > 1:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= 0 if isinstance(oldest, InputError) else oldest.nbytes
        found = self._kept[key]
        if isinstance(found, InputError):
            raise found
        return found


def log_mel_energies(samples: NDArray[np.float32]) -> Features:
    """Return log-mel energies (F, 24) of samples (T,) at 16 kHz: frames of 10 ms, cut off 40 dB below the peak."""
    from photism.audio.log_mel import log_mel

    features = log_mel([samples], num_mel_bins=MEL_BINS, stride=1, normalize=False).input_features[0, :, BAND].numpy()
    return np.maximum(features, features.max() - RANGE)


def correlation(one: Features, other: Features) -> float:
    """Return the correlation of energies (F, 24) at their best shift; 0 if the lengths differ by more than a fifth."""
    coarse = range(-MAX_SHIFT_FRAMES, MAX_SHIFT_FRAMES + 1, COARSE_FRAMES)
    best, shift = max((_shifted_correlation(one, other, shift), shift) for shift in coarse)
    if best < MIN_COARSE:
        return best
    near = range(shift - COARSE_FRAMES + 1, shift + COARSE_FRAMES)
    return max(_shifted_correlation(one, other, shift) for shift in near)


def _shifted_correlation(one: Features, other: Features, shift: int) -> float:
    """Return the correlation of the frames that overlap when `other` starts `shift` frames later; 0 if they are few."""
    first, second = one[max(0, shift) :], other[max(0, -shift) :]
    frames = min(len(first), len(second))
    if frames < MIN_OVERLAP * max(len(one), len(other)):
        return 0.0
    first, second = first[:frames], second[:frames]
    first, second = first - first.mean(), second - second.mean()
    norm = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(np.vdot(first, second)) / norm if norm else 0.0
