"""Power in frequency bands: tones fall into theirs, and the bands add up to the power of the frame."""

import numpy as np
import pytest

from photism.audio.bands import band_power
from photism.audio.level import frame_power

RATE = 16_000


@pytest.mark.parametrize(("hertz", "band"), [(60, 0), (120, 0), (300, 1), (1800, 1), (2300, 2), (7900, 2)])
def test_a_tone_has_its_power_in_its_band(hertz, band):
    tone = 0.5 * np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE).astype(np.float32)
    power = band_power(tone)
    assert power.shape == (98, 3)
    np.testing.assert_allclose(power[:, band], 0.125, rtol=0.1)
    np.testing.assert_allclose(np.delete(power, band, axis=1), 0, atol=0.01)


def test_the_bands_of_noise_add_up_to_its_power():
    noise = 0.1 * np.random.default_rng(0).standard_normal(5 * RATE).astype(np.float32)
    assert band_power(noise).sum(axis=1).mean() == pytest.approx(frame_power(noise).mean(), rel=0.02)
