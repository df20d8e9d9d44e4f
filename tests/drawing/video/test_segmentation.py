"""Segments of a recording: words between pauses, musical events, and their longest length."""

from itertools import pairwise

import numpy as np
import pytest

from photism import load_waveform
from photism.audio.streaming import stream_samples
from photism.drawing.video import segmentation
from photism.drawing.video.audio_features import measure_recording
from photism.drawing.video.segmentation import find_segments, is_mostly_speech, onset_segments, speech_segments
from photism.hub import bundled_model
from tests.drawing.video.recordings import RATE, beats, noise, silence, tone, write_wav

WORDS = ("elephant.en", "banana.es", "dolphin.ro")


@pytest.fixture(scope="module")
def words():
    """Return the samples of three spoken words, without the silence around them."""
    waveforms = [load_waveform(bundled_model() / "examples" / f"{name}.ogg").samples for name in WORDS]
    loud = [np.flatnonzero(np.abs(samples) > 0.05 * np.abs(samples).max()) for samples in waveforms]
    return [samples[first : last + 1] for samples, (first, *_, last) in zip(waveforms, loud, strict=True)]


@pytest.fixture
def measured(tmp_path):
    return lambda *parts: measure_recording(write_wav(tmp_path / "a.wav", np.concatenate(parts)))


def assert_segments(segments, expected, tolerance_s):
    assert len(segments) == len(expected), segments
    for segment, (start_s, stop_s) in zip(segments, expected, strict=True):
        assert segment.start_s == pytest.approx(start_s, abs=tolerance_s)
        assert segment.stop_s == pytest.approx(stop_s, abs=tolerance_s)


def test_each_word_is_a_segment(words, measured):
    one, two, three = words
    recording = measured(silence(0.7), one, silence(0.3), two, silence(2), three, silence(0.5))
    starts = np.cumsum([0.7, len(one) / RATE + 0.3, len(two) / RATE + 2])
    expected = [(start, start + len(word) / RATE) for start, word in zip(starts, words, strict=True)]
    assert_segments(list(speech_segments(recording, longest_s=3)), expected, 0.12)
    assert list(find_segments(recording, "speech", longest_s=3)) == list(speech_segments(recording, longest_s=3))


def test_long_speech_is_cut_at_pauses_and_by_its_length(words, measured):
    one, two, _ = words
    recording = measured(*[one, silence(0.1), two, silence(0.1)] * 4)
    segments = list(speech_segments(recording, longest_s=2))
    assert segments[0].start_s < 0.1
    assert all(0.6 <= segment.stop_s - segment.start_s <= 2.7 for segment in segments)
    assert all(one.stop_s == two.start_s for one, two in pairwise(segments))
    assert segments[-1].stop_s == pytest.approx(recording.duration_s, abs=0.3)


