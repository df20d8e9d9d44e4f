"""Recordings of more than an hour, which are read in blocks, get the results of those that are held in memory."""

import numpy as np
import pytest
import torch

from photism import (
    AudioClassifier,
    AudioPromptEncoder,
    AudioToImagePipeline,
    CaptionRanker,
    SpeakerTimeline,
    SpeakerVerifier,
    Waveform,
)
from tests.support.classifiers import make_classifier
from tests.support.long_recordings import encoded_in_windows, read_in_blocks

NEAR = {"rtol": 1e-4, "atol": 1e-4}
NOISE = (0.1 * np.random.default_rng(0).standard_normal(61_234) * np.hanning(61_234)).astype(np.float32)
RECORDINGS = [Waveform(NOISE), Waveform(NOISE[:9000]), Waveform(NOISE[::-1].copy())]


def both(compute):
    """Compute with recordings that are held in memory and with recordings that are read in blocks."""
    with encoded_in_windows():
        held = compute()
    with read_in_blocks():
        return held, compute()


def scores(labels):
    """Return the scores (R, C) of recordings, by the names of the classes."""
    return np.array([[each["score"] for each in sorted(some.windows[0].scores, key=str)] for some in labels])


@pytest.fixture(scope="module", params=["bert", "bert-sum", "ast", "xlsr"])
def classifier(request, tmp_path_factory):
    folder = make_classifier(tmp_path_factory.mktemp("classifier") / request.param, request.param)
    return AudioClassifier.from_pretrained(folder, device="cpu", top_k=None)


def test_classes_of_whole_recordings(classifier):
    held, read = both(lambda: list(classifier.stream(RECORDINGS)))
    assert np.ptp(scores(held), axis=0).max() > 1e-4
    np.testing.assert_allclose(scores(read), scores(held), **NEAR)
    for some in zip(held, read, strict=True):
        assert len({(each.number, each.duration_s) for each in some}) == 1


# Windows and progress do not depend on the layer sum, nor on which of the transformers' models it is.
some_classifiers = pytest.mark.parametrize(
    "classifier",
    ["bert", pytest.param("bert-sum", marks=pytest.mark.slow), "ast", pytest.param("xlsr", marks=pytest.mark.slow)],
    indirect=True,
)


@some_classifiers
@pytest.mark.parametrize("hop_s", [None, 0.7])
def test_classes_of_windows(classifier, hop_s):
    held, read = both(lambda: list(classifier.stream(RECORDINGS, window_s=1, hop_s=hop_s, batch_size=3)))
    assert read == held
    assert len(held[0].windows) > 4


@pytest.mark.parametrize("space", ["sd", "xl"])
def test_captions(models, space):
    ranker = CaptionRanker.from_pretrained(models / space, device="cpu")
    held, read = both(lambda: list(ranker.stream(RECORDINGS, top_k=None)))
    np.testing.assert_allclose(scores(read), scores(held), **NEAR)
    held, read = both(lambda: list(ranker.stream(RECORDINGS, top_k=1, window_s=1)))
    for one, other in zip(held, read, strict=True):
        assert [segment[:3] for segment in other.segments] == [segment[:3] for segment in one.segments]
    held, read = both(lambda: ranker.rank(RECORDINGS))
    assert [[each["caption"] for each in some] for some in read] == [
        [each["caption"] for each in some] for some in held
    ]


def test_captions_of_the_bundled_model():
    ranker = CaptionRanker.from_pretrained(device="cpu")
    held, read = both(lambda: list(ranker.stream(RECORDINGS[:1], captions=["Rain.", "A dog."])))
    np.testing.assert_allclose(scores(read), scores(held), **NEAR)


def test_prompts_of_a_fixed_number_of_inputs(models):
    encoder = AudioPromptEncoder.from_pretrained(models / "sd").eval()
    for name in ("input_tokens", "max_input_tokens"):
        for tokens in (30, 300):
            setattr(encoder.config, name, tokens)
            held, read = both(lambda: encoder.encode(RECORDINGS, batch_size=2))
            torch.testing.assert_close(read.prompt_embeds, held.prompt_embeds, rtol=1e-4, atol=1e-3)
            assert read.windows == held.windows
        setattr(encoder.config, name, None)


def test_speaker_turns(frame_classifier):
    timeline = SpeakerTimeline.from_pretrained(frame_classifier, device="cpu", threshold=0.4, min_on_s=0)
    held, read = both(lambda: list(timeline.stream(RECORDINGS)))
    assert sum(len(each.turns) for each in held) > 3
    for one, other in zip(held, read, strict=True):
        assert (one.number, one.duration_s) == (other.number, other.duration_s)
        assert [turn[:3] for turn in other.turns] == [turn[:3] for turn in one.turns]
        np.testing.assert_allclose([turn.score for turn in other.turns], [turn.score for turn in one.turns], **NEAR)


def test_speaker_embeddings(x_vectors):
    verifier = SpeakerVerifier.from_pretrained(x_vectors, device="cpu")
    held, read = both(lambda: verifier.embed(RECORDINGS))
    np.testing.assert_allclose(read, held, **NEAR)
    held, read = both(lambda: verifier.score(verifier.enrol(RECORDINGS[:2]), RECORDINGS[2]))
    assert read == pytest.approx(held, abs=1e-4)


@some_classifiers
def test_the_progress_of_a_long_recording_rises_to_its_duration(classifier, models, frame_classifier, x_vectors):
    streams = {
        "label": classifier.stream,
        "windows": lambda *given, **callbacks: classifier.stream(*given, **callbacks, window_s=0.5),
        "hear": CaptionRanker.from_pretrained(models / "sd", device="cpu").stream,
        "timeline": SpeakerTimeline.from_pretrained(frame_classifier, device="cpu").stream,
        "embed": SpeakerVerifier.from_pretrained(x_vectors, device="cpu").stream,
    }
    for name, stream in streams.items():
        reported = []
        with read_in_blocks():
            list(stream(RECORDINGS[:1], on_progress=lambda *values, reported=reported: reported.append(values)))
        numbers, processed_s, durations_s = zip(*reported, strict=True)
        assert (set(numbers), set(durations_s)) == ({0}, {RECORDINGS[0].duration_s}), name
        assert list(processed_s) == sorted(processed_s), name
        assert processed_s[-1] == pytest.approx(RECORDINGS[0].duration_s), name
        assert len(reported) > 3 or (name == "label" and classifier.transformers_classifier), name


def test_images(models):
    pipeline = AudioToImagePipeline.from_pretrained(models / "sd", device="cpu")
    held, read = both(lambda: pipeline(RECORDINGS[:2], num_inference_steps=2, height=16, width=16))
    torch.testing.assert_close(read.prompts.prompt_embeds, held.prompts.prompt_embeds, rtol=1e-4, atol=1e-3)
    assert len(read.images) == 2
