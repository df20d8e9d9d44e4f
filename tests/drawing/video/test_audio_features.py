"""Loudness and onsets, and how they are followed."""

import math
from fractions import Fraction
from itertools import islice

import numpy as np
import pytest

from photism import InputError
from photism.audio.streaming import stream_samples
from photism.drawing.video.audio_features import measure_sound, motion
from tests.drawing.video.recordings import RATE, beats, noise, silence, tone, write_wav


@pytest.fixture
def moved(tmp_path):
    """The motion of samples, a picture every 1 / fps s: (N, 2) of loudness and onset_s."""

    def follow(samples, *, fps=100, attack_s=0.0, release_s=0.0):
        measured = measure_sound(write_wav(tmp_path / "a.wav", samples))
        followed = motion(measured, Fraction(fps), attack_s=attack_s, release_s=release_s)
        return np.array(list(islice(followed, math.ceil(measured.duration_s * fps))))

    return follow


def test_a_recording_is_measured(tmp_path):
    measured = measure_sound(write_wav(tmp_path / "a.wav", np.r_[silence(1), tone(1, gain=0.5), silence(0.5)]))
    assert measured.duration_s == 2.5
    assert measured.peak_db == pytest.approx(20 * math.log10(0.5 / math.sqrt(2)), abs=0.05)


def test_a_recording_of_less_than_a_frame_is_refused(tmp_path):
    assert measure_sound(write_wav(tmp_path / "a.wav", np.zeros(400))).sample_count == 400
    with pytest.raises(InputError, match=r"a.wav' must be at least 25 ms long, not 24.9 ms"):
        measure_sound(write_wav(tmp_path / "a.wav", np.zeros(399)))


def test_silence_does_not_move(moved):
    assert not moved(silence(3)).any()


def test_the_noise_of_16_bits_does_not_move_either(moved):
    assert not moved(np.random.default_rng(0).integers(-1, 2, 48_000) / 32767).any()


def test_a_steady_tone_is_loud_and_has_one_onset(moved):
    loudness, onset_s = moved(tone(3)).T
    np.testing.assert_allclose(loudness, 1, atol=0.01)
    assert 0 < onset_s[-1] < 0.05
    assert onset_s[10] == onset_s[-1]


def test_steady_noise_has_next_to_no_onsets(moved):
    assert moved(noise(5))[-1, 1] < 0.02 * 5


def test_beats_have_an_onset_each(moved):
    onset_s = moved(beats(5))[:, 1]
    risen = np.diff(onset_s).reshape(-1)
    frames = np.flatnonzero(risen > 0.005)  # half of full strength
    assert len(np.flatnonzero(np.diff(frames) > 10)) + 1 == 10
    assert (np.diff(onset_s) >= 0).all()


def test_loudness_is_told_against_the_peak(moved):
    loudness = moved(np.r_[tone(1, gain=0.5), tone(1, gain=0.05), tone(1, gain=0.004)])[:, 0]
    assert loudness[50] == pytest.approx(1, abs=0.01)
    assert loudness[150] == pytest.approx(0.5, abs=0.01)  # 20 of 40 dB below
    assert loudness[250] == 0  # 42 dB below


def test_gain_changes_nothing(moved):
    sound = beats(3)
    np.testing.assert_allclose(moved(0.25 * sound), moved(sound), atol=0.02)


def test_attack_and_release_are_time_constants(moved):
    loudness = moved(np.r_[silence(1), tone(2), silence(2)], attack_s=0.2, release_s=0.5)[:, 0]
    # Frames of 25 ms hear the tone 12 ms before their middles do.
    assert loudness[119] == pytest.approx(1 - math.exp(-1), abs=0.04)
    assert loudness[299] == pytest.approx(1, abs=0.01)
    assert loudness[351] == pytest.approx(math.exp(-1), abs=0.04)
    assert np.abs(np.diff(loudness)).max() <= 1 - math.exp(-0.01 / 0.2)


@pytest.mark.parametrize("fps", [Fraction(1, 2), 24, Fraction(30_000, 1001), 240])
def test_any_frame_rate_reads_off_the_same_curve(moved, fps):
    sound = np.r_[silence(1), tone(2), silence(2)]
    often = moved(sound, fps=1000, attack_s=0.1, release_s=0.3)
    seldom = moved(sound, fps=fps, attack_s=0.1, release_s=0.3)
    times = [round(1000 * index / fps) for index in range(len(seldom))]
    np.testing.assert_allclose(seldom, often[times], atol=0.01)


def test_after_the_end_it_stays(tmp_path):
    followed = motion(measure_sound(write_wav(tmp_path / "a.wav", tone(1))), Fraction(10), attack_s=0, release_s=0)
    *_, last, after = islice(followed, 20)
    assert last == after


@pytest.mark.parametrize("block_samples", [161, 4000, RATE])
def test_blocks_leave_no_trace(moved, monkeypatch, block_samples):
    sound = np.r_[beats(2), tone(1)]
    whole = moved(sound)
    monkeypatch.setattr(
        "photism.drawing.video.audio_features.stream_samples",
        lambda sound, **given: stream_samples(sound, block_samples=block_samples, **given),
    )
    np.testing.assert_allclose(moved(sound), whole, atol=1e-5)
