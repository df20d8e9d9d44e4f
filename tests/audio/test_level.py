"""Frames of a stream of samples, their power in dBFS, and recordings that hold no sound."""

import math

import numpy as np
import pytest

from photism.audio.level import (
    HOP_SAMPLES,
    LevelMeter,
    frame_blocks,
    frame_power,
    measure_level,
    power_to_db,
)
from photism.audio.log_mel import log_mel
from photism.audio.waveform import load_waveform
from photism.hub import bundled_model


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


RATE = 48_000
SECOND = np.arange(RATE) / RATE
RNG = np.random.default_rng(1)


def at(index, values):
    """Return a second of digital silence with some samples in it."""
    samples = np.zeros(RATE)
    samples[index : index + len(values)] = values
    return samples


SILENT = {
    "digital silence": np.zeros(RATE),
    "a constant offset": np.full(RATE, 0.7),
    "an offset that jumps": at(20_000, np.full(RATE - 20_000, -0.5)),
    "dither of 16 bits": np.round(RNG.triangular(-1, 0, 1, RATE)) / 2**15,
    "hum at -70 dBFS": 10 ** (-70 / 20) * np.sin(2 * np.pi * 50 * SECOND),
    "hum at -70 dBFS on an offset": 0.2 + 10 ** (-70 / 20) * np.sin(2 * np.pi * 120 * SECOND),
    "noise at -70 dBFS": 10 ** (-70 / 20) * RNG.standard_normal(RATE),
    "a click of one sample": at(30_000, [0.9]),
    "a click of 10 ms": at(30_000, 0.3 * RNG.standard_normal(RATE // 100)),
}
AUDIBLE = {
    "noise at -60 dBFS": 10 ** (-60 / 20) * RNG.standard_normal(RATE),
    "a tone of 60 ms": at(30_000, 0.01 * np.sin(np.arange(RATE * 6 // 100))),
    "ten clicks": sum(at(4_000 * number, 0.3 * RNG.standard_normal(240)) for number in range(10)),
    "25 ms of a tone": 0.1 * np.sin(np.arange(RATE // 40)),
}


@pytest.mark.parametrize("kind", [*SILENT, *AUDIBLE])
def test_what_is_silent(kind):
    samples = SILENT.get(kind, AUDIBLE.get(kind))
    level = measure_level(load_waveform(samples, sampling_rate=RATE).samples)
    assert level.is_silent == (kind in SILENT), level


@pytest.mark.parametrize("recording", ["elephant.en.ogg", "tomato.ru.ogg"])
def test_speech_whose_peak_is_at_minus_50_dbfs_is_not_silent(recording):
    samples = load_waveform(bundled_model() / "examples" / recording).samples
    assert not measure_level(samples * 10 ** (-50 / 20) / np.abs(samples).max()).is_silent


def test_the_level_of_half_a_second_of_tone_after_half_a_second_of_digital_silence():
    samples = np.r_[np.zeros(8000), 0.1 * np.sin(2 * np.pi * 400 * np.arange(8000) / 16_000)].astype(np.float32)
    level = measure_level(samples)
    assert (level.duration_s, level.sound_s, level.digital_silence) == (1.0, 0.5, 0.5)
    assert level.loudest_db == pytest.approx(-20 - 10 * math.log10(2), abs=1e-3)
    assert level.warnings == ()
    assert measure_level(samples[:8000]).warnings == ("there is nothing to hear: all of it is digital silence",)
    assert str(level) == "0.50 s are louder than -65 dBFS, the loudest 10 ms are at -23 dBFS"


@pytest.mark.parametrize("block_samples", [1, 159, 160, 5000])
def test_blocks_have_the_level_of_the_whole_recording(block_samples):
    recording = np.r_[noise(4321), np.zeros(1000, np.float32)]
    meter = LevelMeter()
    for block in np.split(recording, range(block_samples, len(recording), block_samples)):
        meter.add(block)
    assert meter.level == measure_level(recording)
