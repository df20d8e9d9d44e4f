"""Onset strength: how much the energy of a recording rises across the spectrum, from its log-mel spectrogram.

Sources: Dixon, Onset detection revisited (2006), for the half-wave rectified spectral flux; Böck, Krebs and Schedl,
Evaluating the online capabilities of onset detection methods (2012), for the flux of logarithmic bands; Böck and
Widmer, Maximum filter vibrato suppression for onset detection (2013), for the lag.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

ONSET_LAG = 2  # frames, 20 ms: frames of 25 ms overlap, so that neighbours would share most of a rise
ONSET_FLOOR_DB = -50.0  # relative to the peak: changes of quieter bands are inaudible
ONSET_MIN_DB, ONSET_MAX_DB = 3.0, 15.0  # mean rise of the bands: steady noise has 2 dB, a struck note 15 and more
FULL_SCALE_LOG_MEL = math.log(2.0**30 * 150)  # of white noise of power 1 in a band: 16 bits, energy of the window
NEPERS_PER_DB = math.log(10) / 10  # of power


class OnsetStrength:
    """Onset strength of a recording that arrives in blocks: the spectral flux, half-wave rectified.

    The flux of a frame is the mean over the mel bands of the rise in the last 20 ms; bands that fall count as 0. It is
    scaled so that steady noise has strength 0 and a struck note 1. A change of gain of the recording has no effect.

    Args:
        peak_db: level of the loudest frame of the recording, in dBFS.

    Attributes:
        peak_db: that level, which may change while a recording goes on.
    """

    def __init__(self, peak_db: float) -> None:
        self.peak_db = peak_db
        self._previous: NDArray[np.float32] | None = None  # the last ONSET_LAG frames, (ONSET_LAG, 80)

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the onset strength of each frame of the next block, 0 to 1.

        Args:
            samples: (T,), a block of `photism.audio.level.frame_blocks`.

        Returns:
            (F,), one value per frame of 25 ms.
        """
        flux_db = self.rises_db(samples).mean(axis=1)
        return ((flux_db - ONSET_MIN_DB) / (ONSET_MAX_DB - ONSET_MIN_DB)).clip(0, 1)

    def rises_db(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute how much each mel band of each frame of the next block rose in the last 20 ms, in dB.

        Args:
            samples: (T,), as in a call.

        Returns:
            (F, 80), 0 for a band that fell.
        """
        floor = FULL_SCALE_LOG_MEL + (self.peak_db + ONSET_FLOOR_DB) * NEPERS_PER_DB
        bands = _log_mel(samples).clip(min=floor)  # (F, 80)
        if self._previous is None:  # silence before the recording
            self._previous = np.full_like(bands[:1], floor).repeat(ONSET_LAG, axis=0)
        lagged = np.concatenate([self._previous.clip(min=floor), bands])  # (ONSET_LAG + F, 80)
        self._previous = lagged[-ONSET_LAG:]
        return np.asarray((bands - lagged[:-ONSET_LAG]).clip(min=0) / NEPERS_PER_DB, np.float32)


def _log_mel(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the log-mel spectrogram without normalisation: (T,) -> (F, 80)."""
    import torch

    from photism.audio.log_mel import log_mel

    with torch.inference_mode():
        return log_mel([samples], stride=1, normalize=False, dtype=torch.float32).input_features[0].numpy()
