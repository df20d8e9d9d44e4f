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
CANDIDATE_SIMILARITY = 0.55
"""Similarity of signatures from which on two recordings are correlated."""
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
SIGNATURE_FRAMES = 32
KEPT_BYTES = 2**28

Features = NDArray[np.float32]


class AcousticSimilarity:
    """Comparison of recordings by their log-mel energies, the last of which are kept in memory.

    Args:
        read: returns the samples at 16 kHz of a recording by its key.
    """

    def __init__(self, read: Callable[[int], NDArray[np.float32]]) -> None:
        self._read = read
        self._kept: OrderedDict[int, Features] = OrderedDict()
        self._bytes = 0

    def signatures(
        self, count: int, on_error: Callable[[InputError], None] | None, on_progress: Callable[[int, int], None]
    ) -> tuple[Features, Features]:
        """Return the signatures (N, 768) of all recordings, zeros for one that cannot be read, and their frames (N,).

        Args:
            count: number of recordings; their keys are from 0 to this.
            on_error: called with the error of each recording that cannot be read; None raises it.
            on_progress: called with the number of recordings that are read, and of all.
        """
        rows = np.zeros((count, SIGNATURE_FRAMES * (BAND.stop - BAND.start)), np.float32)
        frames = np.zeros(count, np.float32)
        for number in range(count):
            try:
                features = self._features(number)
                rows[number], frames[number] = signature(features), len(features)
            except InputError as error:
                if on_error is None:
                    raise
                on_error(error)
            on_progress(number + 1, count)
        return rows, frames

    def __call__(self, one: int, other: int, *, lowest: float) -> float | None:
        """Return the correlation of two recordings, by their keys; None if it is lower than `lowest`."""
        found = correlation(self._features(one), self._features(other))
        return found if found >= lowest else None

    def _features(self, key: int) -> Features:
        if key not in self._kept:
            self._kept[key] = log_mel_energies(self._read(key))
            self._bytes += self._kept[key].nbytes
            while self._bytes > KEPT_BYTES and len(self._kept) > 1:
                self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return self._kept[key]


def log_mel_energies(samples: NDArray[np.float32]) -> Features:
    """Return log-mel energies (F, 24) of samples (T,) at 16 kHz: frames of 10 ms, cut off 40 dB below the peak."""
    from photism.audio.log_mel import log_mel

    features = log_mel([samples], num_mel_bins=MEL_BINS, stride=1, normalize=False).input_features[0, :, BAND].numpy()
    features = np.maximum(features - (features.max() - RANGE), 0)
    (audible,) = np.nonzero(features.any(axis=1))
    return features[audible[0] : audible[-1] + 1]  # the peak is audible


def signature(energies: Features) -> Features:
    """Return energies (F, 24) as a vector (768,) of unit length: 32 frames, spread over the recording.

    The dot product of two is nearly the correlation of two recordings that begin and end alike.
    """
    times = np.linspace(0, len(energies) - 1, SIGNATURE_FRAMES)
    first = np.minimum(times.astype(int), max(0, len(energies) - 2))
    weight = (times - first)[:, None]
    frames = energies[first] * (1 - weight) + energies[np.minimum(first + 1, len(energies) - 1)] * weight
    centred = (frames - frames.mean()).ravel()
    if not centred.any():  # silence
        centred = np.ones_like(centred)
    return (centred / np.linalg.norm(centred)).astype(np.float32)


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
    norms = float(np.linalg.norm(first)), float(np.linalg.norm(second))
    if not all(norms):
        return float(norms[0] == norms[1])  # one silence is like another
    return float(np.vdot(first, second)) / (norms[0] * norms[1])
