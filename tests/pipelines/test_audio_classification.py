"""The audio-classification pipeline compared with that of transformers."""

import json
from copy import deepcopy

import numpy as np
import pytest
import torch
import transformers

from photism import AudioClassificationPipeline, InputError, pipeline
from tests.support.classifiers import LABELS

NAMES = ("bert", "wav2vec2-base", "xlsr", "whisper", "ast")


@pytest.fixture
def both(classifiers):
    """Function that returns transformers' pipeline and ours for a checkpoint."""

    def pipelines(name, **arguments):
        folder = str(classifiers(name))
        theirs = transformers.pipeline("audio-classification", model=folder, device="cpu", **arguments)
        return theirs, pipeline("audio-classification", model=folder, device="cpu", **arguments)

    return pipelines


def assert_equal(ours, theirs):
    """Check that results have the same structure and labels, and scores that differ by less than 1e-4."""
    if isinstance(theirs, dict):
        assert ours.keys() == theirs.keys()
        assert ours["label"] == theirs["label"]
        assert isinstance(ours["score"], float)
        assert ours["score"] == pytest.approx(theirs["score"], abs=1e-4)
    else:
        assert isinstance(ours, list)
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_equal(one, other)


@pytest.mark.parametrize("name", NAMES)
def test_results_are_those_of_transformers(both, recordings, name):
    theirs, ours = both(name)
    for arguments in ({}, {"top_k": 2}, {"top_k": None}, {"top_k": 99}, {"function_to_apply": "none"}):
        expected = [theirs(recording.copy(), **arguments) for recording in recordings]
        assert_equal(ours(recordings, **arguments), expected)
        assert_equal(ours(recordings[0], **arguments), expected[0])
    assert len(ours(recordings[0])) == len(LABELS)
    assert json.loads(json.dumps(ours(recordings[0]))) == ours(recordings[0])


FUNCTIONS = {
    "regression": "none",
    "multi_label_classification": "sigmoid",
    "single_label_classification": "softmax",
}


@pytest.mark.parametrize("problem", FUNCTIONS)
def test_the_default_function_is_that_of_the_problem(both, recordings, problem):
    theirs, ours = both("wav2vec2-base")
    ours.model.config.problem_type = problem
    # transformers 5.20 applies softmax to every problem by default.
    assert_equal(ours(recordings[0]), theirs(recordings[0].copy(), function_to_apply=FUNCTIONS[problem]))


@pytest.mark.parametrize("batch_size", [1, 2])
def test_inputs_of_every_form(both, recordings, sounds, batch_size):
    from transformers.pipelines.pt_utils import KeyDataset

    _, ours = both("bert", batch_size=batch_size)
    rows = [{"audio": {"array": each, "sampling_rate": 16_000, "path": "gone.wav"}} for each in recordings]
    expected = [ours(recording) for recording in recordings]
    assert_equal(ours(inputs=recordings[0]), expected[0])
    assert_equal(ours(recordings, batch_size=3), expected)
    assert_equal(ours(tuple(recordings)), expected)
    assert_equal(ours(rows), expected)
    for stream in (ours(each for each in recordings), ours(KeyDataset(rows, "audio"))):
        assert iter(stream) is stream
        assert_equal(list(stream), expected)
    assert_equal(ours({"raw": recordings[0].astype(np.float64), "sampling_rate": 16_000}), expected[0])
    assert_equal(ours(torch.from_numpy(recordings[0])), expected[0])
    assert_equal(ours([str(sounds[0]), sounds[0].read_bytes()]), [ours(sounds[0])] * 2)


def test_defaults_of_the_constructor_hold_unless_a_call_has_others(classifiers, recordings):
    made = pipeline(model=classifiers("bert"), device="cpu", top_k=2, function_to_apply="sigmoid", num_workers=0)
    assert len(made(recordings[0])) == 2
    assert len(made(recordings[0], top_k=None)) == len(LABELS)
    assert made(recordings[0])[0]["score"] > 0.3
    assert made(recordings[0], function_to_apply="softmax")[0]["score"] < made(recordings[0])[0]["score"]


def test_by_hand_as_documented(classifiers, recordings):
    folder = classifiers("bert")
    model = transformers.AutoModelForAudioClassification.from_pretrained(folder).eval()
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    made = AudioClassificationPipeline(
        model=model,
        feature_extractor=extractor,
        modelcard=None,
        framework="pt",
        task="audio-classification",
        num_workers=8,
        batch_size=1,
        args_parser=None,
        device=-1,
        tokenizer=None,
        image_processor=None,
        torch_dtype=torch.float32,
        binary_output=False,
    )
    theirs = transformers.AudioClassificationPipeline(model=model, feature_extractor=extractor, device=-1)
    assert_equal(made(recordings), theirs(recordings))
    assert isinstance(made, transformers.Pipeline)
    assert (made.task, made.device, made.model) == ("audio-classification", torch.device("cpu"), model)
    assert made.predict(recordings[0]) == made(recordings[0])


