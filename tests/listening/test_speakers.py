"""Speakers: turns worked by hand, embeddings beside transformers', thresholds, and files that are read back."""

import numpy as np
import pytest
import torch
import transformers

from photism import InputError, SpeakerTimeline, SpeakerVerifier, Waveform
from photism.listening.diarization import TurnRules, as_rttm, as_srt, read_rttm
from photism.listening.embeddings import load_embeddings, save_embeddings
from photism.listening.verification import Calibration
from photism.listening.windows import Segment
from tests.support.classifiers import make_extractor
from tests.support.speaker_models import make_speaker_model


@pytest.fixture(scope="module")
def x_vectors(tmp_path_factory):
    return make_speaker_model(tmp_path_factory.mktemp("x"), "XVector")


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    return make_speaker_model(tmp_path_factory.mktemp("frames"), "AudioFrameClassification")


@pytest.fixture
def verifier(x_vectors):
    return SpeakerVerifier.from_pretrained(x_vectors, device="cpu")


@pytest.fixture
def recordings():
    noise = np.random.default_rng(0)
    return [(0.1 * noise.standard_normal(n)).astype(np.float32) for n in (16_000, 9_000, 400, 12_345, 23_000)]


def reference(folder, head, recording):
    model = getattr(transformers, f"Wav2Vec2BertFor{head}").from_pretrained(folder).eval()
    inputs = make_extractor("bert")(recording, sampling_rate=16_000, return_tensors="pt")
    length = int(inputs["attention_mask"].sum())
    with torch.inference_mode():
        return model(inputs["input_features"][:, :length])


def test_embeddings_are_transformers_and_do_not_depend_on_the_batch(verifier, x_vectors, recordings):
    alone = np.stack([verifier.embed(recording) for recording in recordings])
    np.testing.assert_allclose(np.linalg.norm(alone, axis=1), 1, rtol=1e-6)
    verifier.batch_size = 3
    np.testing.assert_allclose(verifier.embed(recordings), alone, atol=1e-5)
    for index in (0, 1, 3, 4):  # the other is too short for transformers
        wanted = reference(x_vectors, "XVector", recordings[index]).embeddings[0]
        np.testing.assert_allclose(alone[index], wanted / wanted.norm(), atol=1e-5)


def test_a_speaker_is_the_direction_of_the_mean(verifier, recordings):
    speaker = verifier.enrol(recordings[:3])
    mean = verifier.embed(recordings[:3]).mean(0)
    np.testing.assert_allclose(speaker, mean / np.linalg.norm(mean), atol=1e-6)
    np.testing.assert_allclose(verifier.enrol(recordings[0]), verifier.embed(recordings[0]), atol=1e-6)
    wanted = float(speaker @ verifier.embed(recordings[3]))
    assert verifier.score(speaker, recordings[3]) == pytest.approx(wanted, abs=1e-6)
    same = verifier.verify(speaker, recordings[3], threshold=wanted - 0.01)
    other = verifier.verify(speaker, recordings[3], threshold=wanted + 0.01)
    assert (same.is_same, other.is_same) == (True, False)
    assert verifier.score(Waveform(recordings[0]), Waveform(recordings[0])) == pytest.approx(1, abs=1e-5)


def test_a_threshold_is_calibrated_on_the_users_pairs(verifier, recordings, monkeypatch):
    angles = dict(zip("abcdefgh", np.arccos([0.9, 0.8, 0.7, 0.3, 0.6, 0.4, 0.2, 0.1]), strict=True)) | {"x": 0.0}
    asked = []

    def embed(sounds, on_heard):
        asked.extend(sounds)
        return np.array([[np.cos(angles[sound]), np.sin(angles[sound])] for sound in sounds])

    monkeypatch.setattr(verifier, "embed", embed)
    found = verifier.calibrate([("x", each, each in "abcd") for each in "abcdefgh"])
    assert found.threshold == pytest.approx(0.6)
    assert (found.equal_error_rate, found.min_detection_cost, found.same, found.different) == (0.25, 0.25, 4, 4)
    assert sorted(asked) == [*"abcdefghx"]
    for pairs in ([], [("x", "a", True)]):
        with pytest.raises(InputError, match="pair"):
            verifier.calibrate(pairs)


def test_files_are_read_back(tmp_path):
    found = Calibration(0.5, 0.1, 0.9, 3, 4)
    found.save(tmp_path / "c.json")
    assert Calibration.load(tmp_path / "c.json") == found
    (tmp_path / "c.json").write_text('{"a": 1}')
    with pytest.raises(InputError, match=r"c\.json cannot be read"):
        Calibration.load(tmp_path / "c.json")
    rows = {"a b/c.wav": np.ones(3, np.float32), "Ελληνικά": np.zeros(3, np.float32)}
    for ending in ("safetensors", "npz"):
        save_embeddings(rows, tmp_path / f"e.{ending}")
        held = load_embeddings(tmp_path / f"e.{ending}")
        assert held.keys() == rows.keys()
        assert all(np.array_equal(held[name], rows[name]) for name in rows)
        (tmp_path / f"e.{ending}").write_bytes(b"broken")
        with pytest.raises(InputError, match="cannot be read"):
            load_embeddings(tmp_path / f"e.{ending}")
    with pytest.raises(InputError, match=r"ends in \.safetensors or \.npz; got e\.csv"):
        save_embeddings(rows, "e.csv")


ACTIVITY = np.array([[0.9, 0.1], [0.8, 0.6], [0.1, 0.7], [0.9, 0.8], [0.2, 0.2], [0.1, 0.5], [0.1, 0.1]])


