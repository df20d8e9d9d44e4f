"""AudioClassifier compared with transformers' pipeline, and where that pipeline fails."""

import json
import warnings

import numpy as np
import pytest
import torch
import transformers

from photism import AudioClassifier, InputError
from photism.encoder.chunked import encode_chunked
from photism.listening import classification
from tests.support.classifiers import LABELS, NAMES, give_speech_head, make_classifier

NEAR = {"rtol": 1e-5, "atol": 5e-6}
ROUGH = {"atol": 2e-2}
LENGTHS = (16_000, 9_000, 5_432, 16_000, 800, 23_001)


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """Function that returns the folder of a classifier, by its name in `classifiers`, with changed settings."""
    folder = tmp_path_factory.mktemp("classifiers")

    def checkpoint(name, **changes):
        path = folder / "-".join([name, *(f"{key}={value}" for key, value in changes.items())])
        return path if path.is_dir() else make_classifier(path, name, **changes)

    return checkpoint


@pytest.fixture
def recordings():
    noise = np.random.default_rng(0)
    return [(0.1 * noise.standard_normal(n) * np.hanning(n)).astype(np.float32) for n in LENGTHS]


def pipeline(folder, **arguments):
    return transformers.pipeline("audio-classification", model=str(folder), device="cpu", **arguments)


def in_full(answers):
    """Return scores (B, C) in the order of the labels."""
    scores = [{each["label"]: each["score"] for each in answer} for answer in answers]
    return np.array([[answer[name] for name in LABELS] for answer in scores])


def reference(folder, recordings, **arguments):
    pipe = pipeline(folder)
    answers = [pipe(recording.copy(), top_k=None, **arguments) for recording in recordings]
    return in_full(answers)


@pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")
@pytest.mark.parametrize("name", NAMES)
def test_scores_match_transformers_pipeline_alone_and_in_a_batch(checkpoints, recordings, name):
    folder = checkpoints(name)
    classifier = AudioClassifier.from_pretrained(folder, device="cpu", top_k=None)
    expected = reference(folder, recordings)
    assert np.ptp(expected, axis=0).max() > 1e-3  # the scores depend on the recordings
    alone = in_full([classifier(recording) for recording in recordings])
    np.testing.assert_allclose(alone, expected, **NEAR)
    for batch_size in (2, 6):
        together = in_full(classifier(recordings, batch_size=batch_size))
        np.testing.assert_allclose(together, alone, **NEAR)
    other = classifier.transformers_classifier
    if other and other.is_paddable:
        assert not other.pads  # on a CPU it would only cost time
        other.pads = True
        padded = in_full(classifier(recordings, batch_size=6))
        np.testing.assert_allclose(padded, alone, **NEAR)
        assert np.abs(padded - alone).max() > 0


@pytest.mark.parametrize(
    ("name", "problem", "function"),
    [
        ("bert", None, "softmax"),
        ("bert", "multi_label_classification", "sigmoid"),
        ("bert", "regression", "none"),
        ("xlsr", "multi_label_classification", "sigmoid"),
        ("wav2vec2-base", "regression", "none"),
        pytest.param("xlsr", None, "softmax", marks=pytest.mark.slow),
        pytest.param("xlsr", "regression", "none", marks=pytest.mark.slow),
        pytest.param("wav2vec2-base", None, "softmax", marks=pytest.mark.slow),
        pytest.param("wav2vec2-base", "multi_label_classification", "sigmoid", marks=pytest.mark.slow),
    ],
)
def test_the_score_function_is_that_of_the_problem_type_or_the_given_one(
    checkpoints, recordings, name, problem, function
):
    folder = checkpoints(name, problem_type=problem, use_weighted_layer_sum=True)
    classifier = AudioClassifier.from_pretrained(folder, device="cpu", top_k=None)
    np.testing.assert_allclose(in_full(classifier(recordings)), reference(folder, recordings), **NEAR)
    for other in ("softmax", "sigmoid", "none"):
        expected = reference(folder, recordings[:2], function_to_apply=other)
        np.testing.assert_allclose(in_full(classifier(recordings[:2], function_to_apply=other)), expected, **NEAR)
        made = AudioClassifier(classifier.model, classifier.extractor, top_k=None, function_to_apply=other)
        np.testing.assert_allclose(in_full(made(recordings[:2])), expected, **NEAR)
    assert classifier.default_function == function


def test_a_single_class_is_a_regression(checkpoints, recordings):
    folder = checkpoints("bert", id2label={0: "loudness"}, label2id={"loudness": 0})
    (only,) = AudioClassifier.from_pretrained(folder, device="cpu")(recordings[0])
    assert only["label"] == "loudness"
    assert only["score"] == pytest.approx(
        pipeline(folder)(recordings[0], function_to_apply="none")[0]["score"], abs=1e-6
    )