def test_a_processor_has_the_feature_extractor(ctc_checkpoints, classifiers, recordings):
    model = pipeline("audio-classification", model=classifiers("bert"), device="cpu").model
    processor = transformers.AutoProcessor.from_pretrained(ctc_checkpoints / "w2v-bert")
    made = AudioClassificationPipeline(model=model, processor=processor, device=-1)
    expected = AudioClassificationPipeline(model=model, feature_extractor=processor.feature_extractor, device=-1)
    assert made(recordings[0]) == expected(recordings[0])


def test_transformers_makes_it_as_pipeline_class_and_it_saves_its_parts(classifiers, recordings, tmp_path):
    folder = str(classifiers("xlsr"))
    made = transformers.pipeline(
        "audio-classification", model=folder, device="cpu", pipeline_class=AudioClassificationPipeline
    )
    made.save_pretrained(tmp_path)
    assert pipeline(model=tmp_path, device="cpu")(recordings[0]) == made(recordings[0])


class Halved(AudioClassificationPipeline):
    def postprocess(self, model_outputs, **arguments):
        return [{**each, "score": each["score"] / 2} for each in super().postprocess(model_outputs, **arguments)]


class Negative(AudioClassificationPipeline):
    def _forward(self, model_inputs):
        outputs = super()._forward(model_inputs)
        outputs["logits"] = -outputs["logits"]
        return outputs


def test_a_subclass_has_stages_of_its_own(both, classifiers, recordings, sounds):
    theirs, ours = both("bert")
    made = pipeline(model=classifiers("bert"), device="cpu", pipeline_class=Halved, top_k=2)
    assert type(made) is Halved
    expected = [[{**each, "score": each["score"] / 2} for each in row[:2]] for row in theirs(list(recordings))]
    assert_equal(made(list(recordings)), expected)
    assert [each["label"] for each in made(sounds[0])] == [each["label"] for each in ours(sounds[0], top_k=2)]
    negative = Negative(model=ours.model, feature_extractor=ours.feature_extractor)
    assert negative(recordings[0])[0]["label"] == theirs(recordings[0])[-1]["label"]


def test_a_model_that_is_set_is_used(both, recordings):
    theirs, ours = both("bert")
    with torch.no_grad():
        for each in (theirs, ours):
            other = deepcopy(each.model)
            other.classifier.weight.neg_()
            other.config.id2label = {index: f"other {index}" for index in range(len(LABELS))}
            each.model = other
    assert_equal(ours(recordings[0]), theirs(recordings[0]))


def test_each_recording_of_an_iterator_is_computed_before_the_next_is_taken(both, recordings):
    taken = []

    def microphone():
        for recording in recordings:
            taken.append(recording)
            yield recording

    _, ours = both("bert")
    stream = ours(microphone())
    for count, expected in enumerate([ours(each) for each in recordings], start=1):
        assert next(stream) == expected
        assert len(taken) == count


def test_bad_arguments(classifiers, ctc_checkpoints, recordings):
    made = pipeline(model=classifiers("bert"), device="cpu")
    with pytest.raises(InputError, match="top_k must be at least 1; got 0"):
        made(recordings[0], top_k=0)
    with pytest.raises(InputError, match="function_to_apply must be one of softmax, sigmoid, none; got tanh"):
        made(recordings[0], function_to_apply="tanh")
    with pytest.raises(
        TypeError, match="AudioClassificationPipeline has no argument 'topk'; it takes function_to_appl"
    ):
        made(recordings[0], topk=3)
    with pytest.raises(InputError, match="recordings must contain at least one recording"):
        made([])
    with pytest.raises(InputError, match="feature_extractor is missing"):
        AudioClassificationPipeline(model=made.model)
    with pytest.raises(InputError, match='framework must be "pt"'):
        AudioClassificationPipeline(model=made.model, feature_extractor=made.feature_extractor, framework="tf")
    transcriber = transformers.AutoModelForCTC.from_pretrained(ctc_checkpoints / "wav2vec2")
    with pytest.raises(
        InputError, match="model must be a model ForSequenceClassification, but is a Wav2Vec2ForCTC: it tr"
    ):
        AudioClassificationPipeline(model=transcriber, feature_extractor=made.feature_extractor)
    with pytest.raises(InputError, match="has a SeamlessM4TFeatureExtractor, but a wav2vec2 needs a Wav2Vec2Feature"):
        pipeline(model=classifiers("xlsr"), feature_extractor=made.feature_extractor)
