"""A server of the bundled models for the tests of its endpoints."""

import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from photism.cli import app as command
from photism.hub import bundled_model


@pytest.fixture(scope="session")
def recordings() -> list[Path]:
    """Return the example recordings of the bundled model."""
    return sorted((bundled_model() / "examples").glob("*.ogg"))


@pytest.fixture(scope="session")
def client(server_registry: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return a client of a server with the bundled models."""
    from fastapi.testclient import TestClient

    from photism.server.app import create_app
    from photism.server.fields.reader import RequestReader
    from photism.server.settings import AccessSettings, AddressSettings, LimitSettings
    from photism.server.storage import Storage

    limits = LimitSettings(max_seconds=10, max_long_seconds=20, max_images=4, max_megapixels=0.1)
    with Storage(keep_s=60, parent=tmp_path_factory.mktemp("storage")) as storage:
        reader = RequestReader(
            storage.new_upload,
            max_upload_mb=limits.max_upload_mb,
            max_seconds=limits.max_seconds,
            max_long_seconds=limits.max_long_seconds,
            allow_urls=False,
        )
        services: Any = SimpleNamespace(
            address=AddressSettings(),
            access=AccessSettings(),
            limits=limits,
            registry=server_registry,
            storage=storage,
            reader=reader,
        )
        app = create_app(services)
        with TestClient(app, "http://127.0.0.1:7860", client=("127.0.0.1", 50000)) as connected:
            yield connected
        reader.close()


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