@pytest.mark.parametrize("last", ["out_proj", "output"])
def test_the_head_of_published_emotion_classifiers_is_loaded(tmp_path, recordings, last):
    folder = make_classifier(tmp_path / "emotion", "xlsr")
    give_speech_head(folder, last)
    classifier = AudioClassifier.from_pretrained(folder, device="cpu", top_k=None)
    weights = transformers.Wav2Vec2Model.from_pretrained(folder).eval()
    head = classifier.model.classifier
    for recording, row in zip(recordings, in_full(classifier(recordings, batch_size=3)), strict=True):
        values = torch.from_numpy((recording - recording.mean()) / np.sqrt(recording.var() + 1e-7))
        pooled = weights(values[None]).last_hidden_state.mean(1)
        hidden = torch.tanh(pooled @ head.dense.weight.T + head.dense.bias)
        logits = hidden @ head.out_proj.weight.T + head.out_proj.bias
        np.testing.assert_allclose(row, logits.softmax(-1)[0].detach(), atol=1e-5)


@pytest.fixture
def bert(checkpoints):
    return AudioClassifier.from_pretrained(checkpoints("bert"), device="cpu")


@pytest.mark.parametrize(("top_k", "count"), [(1, 1), (7, 7), (8, 7), (None, 7)])
def test_top_k_is_set_at_construction_and_overridden_in_a_call(bert, checkpoints, recordings, top_k, count):
    made = AudioClassifier.from_pretrained(checkpoints("bert"), device="cpu", top_k=top_k)
    assert [len(answer) for answer in made(recordings[:2])] == [count, count]
    assert len(bert(recordings[0])) == 5
    called = bert(recordings[0], top_k=top_k)
    assert called == made(recordings[0])
    assert [each["score"] for each in called] == sorted((each["score"] for each in called), reverse=True)


def test_one_recording_a_list_and_a_generator(bert, recordings, sounds):
    single = bert(recordings[0])
    assert json.loads(json.dumps(single)) == single
    assert [sorted(each) for each in single] == [["label", "score"]] * 5
    assert bert(recordings[:1])[0] == single
    stream = bert(recording for recording in recordings)
    assert iter(stream) is stream
    streamed = [answer[0]["score"] for answer in stream]
    np.testing.assert_allclose(streamed, [bert(each)[0]["score"] for each in recordings], **NEAR)
    assert bert(sounds[0].read_bytes()) == bert(str(sounds[0])) == bert({"audio": {"path": str(sounds[0])}})
    assert bert(list(map(float, recordings[0]))) == single
    assert bert(recordings[0][::2], sampling_rate=8000)[0]["label"] in LABELS
    assert bert({"raw": recordings[0], "sampling_rate": 16_000}) == single
    assert bert(torch.from_numpy(recordings[0])) == single
    assert bert(np.stack([recordings[0]] * 2)) == single


NOISE = np.random.default_rng(0).standard_normal(16_000).astype(np.float32)


@pytest.mark.parametrize(
    ("sound", "message"),
    [
        ("gone.wav", r"gone\.wav: no such file"),
        (".", "is a folder"),
        (b"", "is empty"),
        (b"some text", ": not an audio or video file"),
        (np.where(np.arange(16_000) == 9, np.nan, NOISE), "must be finite, but contain NaN"),
        (NOISE[:399], "at least 400"),
        (NOISE[:0], "has no samples"),
        (None, "recordings must be a recording or an iterable of recordings; got NoneType"),
        ([], "recordings must contain at least one recording; got an empty list"),
        ({"array": NOISE}, '"array" or "raw" and its own "sampling_rate"'),
        (NOISE.reshape(100, 160), "is ambiguous"),
        (NOISE > 0, "must be floats within"),
    ],
)
@pytest.mark.parametrize("name", ["bert", "wav2vec2-base"])
def test_an_unreadable_recording_is_an_error(checkpoints, name, sound, message):
    classifier = AudioClassifier.from_pretrained(checkpoints(name), device="cpu")
    with pytest.raises(InputError, match=message):
        classifier(sound)


@pytest.mark.parametrize("samples", [400, 559, 560])
@pytest.mark.parametrize("name", ["bert", "wav2vec2-base", "whisper", "ast"])
def test_the_shortest_recordings_have_finite_scores(checkpoints, name, samples):
    classifier = AudioClassifier.from_pretrained(checkpoints(name), device="cpu", top_k=None)
    assert np.isfinite(in_full([classifier(NOISE[:samples])])).all()
    integers = (3000 * NOISE[:samples]).astype(np.int16)
    assert np.isfinite(in_full([classifier(integers)])).all()


def test_a_recording_too_short_for_an_architecture_is_an_error(checkpoints):
    classifier = AudioClassifier.from_pretrained(checkpoints("sew"), device="cpu")
    with pytest.raises(InputError, match=r"a recording of 0\.025 s is too short for a sew"):
        classifier(NOISE[:400])


