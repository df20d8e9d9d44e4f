"""Beats of clicks at known times, steady and changing, bars of four and three, and sounds without a beat."""

import numpy as np
import pytest

from photism import load_waveform
from photism.audio.beats import Accents, measure_accents, track_beats
from photism.audio.level import frame_power, power_to_db
from photism.hub import bundled_model

RATE = 16_000
TOLERANCE_S = 0.07  # of the F-measure of beats


def clicks(times_s, *, beats_a_bar=4):
    """Return clicks of 1 kHz in faint noise, with a bass drum on the first of each bar."""
    samples = 0.003 * np.random.default_rng(0).standard_normal(round((times_s[-1] + 1) * RATE))
    for number, time_s in enumerate(times_s):
        after_s = np.arange(round(0.15 * RATE)) / RATE
        click = np.sin(2 * np.pi * 1000 * after_s) * np.exp(-after_s / 0.03)
        if number % beats_a_bar == 0:
            click += 1.5 * np.sin(2 * np.pi * 70 * after_s) * np.exp(-after_s / 0.08)
        start = round(time_s * RATE)
        samples[start : start + len(click)] += 0.2 * click
    return samples


def tracked(samples, *, block_samples=7 * RATE):
    samples = np.asarray(samples, np.float32)
    peak_db = max(-36.0, float(power_to_db(frame_power(samples)).max()))
    blocks = np.split(samples, range(block_samples, len(samples), block_samples))
    return track_beats(measure_accents(blocks, peak_db))


def f_measure(expected_s, found_s):
    """Return the F-measure, where each expected beat may be found once."""
    distances = np.abs(np.subtract.outer(expected_s, found_s))
    hits = sum(row.min(initial=1.0) <= TOLERANCE_S for row in distances)
    return 2 * hits / (len(expected_s) + len(found_s))


def test_the_f_measure_of_a_hand_worked_case():
    assert f_measure([1, 2, 3, 4], [1.05, 2.1, 3]) == pytest.approx(2 * 2 / 7)


@pytest.mark.parametrize("bpm", [60, 80, 100, 120, 140, 160])
def test_steady_beats_and_their_bars(bpm):
    times_s = np.arange(0.3, 16, 60 / bpm)
    found = tracked(clicks(times_s))
    assert f_measure(times_s, found.times_s) >= 0.95
    assert f_measure(times_s[::4], found.times_s[found.is_downbeat]) >= 0.85


def test_bars_of_three():
    times_s = np.arange(0.3, 16, 0.5)
    found = tracked(clicks(times_s, beats_a_bar=3))
    assert f_measure(times_s[::3], found.times_s[found.is_downbeat]) >= 0.95


def test_a_tempo_that_changes():
    gradually = np.cumsum(60 / np.linspace(100, 140, 50))
    at_once = np.r_[np.arange(0.3, 12, 0.5), np.arange(12, 24, 0.4)]
    for times_s in (gradually, at_once):
        assert f_measure(times_s, tracked(clicks(times_s)).times_s) >= 0.95


def test_beats_that_begin_late_and_end_early_are_found_only_where_they_are():
    times_s = np.arange(12, 24, 0.5)
    found = tracked(np.r_[clicks(times_s), np.zeros(12 * RATE)]).times_s
    assert f_measure(times_s, found) >= 0.9
    assert found[0] > 10.9
    assert found[-1] < 25.1


def test_sounds_without_a_regular_beat_have_none():
    noise = 0.1 * np.random.default_rng(0).standard_normal(16 * RATE)
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(16 * RATE) / RATE)
    words = [load_waveform(path).samples for path in sorted((bundled_model() / "examples").glob("*.ogg"))]
    speech = np.concatenate([np.pad(samples, (0, 1000 * (number % 7))) for number, samples in enumerate(words)])
    for samples in (np.zeros(16 * RATE), noise, tone, np.tile(speech, 2), clicks([0.5])):
        found = tracked(samples)
        assert (len(found.times_s), len(found.is_downbeat)) == (0, 0)


def test_no_accents_have_no_beats():
    assert not len(track_beats(Accents(np.empty(0, np.float32), np.empty(0, np.float32))).times_s)


def test_blocks_give_the_beats_of_the_whole_recording():
    samples = clicks(np.arange(0.3, 10, 0.45))
    whole, parts = tracked(samples, block_samples=len(samples)), tracked(samples, block_samples=4001)
    np.testing.assert_array_equal(parts.times_s, whole.times_s)
    np.testing.assert_array_equal(parts.is_downbeat, whole.is_downbeat)


@pytest.mark.parametrize("seconds", [1.4, 2.0, 3.0, 4.0])
@pytest.mark.parametrize("bpm", [60, 75, 100])
def test_a_recording_of_a_few_beats_has_none_or_some(bpm, seconds):
    found = tracked(clicks(np.arange(0.2, seconds, 60 / bpm)))
    assert len(found.times_s) == len(found.is_downbeat) <= seconds * bpm / 60 + 2
