"""Fixtures of the server's tests: a registry of the bundled models and of tiny random ones of the other kinds."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.speaker_models import make_speaker_model

if find_spec("fastapi") is None:  # the server is an extra
    collect_ignore_glob = ["*"]


@pytest.fixture(scope="session")
def speaker_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a tiny random diarization model, `turns`, and one of x-vectors, `voices`."""
    folder = tmp_path_factory.mktemp("speaker-models")
    make_speaker_model(folder / "turns", "AudioFrameClassification")
    make_speaker_model(folder / "voices", "XVector")
    return folder


@pytest.fixture(scope="session")
def server_entries(ctc_checkpoints: Path, speaker_models: Path) -> tuple[object, ...]:
    """Return tiny random models of the kinds of which none is bundled: `letters`, `turns` and `voices`."""
    from photism.server.engine.entries import ModelEntry
    from photism.server.engine.kinds import KINDS

    folders = {
        "recognizer": ("letters", ctc_checkpoints / "w2v-bert"),
        "diarizer": ("turns", speaker_models / "turns"),
        "xvector": ("voices", speaker_models / "voices"),
    }
    return tuple(
        ModelEntry(name, kind, KINDS[kind].settings(model=str(path), device="cpu"))
        for kind, (name, path) in folders.items()
    )


@pytest.fixture(scope="session")
def server_registry(server_entries: tuple[object, ...]) -> Iterator[object]:
    """Return the registry of the bundled models and `server_entries`, which are loaded on first use and then stay."""
    from photism.server.engine.registry import ModelRegistry
    from photism.server.settings import LimitSettings

    registry = ModelRegistry(server_entries, LimitSettings())
    yield registry
    registry.close(10)


@pytest.fixture(scope="session")
def make_client() -> Iterator[Callable[..., object]]:
    """Return a function that makes a client of a new server, given its registry, and perhaps its access and limits.

    The client comes from this machine, or from the address `peer`.
    """
    from fastapi.testclient import TestClient

    from photism.server.app import create_app, open_services
    from photism.server.operations.shutdown import Shutdown
    from photism.server.settings import AccessSettings, AddressSettings, LimitSettings

    with ExitStack() as opened:

        def make(
            registry: object,
            *,
            address: AddressSettings | None = None,
            access: AccessSettings | None = None,
            shutdown: Shutdown | None = None,
            peer: str = "127.0.0.1",
            **limits: float,
        ) -> TestClient:
            services = opened.enter_context(
                open_services(
                    registry,
                    address=address or AddressSettings(),
                    access=access or AccessSettings(),
                    limits=LimitSettings(**limits),
                    shutdown=shutdown or Shutdown(),
                )
            )
            return TestClient(create_app(services), base_url="http://127.0.0.1:7860", client=(peer, 50000))

        yield make