def test_a_recording_too_long_for_the_memory_is_refused(checkpoints, monkeypatch):
    classifier = AudioClassifier.from_pretrained(checkpoints("xlsr"), device="cpu")
    monkeypatch.setattr("photism.listening.transformers_classifier.free_bytes", lambda _: 2 * 3 * 8 * 4 * 16_000 // 5)
    assert classifier(NOISE)
    with pytest.raises(
        InputError, match="of 2 s is too long to be classified at once by a wav2vec2 on this machine; use windows"
    ):
        classifier(np.tile(NOISE, 2))
    (labels,) = classifier.stream(np.tile(NOISE, 2), window_s=1.0)
    assert len(labels.windows) == 3
    monkeypatch.setattr("photism.listening.transformers_classifier.MAX_EXACT_TOKENS", 48)
    with pytest.raises(InputError, match="of 1 s is too long to be classified at once"):
        classifier(NOISE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"top_k": 0}, "top_k must be at least 1; got 0"),
        ({"top_k": -1}, "top_k must be at least 1; got -1"),
        ({"function_to_apply": "max"}, "function_to_apply must be one of softmax, sigmoid, none; got max"),
        ({"batch_size": 0}, "batch_size must be at least 1; got 0"),
        ({"num_workers": -1}, "num_workers must be at least 0; got -1"),
    ],
)
def test_a_setting_out_of_range_is_an_error(bert, arguments, message):
    with pytest.raises(InputError, match=message):
        AudioClassifier(bert.model, bert.extractor, **arguments)
    with pytest.raises(InputError, match=message):
        bert([NOISE], **arguments)


def test_windows_are_classified_as_recordings_of_their_own(bert, recordings):
    (labels,) = bert.stream(recordings[5], window_s=0.5, hop_s=0.25, top_k=None)
    assert labels.duration_s == 23_001 / 16_000
    starts = [round(window.start_s * 16_000) for window in labels.windows]
    assert starts == [0, 4000, 8000, 12_000, 15_001]
    alone = bert([recordings[5][start : start + 8000] for start in starts], top_k=None)
    np.testing.assert_allclose(in_full([window.scores for window in labels.windows]), in_full(alone), **NEAR)
    assert labels.segments[0].start_s == 0
    assert labels.segments[-1].end_s == labels.duration_s


def test_a_call_classifies_whole_recordings_only(bert, recordings):
    with pytest.raises(TypeError, match="has no argument 'window_s'"):
        bert(recordings[0], window_s=0.5)
    with pytest.raises(TypeError, match="has no argument 'window_s'"):
        AudioClassifier(bert.model, bert.extractor, window_s=0.5)


def test_a_recording_shorter_than_a_window_is_one_window(bert, recordings):
    (labels,) = bert.stream(recordings[4], window_s=0.5)
    best = labels.windows[0].scores[0]
    assert labels.segments == ((0, labels.duration_s, best["label"], best["score"]),)


def test_two_classifiers_share_a_model(checkpoints, recordings):
    one = AudioClassifier.from_pretrained(checkpoints("wav2vec2-base"), device="cpu", top_k=None)
    names = one.model.state_dict().keys()
    assert (
        names
        == transformers.AutoModelForAudioClassification.from_pretrained(one.model.config._name_or_path)
        .state_dict()
        .keys()
    )
    alone = in_full(one(recordings))
    other = AudioClassifier(one.model, one.extractor, names=one.names, top_k=None)
    one.transformers_classifier.pads = True
    other.transformers_classifier.pads = True
    for each in (one, other, one):
        np.testing.assert_allclose(in_full(each(recordings, batch_size=6)), alone, **NEAR)
        np.testing.assert_allclose(in_full(each(recordings[:3], batch_size=6)), alone[:3], **NEAR)


@pytest.mark.parametrize("windows", [{}, {"window_s": 0.5, "hop_s": 0.25}])
def test_the_progress_counts_each_second_once(bert, recordings, windows):
    reported = []
    for _ in bert.stream([recordings[5], recordings[3]], **windows, on_progress=lambda *each: reported.append(each)):
        pass
    assert len(reported) == (5 + 3 if windows else 2)
    for number, duration_s in enumerate((23_001 / 16_000, 1.0)):
        seconds = [done_s for which, done_s, whole_s in reported if which == number and whole_s == duration_s]
        assert seconds == sorted(seconds)
        assert seconds[-1] == duration_s


def test_recordings_in_windows_are_labelled_in_order(bert, recordings):
    skipped = []
    broken = [recordings[0], b"broken", recordings[5], recordings[4], "gone.wav"]
    found = list(bert.stream(broken, window_s=0.5, batch_size=3, on_error=lambda *each: skipped.append(each)))
    assert [(labels.number, len(labels.windows)) for labels in found] == [(0, 3), (2, 5), (3, 1)]
    assert [number for number, _ in skipped] == [1, 4]
    with pytest.raises(InputError, match="not an audio or video file"):
        list(bert.stream(broken))


