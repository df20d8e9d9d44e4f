"""Fixtures of the server's tests: a registry of the bundled models and of tiny random ones of the other kinds."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

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
            collection: object = None,
            **limits: float,
        ) -> TestClient:
            services = opened.enter_context(
                open_services(
                    registry,
                    address=address or AddressSettings(),
                    access=access or AccessSettings(),
                    limits=LimitSettings(**limits),
                    shutdown=shutdown or Shutdown(),
                    collection=collection,
                )
            )
            return TestClient(create_app(services), base_url="http://127.0.0.1:7860", client=(peer, 50000))

        yield make


@pytest.fixture(scope="session")
def collection_sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of recordings, one of them in a folder of its own, and one that browsers do not play."""
    import numpy as np

    from photism.audio.writing import write_waveform
    from photism.hub import bundled_model

    folder = tmp_path_factory.mktemp("collection") / "sounds"
    (folder / "animals").mkdir(parents=True)
    for path in sorted((bundled_model() / "examples").glob("*.ogg"))[:3]:
        shutil.copy2(path, folder / path.name)
    shutil.copy2(bundled_model() / "examples" / "elephant.en.ogg", folder / "animals" / "elephant.en.ogg")
    (folder / "elephant.en.ogg").unlink(missing_ok=True)
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(44_100) / 44_100)
    stereo = np.stack([tone, np.zeros_like(tone)])
    write_waveform(stereo, folder / "tone.wav", sampling_rate=44_100, title="", about={}, sample_type="float64")
    return folder


@pytest.fixture(scope="session")
def collection_job() -> Callable[..., object]:
    """Return a function that creates an index at a place, with the bundled model, which is loaded once."""
    from dataclasses import replace

    from photism.collection.index import Index
    from photism.collection.index_job import IndexJob
    from photism.collection.index_worker import IndexWorker
    from photism.collection.settings import IndexSettings

    loaded: list[Any] = []

    def create(place: Path, **settings: float) -> Index:
        if not loaded:
            loaded.append(IndexJob().load().embedder)
        rows = IndexSettings(**settings)
        return Index.for_job(place, replace(IndexJob(), rows=rows), IndexWorker(rows, loaded[0]))

    return create


@pytest.fixture(scope="session")
def collection(collection_sounds: Path, collection_job: Callable[..., Any]) -> Path:
    """Return an index of `collection_sounds`."""
    pytest.importorskip("lance")
    place = collection_sounds.parent / "sounds.lance"
    collection_job(place).add([str(collection_sounds)])
    return place
