"""Each kind of models is loaded, and gives what its endpoints call."""

import asyncio

import pytest

from photism.audio.waveform import load_waveform
from photism.hub import bundled_model
from photism.server.engine.ticket import Ticket

SOUND = "elephant.en.ogg"


def result_of(registry, kind, work):
    entry = registry.find(kind)
    return asyncio.run(registry.run(entry, lambda model, ticket: work(model), Ticket()))


@pytest.fixture(scope="module")
def sound():
    return load_waveform(bundled_model() / "examples" / SOUND)


def test_bundled_models(server_registry, sound):
    from photism import AudioLDM2Pipeline

    ranked = result_of(server_registry, "drawing", lambda model: model.ranker.rank([sound]))
    assert ranked[0][0]["caption"] == "An elephant."
    assert result_of(server_registry, "drawing", lambda model: model.pipeline.num_inference_steps) == 12
    labels = result_of(server_registry, "classifier", lambda model: model(sound))
    assert labels[0]["label"]
    assert result_of(server_registry, "embedder", lambda model: model.embed(sound).shape[-1] == model.width)
    assert result_of(server_registry, "sound", lambda model: type(model)) is AudioLDM2Pipeline


def test_models_given_at_the_start(server_registry, sound):
    assert isinstance(result_of(server_registry, "recognizer", lambda model: model(sound).text), str)
    assert result_of(server_registry, "diarizer", lambda model: isinstance(model(sound), tuple))
    assert result_of(server_registry, "xvector", lambda model: model.embed([sound]).shape[0]) == 1