def test_labels_below_the_threshold_are_not_reported(checkpoints, recordings):
    folder = checkpoints("bert", problem_type="multi_label_classification")
    classifier = AudioClassifier.from_pretrained(folder, device="cpu", top_k=None)
    (whole,) = classifier.stream(recordings[0])
    assert len(whole.segments) == len(whole.windows[0].scores) == 7
    fourth = whole.windows[0].scores[3]["score"]
    (some,) = classifier.stream(recordings[0], threshold=fourth)
    assert [{"label": segment.label, "score": segment.score} for segment in some.segments] == list(
        whole.windows[0].scores[:4]
    )
    assert len(some.windows[0].scores) == 7
    (half,) = classifier.stream(recordings[0], window_s=0.25)
    assert half == next(classifier.stream(recordings[0], window_s=0.25, threshold=0.5))
    present = {each["label"] for window in half.windows for each in window.scores if each["score"] >= 0.5}
    assert {segment.label for segment in half.segments} == present


def test_a_long_recording_is_pooled_over_windows(checkpoints, recordings, monkeypatch):
    long = np.concatenate(recordings)
    windows = []

    def spy(*arguments, **keywords):
        windows.append(encode_chunked(*arguments, **keywords))
        return windows[-1]

    for name in ("bert", "bert-sum"):
        classifier = AudioClassifier.from_pretrained(checkpoints(name), device="cpu", top_k=None)
        whole = in_full([classifier(long)])
        monkeypatch.setattr(classification, "max_exact_tokens", lambda _: 100)
        monkeypatch.setattr("photism.encoder.chunked.max_exact_tokens", lambda _: 100)
        monkeypatch.setattr("photism.encoder.chunked.WINDOW_TOKENS", 90)
        monkeypatch.setattr("photism.listening.head_states.encode_chunked", spy)
        found = in_full(classifier([long, recordings[0], long]))
        assert [each.windows for each in windows[-2:]] == [3, 3]
        np.testing.assert_allclose(found[[0, 2]], np.repeat(whole, 2, 0), atol=0.03)
        assert np.abs(found[0] - whole).max() > 1e-6
        monkeypatch.undo()
        np.testing.assert_allclose(found[1], in_full([classifier(recordings[0])])[0], **NEAR)


def test_recordings_that_do_not_fit_together_are_computed_separately(bert, recordings, monkeypatch):
    together = in_full(bert(recordings, top_k=None, batch_size=6))
    monkeypatch.setattr(classification, "max_exact_tokens", lambda _: 75)
    seen = []
    forward = bert.model.forward
    monkeypatch.setattr(bert.model, "forward", lambda *a: seen.append(len(a[0])) or forward(*a))
    np.testing.assert_allclose(in_full(bert(recordings, top_k=None, batch_size=6)), together, **NEAR)
    assert sum(seen) == 6
    assert len(seen) > 2


def test_half_precision_is_close(checkpoints, recordings):
    # For groups of fewer than 16 channels, torch 2.13's bfloat16 convolution is wrong on CPUs with AMX. Published
    # checkpoints have 48 and more.
    for name, changes in (("bert", {}), ("xlsr", {"num_conv_pos_embedding_groups": 1})):
        folder = checkpoints(name, **changes)
        exact = AudioClassifier.from_pretrained(folder, device="cpu", top_k=None)
        rough = AudioClassifier.from_pretrained(folder, device="cpu", top_k=None, dtype="bfloat16")
        assert rough.model.dtype == torch.bfloat16
        found = in_full(rough(recordings))
        np.testing.assert_allclose(found, in_full(exact(recordings)), **ROUGH)
    with pytest.raises(InputError, match="dtype must be one of float32, float16, bfloat16; got int8"):
        AudioClassifier.from_pretrained(folder, dtype="int8")


def test_a_recording_that_the_model_cuts_is_warned_of_once(checkpoints, recordings, caplog):
    classifier = AudioClassifier.from_pretrained(checkpoints("whisper"), device="cpu")
    assert classifier.max_duration_s == 1
    classifier(recordings[0])
    assert not caplog.records
    classifier([recordings[5], recordings[5]])
    (record,) = caplog.records
    assert record.getMessage() == "whisper sees only the first 1 s; use windows for longer recordings"
    list(classifier.stream(recordings[5], window_s=1.0))
    assert len(caplog.records) == 1


def test_no_warnings_are_emitted(checkpoints, recordings):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("bert", "xlsr", "wav2vec2-base"):
            AudioClassifier.from_pretrained(checkpoints(name), device="cpu")(recordings)
