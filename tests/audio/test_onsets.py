"""Onset strength of silence, tones, noise and struck notes, alone and in blocks."""

import numpy as np
import pytest

from photism.audio.level import frame_blocks, frame_power, power_to_db
from photism.audio.onsets import OnsetStrength

RATE = 16_000


def strength(samples, *, block_samples=10 * RATE):
    samples = samples.astype(np.float32)
    onset_strength = OnsetStrength(float(power_to_db(frame_power(samples)).max()))
    blocks = np.split(samples, range(block_samples, len(samples), block_samples))
    return np.concatenate([onset_strength(block) for block in frame_blocks(blocks)])


def tone(seconds, gain=0.3):
    return gain * np.sin(2 * np.pi * 440 * np.arange(round(seconds * RATE)) / RATE)


def noise(seconds, gain=0.1):
    return gain * np.random.default_rng(0).standard_normal(round(seconds * RATE))


def notes(seconds, every_s=0.5):
    """Noise that decays with a time constant of 40 ms and is struck again every half second."""
    return noise(seconds) * np.exp(-(np.arange(round(seconds * RATE)) / RATE % every_s) / 0.04)


def test_silence_has_no_onsets():
    assert not strength(np.zeros(RATE)).any()


def test_a_steady_tone_has_an_onset_at_its_start_only():
    found = strength(np.concatenate([np.zeros(RATE), tone(1)]))
    assert found[97:101].max() > 0.5
    assert not found[:97].any()
    assert not found[102:].any()


def test_steady_noise_has_next_to_no_onsets():
    assert strength(noise(5))[2:].mean() < 0.02


def test_each_note_has_a_full_onset():
    found = strength(notes(5))
    assert found.shape == (1 + (5 * RATE - 400) // 160,)
    for start in range(0, 500, 50):
        assert found[max(0, start - 3) : start + 3].max() == 1
        assert found[start + 10 : start + 45].max() < 0.5


def test_gain_changes_nothing():
    np.testing.assert_allclose(strength(0.25 * notes(3)), strength(notes(3)), atol=0.02)


@pytest.mark.parametrize("block_samples", [161, 4000, RATE])
def test_blocks_give_the_strength_of_the_whole_recording(block_samples):
    np.testing.assert_allclose(strength(notes(2), block_samples=block_samples), strength(notes(2)), atol=1e-5)
