"""Diarization: turns worked by hand, and the activity of transformers' model."""

import numpy as np
import pytest
import torch
import transformers

from photism import InputError, SpeakerTimeline, Waveform
from photism.listening.diarization import find_turns
from photism.listening.settings import TimelineSettings
from tests.support.classifiers import make_extractor
from tests.support.speaker_models import make_speaker_model

ACTIVITY = np.array([[0.9, 0.1], [0.8, 0.6], [0.1, 0.7], [0.9, 0.8], [0.2, 0.2], [0.1, 0.5], [0.1, 0.1]])


def turns_of(activity=ACTIVITY, names=("Anna", "Ben"), **settings):
    return find_turns(activity, names, TimelineSettings(**settings), frame_s=0.1, duration_s=0.75)


def times(**settings):
    return [(round(turn.start_s, 9), round(turn.end_s, 9), turn.label) for turn in turns_of(**settings)]


def test_turns_by_hand():
    exact = {"min_on_s": 0, "min_off_s": 0}
    expected = [(0, 0.2, "Anna"), (0.1, 0.4, "Ben"), (0.3, 0.4, "Anna"), (0.5, 0.6, "Ben")]
    assert times(**exact) == expected
    assert times(**exact, threshold=0.55) == expected[:3]
    first, *_ = turns_of(**exact)
    assert first.score == pytest.approx(0.85)


def test_a_pause_is_filled_below_its_minimum_length():
    expected = times(min_on_s=0, min_off_s=0)
    assert times(min_on_s=0, min_off_s=0.1) == expected
    assert times(min_on_s=0, min_off_s=0.11) == [(0, 0.4, "Anna"), (0.1, 0.6, "Ben")]


def test_a_turn_is_dropped_below_its_minimum_length():
    expected = times(min_on_s=0, min_off_s=0)
    assert times(min_on_s=0.1, min_off_s=0) == expected
    assert times(min_on_s=0.2, min_off_s=0) == expected[:2]


def test_without_overlap_the_most_probable_speaker_has_the_turn():
    alone = [(0, 0.2, "Anna"), (0.2, 0.3, "Ben"), (0.3, 0.4, "Anna"), (0.5, 0.6, "Ben")]
    assert times(min_on_s=0, min_off_s=0, overlap=False) == alone
    # A pause is not filled while the other speaker is active.
    assert times(min_on_s=0, min_off_s=0.11, overlap=False) == alone
    assert times(min_on_s=0, min_off_s=0.21, overlap=False) == [*alone[:1], (0.2, 0.3, "Ben"), *alone[2:]]


def test_the_last_turn_ends_with_the_recording():
    (turn,) = turns_of(np.ones((7, 1)), ["Anna"], min_on_s=0, min_off_s=0)
    assert turn.end_s == 0.75


def reference(folder, recording):
    model = transformers.Wav2Vec2BertForAudioFrameClassification.from_pretrained(folder).eval()
    inputs = make_extractor("bert")(recording, sampling_rate=16_000, return_tensors="pt")
    length = int(inputs["attention_mask"].sum())
    with torch.inference_mode():
        return model(inputs["input_features"][:, :length]).logits[0].sigmoid()


def test_activity_matches_transformers(frame_classifier, noises):
    timeline = SpeakerTimeline.from_pretrained(frame_classifier, device="cpu")
    for recording in noises[:2]:
        expected = reference(frame_classifier, recording)
        np.testing.assert_allclose(timeline.activity(Waveform(recording)), expected, atol=1e-5)
    assert timeline.names == ("Anna", "Ben", "Clara")


def test_unreadable_recordings_are_skipped(frame_classifier, noises):
    timeline = SpeakerTimeline.from_pretrained(frame_classifier, device="cpu")
    skipped = []
    recordings = [noises[0], b"no sound", noises[1]]
    found = list(timeline.stream(recordings, on_error=lambda number, error: skipped.append(number)))
    assert ([each.number for each in found], skipped) == ([0, 2], [1])
    assert timeline(noises[0]) == found[0].turns


def test_a_call_overrides_the_settings_of_the_constructor(frame_classifier, noises):
    timeline = SpeakerTimeline.from_pretrained(frame_classifier, device="cpu", threshold=0.999)
    assert timeline(noises[0]) == ()
    turns = timeline(noises[0], threshold=0.01)
    assert turns == SpeakerTimeline.from_pretrained(frame_classifier, device="cpu")(noises[0], threshold=0.01)
    assert turns


def test_probabilities_of_a_single_label_model_add_up_to_one(tmp_path, noises):
    folder = make_speaker_model(tmp_path, "AudioFrameClassification", problem_type="single_label_classification")
    activity = SpeakerTimeline.from_pretrained(folder, device="cpu").activity(Waveform(noises[0]))
    np.testing.assert_allclose(activity.sum(1), 1, rtol=1e-5)


def test_a_long_recording_is_encoded_in_windows(frame_classifier, noises, monkeypatch):
    activity = SpeakerTimeline.from_pretrained(frame_classifier, device="cpu").activity
    recording = Waveform(np.concatenate(noises))
    whole = activity(recording)
    for module in ("photism.listening.head_states", "photism.encoder.chunked"):
        monkeypatch.setattr(f"{module}.max_exact_tokens", lambda _: 100)
    monkeypatch.setattr("photism.encoder.chunked.WINDOW_TOKENS", 90)
    in_windows = activity(recording)
    assert in_windows.shape == whole.shape
    assert 1e-6 < np.abs(in_windows - whole).max() < 0.2


def test_another_head_is_refused(x_vectors, tmp_path):
    with pytest.raises(InputError, match="is a Wav2Vec2BertForXVector, not a Wav2Vec2BertForAudioFrameClassification"):
        SpeakerTimeline.from_pretrained(x_vectors)
    with pytest.raises(InputError, match=r"but has no config\.json"):
        SpeakerTimeline.from_pretrained(tmp_path)
