"""Servers of the bundled models, and of tiny ones of all kinds, for the tests of endpoints."""

import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from photism.cli import app as command
from photism.hub import bundled_model
from tests.server.serving import served


@pytest.fixture(scope="session")
def recordings() -> list[Path]:
    """Return the example recordings of the bundled model."""
    return sorted((bundled_model() / "examples").glob("*.ogg"))


@pytest.fixture(scope="session")
def client(make_client: Callable[..., Any], server_registry: Any) -> Iterator[Any]:
    """Return a client of a server with the bundled models."""
    with make_client(
        server_registry, max_seconds=10, max_long_seconds=20, max_images=4, max_megapixels=0.1, max_frames=900
    ) as connected:  # one event loop for all requests
        yield connected


@pytest.fixture(scope="session")
def server_drawing(client: Any) -> Any:
    """Return the bundled model that the server draws with."""
    import asyncio

    from photism.server.engine.ticket import Ticket

    registry = client.app.state.services.registry
    entry = registry.find("drawing")
    return asyncio.run(registry.run(entry, lambda drawing, ticket: drawing, Ticket()))


@pytest.fixture(scope="session")
def loaded() -> dict[type, Any]:
    """Return the models that the command line has loaded, so that each is loaded once."""
    return {}


@pytest.fixture
def run_command(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    recordings: list[Path],
    loaded: dict[type, Any],
) -> Callable[..., str]:
    """Return a function that runs the command line in the folder of the recordings, and returns what it prints."""
    from photism.listening.audio_embedder import AudioEmbedder
    from photism.listening.classification import AudioClassifier
    from photism.listening.zero_shot import CaptionRanker

    monkeypatch.chdir(recordings[0].parent)
    for kind in (AudioClassifier, AudioEmbedder, CaptionRanker):
        monkeypatch.setattr(kind, "from_pretrained", partial(_load_once, loaded, kind, kind.from_pretrained))

    def run(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["photism", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            command.main()
        assert not ended.value.code
        return capsys.readouterr().out

    return run


@pytest.fixture
def command_json(run_command: Callable[..., str]) -> Callable[..., list[Any]]:
    """Return a function that runs the command line and returns the JSON objects that it prints."""
    return lambda *arguments: [json.loads(line) for line in run_command(*arguments).splitlines()]


def _load_once(loaded: dict[type, Any], class_: type, load: Callable[..., Any], /, *args: Any, **given: Any) -> Any:
    if class_ not in loaded:
        loaded[class_] = load(*args, **given)
    return loaded[class_]


@pytest.fixture(scope="package")
def speaking_registry(server_entries, sound_models) -> Iterator[object]:
    """Return a registry that has a model that speaks, `voice`, besides the bundled models and `server_entries`."""
    from photism.audioldm2.settings import SoundPipelineSettings
    from photism.server.engine.entries import ModelEntry
    from photism.server.engine.registry import ModelRegistry
    from photism.server.settings import LimitSettings

    voice = ModelEntry("voice", "sound", SoundPipelineSettings(model=str(sound_models / "speech"), device="cpu"))
    registry = ModelRegistry((*server_entries, voice), LimitSettings())
    yield registry
    registry.close(10)


@pytest.fixture(scope="package")
def speaking_app(speaking_registry, make_client) -> object:
    """Return the application of a server with the models of `speaking_registry`."""
    return make_client(speaking_registry).app


@pytest.fixture(scope="package")
def server_url(speaking_app) -> Iterator[str]:
    """Return the URL of a real server of `speaking_app`."""
    with served(speaking_app) as url:
        yield url
