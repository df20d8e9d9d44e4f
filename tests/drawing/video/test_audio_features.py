"""Envelopes of loudness, onsets and bands: levels, time constants, frame rates and blocks."""

import math
from fractions import Fraction
from itertools import islice

import numpy as np
import pytest

from photism import InputError
from photism.audio.streaming import stream_samples
from photism.drawing.video.audio_features import AudioEnvelope, audio_envelopes, measure_recording
from photism.drawing.video.settings import FilmSettings
from tests.drawing.video.recordings import RATE, beats, noise, silence, tone, write_wav
from tests.support.recordings import encode


@pytest.fixture
def envelope(tmp_path):
    """Return a function that computes the envelopes of samples or a file: the value of each frame, (N,), by name."""

    def compute(samples, *, fps=100, attack_s=0.0, release_s=0.0, pulse_s=0.15):
        source = samples if isinstance(samples, bytes) else write_wav(tmp_path / "a.wav", samples)
        recording = measure_recording(source)
        envelopes = audio_envelopes(recording, Fraction(fps), attack_s=attack_s, release_s=release_s, pulse_s=pulse_s)
        values = islice(envelopes, math.ceil(recording.duration_s * fps))
        return AudioEnvelope(*np.array(list(values)).T)

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
    assert not np.any(envelope(silence(3)))


def test_quantisation_noise_has_envelopes_of_zero(envelope):
    assert not np.any(envelope(np.random.default_rng(0).integers(-1, 2, 48_000) / 32767))


def test_a_steady_tone_has_full_loudness_and_one_onset(envelope):
    steady = envelope(tone(3))
    np.testing.assert_allclose(steady.loudness, 1, atol=0.01)
    assert 0 < steady.onset_integral[-1] < 0.05
    assert steady.onset_integral[10] == steady.onset_integral[-1]


def test_steady_noise_has_next_to_no_onsets(envelope):
    assert envelope(noise(5)).onset_integral[-1] < 0.02 * 5


def test_beats_have_an_onset_each(envelope):
    risen = np.diff(envelope(np.r_[silence(0.25), beats(5)]).onset_integral)
    frames = np.flatnonzero(risen > 0.005)  # half of full strength
    assert len(np.flatnonzero(np.diff(frames) > 10)) + 1 == 10
    assert (risen >= 0).all()


def test_a_pulse_rises_with_each_onset_and_decays(envelope):
    pulse = envelope(np.r_[silence(0.25), beats(5)], pulse_s=0.1).pulse
    assert pulse[:23].max() == 0
    for start in range(25, 500, 50):
        peak = start + pulse[start : start + 10].argmax()
        assert pulse[peak] > 0.8
        assert pulse[peak + 10] == pytest.approx(pulse[peak] * math.exp(-1), abs=0.05)
    assert pulse.max() == pytest.approx(1, abs=0.1)


def test_weak_onsets_are_not_full_pulses(envelope):
    assert envelope(noise(5)).pulse[200:].max() < 0.2


def test_levels_are_scaled_to_the_recordings_own_range(envelope):
    """Silence does not count, a limited song moves as far as a drum loop, and a steady sound hardly moves."""
    loudness = envelope(np.r_[tone(1, gain=0.5), tone(1, gain=0.05), tone(1, gain=0.004)]).loudness
    assert loudness[50] == pytest.approx(1, abs=0.01)
    assert loudness[150] == pytest.approx(0, abs=0.01)
    assert loudness[250] == 0  # 42 dB below
    limited = envelope(np.r_[tone(1, gain=0.5), tone(1, gain=0.25), tone(1, gain=0.5 / math.sqrt(2))]).loudness
    np.testing.assert_allclose(limited[[50, 150, 250]], [1, 0, 0.5], atol=0.02)
    steady = envelope(noise(5), release_s=0.15).loudness[10:]
    assert np.ptp(np.percentile(steady, [5, 95])) < 0.15


def test_bands_follow_their_own_frequencies(envelope):
    found = envelope(np.r_[tone(1, hertz=80), tone(1, hertz=600), tone(1, hertz=4000)])
    bands = np.array([found.low, found.mid, found.high])[:, [50, 150, 250]]
    np.testing.assert_allclose(bands, np.eye(3), atol=0.04)
    ends = np.array([found.low_integral, found.mid_integral, found.high_integral])[:, -1]
    np.testing.assert_allclose(ends, 1, atol=0.03)


def test_an_inaudible_band_does_not_move(envelope):
    assert envelope(tone(2, hertz=600) + np.r_[silence(1), tone(1, gain=0.0005, hertz=4000)]).high[20:].max() == 0


def test_gain_does_not_change_the_envelopes(envelope):
    sound = beats(3)
    np.testing.assert_allclose(envelope(0.25 * sound), envelope(sound), atol=0.03)


@pytest.mark.parametrize("scale", [10_000, 2.0**31])
def test_integers_that_are_stored_as_floats_have_the_same_envelopes(envelope, scale):
    sound = beats(3)
    loud = encode("wav", "pcm_f32le", (scale * sound).astype(np.float32)[None], rate=RATE)
    np.testing.assert_allclose(envelope(loud), envelope(sound), atol=0.03)


def test_attack_and_release_are_time_constants(envelope):
    loudness = envelope(np.r_[silence(1), tone(2), silence(2)], attack_s=0.2, release_s=0.5).loudness
    assert loudness[120] == pytest.approx(1 - math.exp(-1), abs=0.04)
    assert loudness[299] == pytest.approx(1, abs=0.01)
    assert loudness[351] == pytest.approx(math.exp(-1), abs=0.04)
    assert np.abs(np.diff(loudness)).max() <= 1 - math.exp(-0.01 / 0.2)


@pytest.mark.parametrize("every_s", [0.2, 0.5])
@pytest.mark.parametrize("limited", [False, True])
def test_the_envelope_of_beats_has_most_of_the_depth_of_their_level(envelope, every_s, limited):
    sound = beats(5, every_s=every_s) + noise(5, gain=0.001, seed=1)
    if limited:  # to a range of a fifth in dB
        power = np.convolve(sound**2, np.ones(160) / 160, "same")
        sound *= (power + 1e-6) ** -0.4 * power.max() ** 0.4
    raw = envelope(sound, fps=25).loudness
    defaults = FilmSettings()
    followed = envelope(sound, fps=25, attack_s=defaults.attack_s, release_s=defaults.release_s).loudness
    depths = [np.diff(np.percentile(each, [5, 95])).item() for each in (followed, raw)]
    assert depths[0] >= 0.6 * depths[1]
    assert depths[0] >= 0.5


@pytest.mark.parametrize("fps", [Fraction(1, 2), 24, Fraction(30_000, 1001), 240])
def test_every_frame_rate_samples_the_same_curve(envelope, fps):
    sound = np.r_[silence(1), tone(2), silence(2)]
    dense = envelope(sound, fps=1000, attack_s=0.1, release_s=0.3)
    sparse = envelope(sound, fps=fps, attack_s=0.1, release_s=0.3)
    times = [round(1000 * index / fps) for index in range(len(sparse.loudness))]
    np.testing.assert_allclose(sparse, np.array(dense)[:, times], atol=0.03)


def test_the_last_envelope_repeats_after_the_end(tmp_path):
    envelopes = audio_envelopes(
        measure_recording(write_wav(tmp_path / "a.wav", tone(1))), Fraction(10), attack_s=0, release_s=0, pulse_s=0
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
