"""Classifier checkpoints that do not fit are refused, as far as possible before weights are loaded."""

import json
import re

import pytest
import torch

from photism import AudioClassifier, InputError
from photism.listening import classifier_checkpoint
from tests.support.classifiers import WIDTH, make_classifier, make_model


@pytest.fixture
def bert(tmp_path):
    return make_classifier(tmp_path / "bert", "bert")


def change(folder, **changes):
    path = folder / "config.json"
    settings = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in settings.items() if value is not None}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "clip"}, "has model_type 'clip', which has no audio classifier; it must be one of audio-spect"),
        ({"architectures": ["Wav2Vec2BertForCTC"]}, "it transcribes speech; use photism transcribe"),
        ({"id2label": None, "label2id": None}, "does not name its classes: its config.json has no id2label"),
        ({"id2label": {"0": "a", "2": "b"}, "label2id": None}, "has an id2label of 2 classes without index 1"),
    ],
)
def test_a_model_that_is_no_classifier_is_refused_before_weights_are_loaded(bert, changes, message):
    change(bert, **changes)
    (bert / "model.safetensors").unlink()
    with pytest.raises(InputError, match=re.escape(message)) as error:
        AudioClassifier.from_pretrained(bert, device="cpu")
    assert str(bert) in str(error.value)


def test_an_encoder_without_a_head_is_refused(bert):
    model = make_model("bert")
    model.wav2vec2_bert.save_pretrained(bert)
    change(bert, architectures=["Wav2Vec2BertForSequenceClassification"])
    with pytest.raises(InputError, match="has no classification head; give a model that was fine-tuned for classifica"):
        AudioClassifier.from_pretrained(bert, device="cpu")


def test_a_class_that_is_not_known_is_accepted(bert):
    change(bert, architectures=["MyClassifier"])
    assert AudioClassifier.from_pretrained(bert, device="cpu")


def test_the_classifier_of_the_bundled_model_is_the_default(bert, monkeypatch):
    monkeypatch.setattr(classifier_checkpoint, "bundled_model", lambda: bert.parent)
    monkeypatch.setattr(classifier_checkpoint, "BUNDLED", bert.name)
    assert AudioClassifier.from_pretrained(device="cpu").model.config.hidden_size == WIDTH["hidden_size"]


@pytest.mark.parametrize("named_by", ["dtype", "torch_dtype", "weights"])
def test_auto_is_the_dtype_that_the_checkpoint_was_saved_in(bert, named_by):
    make_model("bert").half().save_pretrained(bert)
    change(bert, dtype="float16" if named_by == "dtype" else None)
    if named_by == "torch_dtype":
        change(bert, torch_dtype="float16")
    assert AudioClassifier.from_pretrained(bert, device="cpu", dtype="auto").model.dtype == torch.float16
    assert AudioClassifier.from_pretrained(bert, device="cpu").model.dtype == torch.float32
