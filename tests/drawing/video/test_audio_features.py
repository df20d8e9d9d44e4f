"""Envelopes of loudness and onset strength: levels, time constants, frame rates and blocks."""

import math
from fractions import Fraction
from itertools import islice

import numpy as np
import pytest

from photism import InputError
from photism.audio.streaming import stream_samples
from photism.drawing.video.audio_features import audio_envelopes, measure_recording
from tests.drawing.video.recordings import RATE, beats, noise, silence, tone, write_wav


@pytest.fixture
def envelope(tmp_path):
    """Return a function that computes the envelopes of samples: (N, 2), loudness and onset integral of each frame."""

    def compute(samples, *, fps=100, attack_s=0.0, release_s=0.0):
        recording = measure_recording(write_wav(tmp_path / "a.wav", samples))
        envelopes = audio_envelopes(recording, Fraction(fps), attack_s=attack_s, release_s=release_s)
        return np.array(list(islice(envelopes, math.ceil(recording.duration_s * fps))))

    return compute


def test_length_and_peak_level(tmp_path):
    measured = measure_recording(write_wav(tmp_path / "a.wav", np.r_[silence(1), tone(1, gain=0.5), silence(0.5)]))
    assert measured.duration_s == 2.5
    assert measured.peak_db == pytest.approx(20 * math.log10(0.5 / math.sqrt(2)), abs=0.05)
    assert (measured.level.sound_s, measured.level.is_silent) == (1.0, False)


def test_a_recording_shorter_than_a_frame_is_refused(tmp_path):
    assert measure_recording(write_wav(tmp_path / "a.wav", np.zeros(400))).sample_count == 400
    with pytest.raises(InputError, match=r"a.wav must be at least 25 ms long, not 24.9 ms"):
        measure_recording(write_wav(tmp_path / "a.wav", np.zeros(399)))


def test_silence_has_envelopes_of_zero(envelope):
    assert not envelope(silence(3)).any()


def test_quantisation_noise_has_envelopes_of_zero(envelope):
    assert not envelope(np.random.default_rng(0).integers(-1, 2, 48_000) / 32767).any()


def test_a_steady_tone_has_full_loudness_and_one_onset(envelope):
    loudness, onset_integral = envelope(tone(3)).T
    np.testing.assert_allclose(loudness, 1, atol=0.01)
    assert 0 < onset_integral[-1] < 0.05
    assert onset_integral[10] == onset_integral[-1]


def test_steady_noise_has_next_to_no_onsets(envelope):
    assert envelope(noise(5))[-1, 1] < 0.02 * 5


def test_beats_have_an_onset_each(envelope):
    onset_integral = envelope(beats(5))[:, 1]
    risen = np.diff(onset_integral).reshape(-1)
    frames = np.flatnonzero(risen > 0.005)  # half of full strength
    assert len(np.flatnonzero(np.diff(frames) > 10)) + 1 == 10
    assert (np.diff(onset_integral) >= 0).all()


def test_loudness_is_relative_to_the_peak(envelope):
    loudness = envelope(np.r_[tone(1, gain=0.5), tone(1, gain=0.05), tone(1, gain=0.004)])[:, 0]
    assert loudness[50] == pytest.approx(1, abs=0.01)
    assert loudness[150] == pytest.approx(0.5, abs=0.01)  # 20 of 40 dB below
    assert loudness[250] == 0  # 42 dB below


def test_gain_does_not_change_the_envelopes(envelope):
    sound = beats(3)
    np.testing.assert_allclose(envelope(0.25 * sound), envelope(sound), atol=0.02)


def test_attack_and_release_are_time_constants(envelope):
    loudness = envelope(np.r_[silence(1), tone(2), silence(2)], attack_s=0.2, release_s=0.5)[:, 0]
    # A frame of 25 ms contains the start of the tone from 12 ms before its middle on.
    assert loudness[119] == pytest.approx(1 - math.exp(-1), abs=0.04)
    assert loudness[299] == pytest.approx(1, abs=0.01)
    assert loudness[351] == pytest.approx(math.exp(-1), abs=0.04)
    assert np.abs(np.diff(loudness)).max() <= 1 - math.exp(-0.01 / 0.2)


@pytest.mark.parametrize("fps", [Fraction(1, 2), 24, Fraction(30_000, 1001), 240])
def test_every_frame_rate_samples_the_same_curve(envelope, fps):
    sound = np.r_[silence(1), tone(2), silence(2)]
    dense = envelope(sound, fps=1000, attack_s=0.1, release_s=0.3)
    sparse = envelope(sound, fps=fps, attack_s=0.1, release_s=0.3)
    times = [round(1000 * index / fps) for index in range(len(sparse))]
    np.testing.assert_allclose(sparse, dense[times], atol=0.01)


def test_the_last_envelope_repeats_after_the_end(tmp_path):
    envelopes = audio_envelopes(
        measure_recording(write_wav(tmp_path / "a.wav", tone(1))), Fraction(10), attack_s=0, release_s=0
    )
    *_, last, after = islice(envelopes, 20)
    assert last == after


@pytest.mark.parametrize("block_samples", [161, 4000, RATE])
def test_envelopes_do_not_depend_on_the_block_size(envelope, monkeypatch, block_samples):
    sound = np.r_[beats(2), tone(1)]
    whole = envelope(sound)
    monkeypatch.setattr(
        "photism.drawing.video.audio_features.stream_samples",
        lambda sound, **given: stream_samples(sound, block_samples=block_samples, **given),
    )
    np.testing.assert_allclose(envelope(sound), whole, atol=1e-5)