def turns(**rules):
    found = TurnRules(**rules).turns(ACTIVITY, ["Anna", "Ben"], token_s=0.1, duration_s=0.75)
    return [(round(turn.start_s, 9), round(turn.end_s, 9), turn.label) for turn in found]


def test_turns_by_hand():
    plain = {"min_on_s": 0, "min_off_s": 0}
    every = [(0, 0.2, "Anna"), (0.1, 0.4, "Ben"), (0.3, 0.4, "Anna"), (0.5, 0.6, "Ben")]
    assert turns(**plain) == every
    assert turns(**plain, threshold=0.55) == every[:3]
    # The pause of .1 s of either is filled where .1 s is too short, and not where it is long enough.
    assert turns(min_on_s=0, min_off_s=0.1) == every
    assert turns(min_on_s=0, min_off_s=0.11) == [(0, 0.4, "Anna"), (0.1, 0.6, "Ben")]
    assert turns(min_on_s=0.2, min_off_s=0) == every[:2]
    assert turns(min_on_s=0.1, min_off_s=0) == every
    alone = [(0, 0.2, "Anna"), (0.2, 0.3, "Ben"), (0.3, 0.4, "Anna"), (0.5, 0.6, "Ben")]
    assert turns(**plain, overlap=False) == alone
    assert turns(min_on_s=0, min_off_s=0.11, overlap=False) == alone
    assert turns(min_on_s=0, min_off_s=0.21, overlap=False) == [*alone[:1], (0.2, 0.3, "Ben"), *alone[2:]]
    (first, *_) = TurnRules(**plain).turns(ACTIVITY, ["Anna", "Ben"], token_s=0.1, duration_s=0.75)
    assert first.score == pytest.approx(0.85)
    (last,) = TurnRules(**plain).turns(np.ones((7, 1)), ["Anna"], token_s=0.1, duration_s=0.75)
    assert last.end_s == 0.75


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"threshold": 0}, "threshold must be above 0 and below 1; got 0"),
        ({"min_on_s": -1}, "min_on_s must be 0 or more seconds; got -1"),
        ({"min_off_s": float("nan")}, "min_off_s must be 0 or more seconds; got nan"),
    ],
)
def test_rules_that_cannot_be(rules, message):
    with pytest.raises(InputError, match=message):
        TurnRules(**rules)


def test_activity_is_transformers(frames, recordings):
    timeline = SpeakerTimeline.from_pretrained(frames, device="cpu")
    for recording in recordings[:2]:
        wanted = reference(frames, "AudioFrameClassification", recording).logits[0].sigmoid()
        np.testing.assert_allclose(timeline.activity(Waveform(recording)), wanted, atol=1e-5)
    assert timeline.names == ("Anna", "Ben", "Clara")
    broken = [recordings[0], b"no sound", recordings[1]]
    told = []
    found = list(timeline.stream(broken, on_error=lambda number, error: told.append(number)))
    assert ([each.number for each in found], told) == ([0, 2], [1])
    assert timeline(recordings[0]) == found[0].turns


def test_frames_of_which_one_class_is_right(tmp_path, recordings):
    folder = make_speaker_model(tmp_path, "AudioFrameClassification", problem_type="single_label_classification")
    activity = SpeakerTimeline.from_pretrained(folder, device="cpu").activity(Waveform(recordings[0]))
    np.testing.assert_allclose(activity.sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", ["XVector", "AudioFrameClassification"])
def test_a_long_recording_goes_through_windows(x_vectors, frames, recordings, monkeypatch, name):
    if name == "XVector":
        compute = SpeakerVerifier.from_pretrained(x_vectors, device="cpu").embed
    else:
        compute = SpeakerTimeline.from_pretrained(frames, device="cpu").activity
    long = Waveform(np.concatenate(recordings))
    whole = compute(long)
    for module in ("photism.listening.head_states", "photism.encoder.chunked", "photism.listening.verification"):
        monkeypatch.setattr(f"{module}.longest_exact", lambda _: 100)
    monkeypatch.setattr("photism.encoder.chunked.WINDOW_TOKENS", 90)
    parted = compute(long)
    assert parted.shape == whole.shape
    assert 1e-6 < np.abs(parted - whole).max() < 0.2


def test_another_head_is_told(x_vectors, frames, tmp_path):
    with pytest.raises(InputError, match="is a Wav2Vec2BertForXVector, not a Wav2Vec2BertForAudioFrameClassification"):
        SpeakerTimeline.from_pretrained(x_vectors)
    with pytest.raises(InputError, match="not a Wav2Vec2BertForXVector: it classifies frames"):
        SpeakerVerifier.from_pretrained(frames)
    with pytest.raises(InputError, match=r"but has no config\.json"):
        SpeakerVerifier.from_pretrained(tmp_path)


TURNS = [Segment(0, 1.5, "Anna B", 0.9), Segment(3661.25, 3662.0, "C", 0.8)]


def test_rttm_and_subtitles():
    text = as_rttm("a talk", TURNS)
    assert text.splitlines()[0] == "SPEAKER a_talk 1 0.000 1.500 <NA> <NA> Anna_B <NA> <NA>"
    assert read_rttm("SPKR-INFO x\n\n" + text) == {
        "a_talk": [Segment(0, 1.5, "Anna_B", 1), Segment(3661.25, 3662.0, "C", 1)]
    }
    with pytest.raises(InputError, match="line 1 is no turn in RTTM: 'SPEAKER x 1 a b'"):
        read_rttm("SPEAKER x 1 a b")
    assert as_srt(TURNS) == "1\n00:00:00,000 --> 00:00:01,500\nAnna B\n\n2\n01:01:01,250 --> 01:01:02,000\nC\n"
