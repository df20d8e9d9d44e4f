"""The bundled classifier of eight spoken languages."""

import pytest
from safetensors import safe_open

from photism import AudioClassifier
from photism.hub import bundled_model

LANGUAGES = {"ca": "Catalan", "en": "English", "es": "Spanish", "fr": "French", "ro": "Romanian", "ru": "Russian"}


@pytest.fixture(scope="module")
def classifier():
    return AudioClassifier.from_pretrained(device="cpu")


def test_the_languages_of_the_examples_are_recognised(classifier):
    paths = sorted((bundled_model() / "examples").glob("*.ogg"))
    assert len(paths) == len(LANGUAGES)
    for path, classes in zip(paths, classifier(paths), strict=True):
        assert classes[0]["label"] == LANGUAGES[path.name.split(".")[1]]


def test_it_shares_the_encoder_of_the_bundled_model(classifier):
    with safe_open(bundled_model() / "language" / "model.safetensors", "pt") as head:
        assert not any(key.startswith("wav2vec2_bert") for key in head.keys())  # noqa: SIM118 (it is no mapping)
    with safe_open(bundled_model() / "model.safetensors", "pt") as model:
        weights = {key: model.get_tensor(key) for key in model.keys() if key.startswith("encoder.")}  # noqa: SIM118
    loaded = classifier.model.wav2vec2_bert.state_dict()
    assert set(loaded) == {key.removeprefix("encoder.") for key in weights}
    for key, tensor in weights.items():
        assert (loaded[key.removeprefix("encoder.")] == tensor.float()).all()
