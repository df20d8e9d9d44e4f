"""Fixtures of the tests of diffusers pipelines."""

import pytest

from photism import AudioToImagePipeline


@pytest.fixture
def load(models, monkeypatch):
    """Return a function that loads sd with settings, and fails if weights are loaded."""
    monkeypatch.setattr("photism.prompts.model_folder.load_weights", lambda *_, **__: pytest.fail("loaded"))

    def load(model="sd", **settings):
        return AudioToImagePipeline.from_pretrained(models / model, **{"device": "cpu", **settings})

    return load
