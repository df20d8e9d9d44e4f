"""An application with two endpoints that keep what they were given."""

from __future__ import annotations

import os
import wave
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from tempfile import mkstemp
from types import SimpleNamespace
from typing import Any
from unittest.mock import create_autospec

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from photism.audio.reading_settings import ReadingSettings
from photism.drawing.settings import DrawSettings
from photism.listening.transcription.decoding_options import TranscribeSettings
from photism.server.access.client import ClientMiddleware
from photism.server.engine.registry import ModelRegistry
from photism.server.fields.body import Given, RequestBody
from photism.server.fields.field_set import FileField
from photism.server.fields.reader import RequestReader
from photism.server.problems import install_handlers

DRAW = RequestBody(DrawSettings, ReadingSettings, model="drawing", files={"file": FileField("Recording to draw.")})
TRANSCRIBE = RequestBody(
    TranscribeSettings,
    model="recognizer",
    files={"file": FileField("Recording to transcribe.", is_list=True, is_long=True)},
)


def recording(duration_s: float = 0.5, rate: int = 8000) -> bytes:
    """Return a WAV file of silence."""
    held = BytesIO()
    with wave.open(held, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(bytes(2 * int(duration_s * rate)))
    return held.getvalue()


class Server(TestClient):
    """An application with two endpoints that keep what they were given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        app = FastAPI()
        install_handlers(app)
        self.reader = RequestReader(
            self.create, max_upload_mb=0.1, max_seconds=1, max_long_seconds=2, max_queue=64, max_wait_s=60
        )
        app.state.services = SimpleNamespace(reader=self.reader, registry=create_autospec(ModelRegistry))
        app.add_middleware(ClientMiddleware)
        self.given: Given | None = None

        @app.post("/draw")
        async def draw(request: Request) -> None:
            async with DRAW.read(request) as given:
                self.given = given

        @app.post("/v1/audio/transcriptions")
        async def transcribe(request: Request) -> None:
            async with TRANSCRIBE.read(request) as given:
                self.given = given

        super().__init__(app, raise_server_exceptions=False)

    def create(self) -> Path:
        """Create an empty file."""
        descriptor, name = mkstemp(dir=self.folder)
        os.close(descriptor)
        return Path(name)

    def problem(self, path: str = "/draw", **request: Any) -> dict[str, Any]:
        """Return the problem that a request is answered with."""
        response = self.post(path, **request)
        assert response.headers["content-type"] == "application/problem+json", response.text
        assert not list(self.folder.iterdir())
        return response.json()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("uploads"))
    yield server
    server.reader.close()
