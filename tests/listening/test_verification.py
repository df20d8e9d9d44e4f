"""Speaker verification: embeddings of transformers' model, enrolment, and the calibration of a threshold."""

import numpy as np
import pytest
import torch
import transformers

from photism import InputError, SpeakerVerifier, Waveform
from photism.listening.verification import Comparison, Verification
from tests.support.classifiers import make_extractor


@pytest.fixture
def verifier(x_vectors):
    return SpeakerVerifier.from_pretrained(x_vectors, device="cpu")


def reference(folder, recording):
    model = transformers.Wav2Vec2BertForXVector.from_pretrained(folder).eval()
    inputs = make_extractor("bert")(recording, sampling_rate=16_000, return_tensors="pt")
    length = int(inputs["attention_mask"].sum())
    with torch.inference_mode():
        return model(inputs["input_features"][:, :length]).embeddings[0]


def test_embeddings_match_transformers_and_do_not_depend_on_the_batch(verifier, x_vectors, noises):
    alone = np.stack([verifier.embed(recording) for recording in noises])
    np.testing.assert_allclose(np.linalg.norm(alone, axis=1), 1, rtol=1e-6)
    in_threes = SpeakerVerifier(verifier.model, verifier.extractor, batch_size=3)
    np.testing.assert_allclose(in_threes.embed(noises), alone, atol=1e-5)
    for index in (0, 1, 3, 4):  # the other is too short for transformers
        expected = reference(x_vectors, noises[index])
        np.testing.assert_allclose(alone[index], expected / expected.norm(), atol=1e-5)


def test_a_speaker_is_the_direction_of_the_mean_embedding(verifier, noises):
    speaker = verifier.enrol(noises[:3])
    mean = verifier.embed(noises[:3]).mean(0)
    np.testing.assert_allclose(speaker, mean / np.linalg.norm(mean), atol=1e-6)
    np.testing.assert_allclose(verifier.enrol(noises[0]), verifier.embed(noises[0]), atol=1e-6)


def test_rounding_carries_no_score_beyond_1(verifier, noises, monkeypatch):
    rounded_up = np.full(3, np.sqrt(1 / 3) * (1 + 1e-6), np.float32)
    monkeypatch.setattr(verifier, "embed", lambda _: rounded_up)
    assert float(np.dot(rounded_up, rounded_up)) > 1
    assert verifier.score(noises[0], noises[0]) == 1


def test_the_score_is_a_cosine_that_is_compared_with_the_threshold(verifier, noises):
    speaker = verifier.enrol(noises[:3])
    cosine = float(speaker @ verifier.embed(noises[3]))
    assert verifier.score(speaker, noises[3]) == pytest.approx(cosine, abs=1e-6)
    same = verifier.verify(speaker, noises[3], threshold=cosine - 0.01)
    other = verifier.verify(speaker, noises[3], threshold=cosine + 0.01)
    assert (same.is_same, other.is_same) == (True, False)
    assert verifier.score(Waveform(noises[0]), Waveform(noises[0])) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("score", "threshold", "line"),
    [
        (0.7, 0.5, "same speaker    0.70 (from 0.50 on)  Anna"),
        (-0.25, 0.5, "other speaker  -0.25 (from 0.50 on)  Anna"),
        (1.0, 0.998, "same speaker    1.00 (from 1.00 on)  Anna"),
        (0.998, 1.0, "other speaker  0.998 (from 1.000 on)  Anna"),
        (0.49999, 0.5, "other speaker  0.49999 (from 0.50000 on)  Anna"),
        (np.nextafter(1, 0), 1.0, "other speaker  0.9999999999999999 (from 1.0000000000000000 on)  Anna"),
        (0.5, np.nextafter(0.5, 1), "other speaker  0.5000000000000000 (from 0.5000000000000001 on)  Anna"),
        (1e-30, 2e-30, "other speaker  1e-30 (from 2e-30 on)  Anna"),
    ],
)
def test_the_printed_comparison_is_true(score, threshold, line):
    result = Verification(score >= threshold, float(score), float(threshold))
    assert str(Comparison("a.wav", "Anna", result)) == line


def test_a_threshold_is_calibrated_on_pairs(verifier, monkeypatch):
    angles = dict(zip("abcdefgh", np.arccos([0.9, 0.8, 0.7, 0.3, 0.6, 0.4, 0.2, 0.1]), strict=True)) | {"x": 0.0}
    embedded = []

    def stream(recordings, on_error, on_progress):
        embedded.extend(recordings)
        for number, each in enumerate(recordings):
            if each == "bad":
                on_error(number, InputError("bad"))
            else:
                yield number, np.array([np.cos(angles[each]), np.sin(angles[each])])

    monkeypatch.setattr(verifier, "stream", stream)
    found = verifier.calibrate([("x", each, each in "abcd") for each in "abcdefgh"])
    assert found.threshold == pytest.approx(0.6)
    assert (found.equal_error_rate, found.min_detection_cost, found.same, found.different) == (0.25, 0.25, 4, 4)
    assert sorted(embedded) == [*"abcdefghx"]
    pairs = [("x", "bad", True), *(("x", each, each in "abcd") for each in "abcdefgh")]
    skipped = []
    assert verifier.calibrate(pairs, on_error=lambda number, error: skipped.append(number)) == found
    assert skipped == [1]


@pytest.mark.parametrize("pairs", [[], [("x", "a", True)]])
def test_pairs_of_one_kind_cannot_be_calibrated(verifier, noises, pairs):
    recordings = dict(zip("xa", noises, strict=False))
    with pytest.raises(InputError, match=r"of the same speaker and (one )?of different ones"):
        verifier.calibrate([(recordings[one], recordings[other], same) for one, other, same in pairs])


def test_a_long_recording_is_encoded_in_windows(verifier, noises, monkeypatch):
    recording = Waveform(np.concatenate(noises))
    whole = verifier.embed(recording)
    for module in ("photism.listening.head_states", "photism.encoder.chunked"):
        monkeypatch.setattr(f"{module}.max_exact_tokens", lambda _: 100)
    monkeypatch.setattr("photism.encoder.chunked.WINDOW_TOKENS", 90)
    in_windows = verifier.embed(recording)
    assert in_windows.shape == whole.shape
    assert 1e-6 < np.abs(in_windows - whole).max() < 0.2


def test_another_head_is_refused(frame_classifier):
    with pytest.raises(InputError, match="not a Wav2Vec2BertForXVector: it classifies frames"):
        SpeakerVerifier.from_pretrained(frame_classifier)
