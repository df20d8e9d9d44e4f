"""Frames of a stream of samples, and their power in dBFS."""

import math

import numpy as np
import pytest

from photism.audio.level import HOP_SAMPLES, frame_blocks, frame_power, power_to_db
from photism.audio.log_mel import log_mel


def noise(samples):
    return (0.1 * np.random.default_rng(0).standard_normal(samples)).astype(np.float32)


@pytest.mark.parametrize("samples", [400, 559, 560, 16_000])
def test_the_frames_are_those_of_log_mel(samples):
    frames = len(frame_power(noise(samples)))
    assert frames == 1 + (samples - 400) // HOP_SAMPLES
    assert frames == log_mel([noise(samples)], stride=1).input_features.shape[1]


@pytest.mark.parametrize("samples", [0, 399])
def test_less_than_a_frame_has_no_power(samples):
    assert frame_power(noise(samples)).shape == (0,)


def test_full_scale_and_silence_in_dbfs():
    square_wave = np.resize(np.float32([1, -1]), 1000)
    np.testing.assert_allclose(power_to_db(frame_power(square_wave)), 0, atol=1e-6)
    sine = np.sin(2 * np.pi * 400 * np.arange(1600) / 16_000).astype(np.float32)
    np.testing.assert_allclose(power_to_db(frame_power(sine)), -10 * math.log10(2), atol=1e-4)
    np.testing.assert_array_equal(power_to_db(frame_power(np.zeros(1000, np.float32))), -120)


@pytest.mark.parametrize("block_samples", [1, 160, 161, 399, 5000])
@pytest.mark.parametrize("samples", [399, 400, 1000, 4321])
def test_blocks_have_the_frames_of_the_whole_recording(samples, block_samples):
    recording = noise(samples)
    blocks = np.split(recording, range(block_samples, samples, block_samples))
    regrouped = list(frame_blocks(blocks))
    assert all(len(block) >= 400 for block in regrouped)
    powers = np.concatenate([np.empty(0), *map(frame_power, regrouped)])
    np.testing.assert_array_equal(powers, frame_power(recording))