def test_a_weak_start_and_end_belong_to_a_word(words, measured):
    (word, *_), hiss = words, noise(0.2, gain=0.02)
    for background in (silence(1), noise(1, gain=0.0005)):
        recording = measured(background, hiss, word, hiss[: RATE // 10], background)
        assert_segments(list(speech_segments(recording, longest_s=3)), [(1, 1.3 + len(word) / RATE)], 0.05)


def test_a_word_in_steady_noise_does_not_begin_earlier(words, measured):
    samples = np.concatenate([silence(1), words[0], silence(1)])
    (segment,) = speech_segments(measured(samples + noise(len(samples) / RATE, gain=0.005)), longest_s=3)
    assert 0.95 <= segment.start_s <= 1.1


def test_silence_separates_sounds(measured):
    recording = measured(silence(0.5), tone(1), silence(0.4), tone(0.8, hertz=880), silence(2), tone(0.05), silence(1))
    assert_segments(list(onset_segments(recording, longest_s=3)), [(0.5, 1.5), (1.9, 2.7)], 0.03)


def test_a_weak_start_does_not_reach_into_the_sound_before(measured):
    loud, weak = tone(0.3, gain=0.9, hertz=880), noise(0.25, gain=0.003)
    recording = measured(silence(0.95), weak[: RATE // 20], loud, weak, tone(0.7, gain=0.09), silence(1))
    assert_segments(list(onset_segments(recording, longest_s=3)), [(1, 1.3), (1.55, 2.25)], 0.03)


def test_short_pauses_do_not(measured):
    recording = measured(tone(0.4), silence(0.15), tone(0.4))
    assert_segments(list(onset_segments(recording, longest_s=3)), [(0, 0.95)], 0.03)


def test_a_steady_sound_is_cut_if_it_is_a_third_longer_than_the_longest_segment(measured):
    assert_segments(list(onset_segments(measured(tone(3.9)), longest_s=3)), [(0, 3.9)], 0.03)
    segments = list(onset_segments(measured(tone(10)), longest_s=3))
    assert len(segments) > 2
    assert sum(segment.stop_s - segment.start_s for segment in segments) == pytest.approx(10, abs=0.05)
    assert all(0.99 <= segment.stop_s - segment.start_s <= 4.01 for segment in segments)


def test_music_is_cut_at_its_strongest_onsets(measured):
    bed = noise(12, gain=0.01)
    quiet, strong = 0.1 * beats(12, every_s=0.5), beats(12, every_s=2)
    segments = list(onset_segments(measured(bed + quiet + strong), longest_s=3))
    assert_segments(segments, [(0, 2), (2, 4), (4, 6), (6, 8), (8, 12)], 0.03)


def test_sound_without_a_pause_is_whole_up_to_the_longest_segment():
    frames = [segmentation._Frame(True, -20.0, 0.0)] * 6000
    assert list(segmentation._segments(frames, frame_s=0.01, longest_s=100)) == [(0, 60)]


@pytest.mark.parametrize("sync", ["speech", "onsets"])
def test_a_recording_without_sound_is_one_segment(measured, sync):
    assert list(find_segments(measured(silence(5)), sync, longest_s=3)) == [(0, 3)]
    assert list(find_segments(measured(silence(0.5)), sync, longest_s=3)) == [(0, 0.5)]


def test_speech_and_music_are_distinguished(words, measured):
    one, two, three = words
    assert is_mostly_speech(measured(one, silence(3), two, silence(1), three))
    assert is_mostly_speech(measured(one, silence(1), tone(0.3), silence(1), two))
    assert not is_mostly_speech(measured(one, silence(1), beats(9)))
    assert not is_mostly_speech(measured(tone(3)))
    assert not is_mostly_speech(measured(silence(3)))


@pytest.mark.parametrize("find", [speech_segments, onset_segments])
def test_segments_do_not_depend_on_the_block_size(words, measured, monkeypatch, find):
    recording = measured(*words, beats(3))
    expected = list(find(recording, longest_s=1))
    monkeypatch.setattr(
        "photism.drawing.video.segmentation.stream_samples",
        lambda sound, **given: stream_samples(sound, **{**given, "block_samples": 4096}),
    )
    assert list(find(recording, longest_s=1)) == expected


@pytest.mark.parametrize(("sync", "every_s"), [("beat", 0.5), ("downbeat", 2.0)])
def test_segments_of_music_begin_at_its_beats_or_bars(measured, sync, every_s):
    kick = np.concatenate([tone(0.1, hertz=70, gain=0.5), silence(1.9)])
    recording = measured(silence(0.25), 0.5 * beats(10) + np.tile(kick, 5))
    segments = list(find_segments(recording, sync, longest_s=3))
    assert segments[0].start_s == 0
    assert segments[-1].stop_s == recording.duration_s
    assert all(one.stop_s == two.start_s for one, two in pairwise(segments))
    assert [each.start_s for each in segments[1:]] == pytest.approx(np.arange(0.25, 10.2, every_s), abs=0.05)


def test_parts_without_a_beat_are_divided_evenly(measured):
    recording = measured(beats(12), silence(10))
    segments = list(find_segments(recording, "beat", longest_s=3))
    assert max(each.stop_s - each.start_s for each in segments) <= 3
    assert segments[-1].stop_s == 22
