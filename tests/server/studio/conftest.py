"""A server with the page, whose model draws plain squares; `tests/cli/test_serve.py` has a real one."""

from __future__ import annotations

import threading
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from photism import InputError

pytest.importorskip("gradio", reason="the studio needs gradio: pip install 'photism[studio]'")

RATE = 8000  # Hz
FLAGGED_SEED = 66
HEARD = {"An elephant.": 0.75, "A koala.": -0.25}
RANKED = [{"caption": caption, "score": score} for caption, score in HEARD.items()]
SLOW_SEED = 99  # an image that is drawn until it is cancelled


class Pipeline:
    """A pipeline that records its settings, and refuses more than 40 steps."""

    num_inference_steps = 12
    guidance_scale = 3.0
    negative = "empty"

    def __init__(self, latent_pixels: int = 16) -> None:
        unet = SimpleNamespace(config=SimpleNamespace(sample_size=latent_pixels))
        self.diffusion = SimpleNamespace(unet=unet, vae_scale_factor=8)
        self.encoder = SimpleNamespace(encode=self.encode)
        self.settings: Any = None
        self.drawn: float | None = None
        self.is_drawing = threading.Event()

    def encode(self, waveforms: list[Any]) -> Any:
        """Return a prompt that holds the duration of the recording; one of 2 s is not known."""
        import torch

        from photism.prompts.audio_prompt import AudioPrompt

        known = (waveforms[0].duration_s != 2,)
        return AudioPrompt(torch.full((1, 2, 1), waveforms[0].duration_s), None, known=known)

    def __call__(self, prompts: Any, settings: Any, *, callback_on_step: Callable[[int, int], None]) -> Any:
        from PIL import Image

        if settings.num_inference_steps > 40:
            raise InputError("num_inference_steps must be at most 40")
        self.settings, self.drawn = settings, prompts.prompt_embeds.mean().item()
        if settings.seed == SLOW_SEED:
            self.is_drawing.set()
            for step in range(10_000):
                callback_on_step(step, 10_000)
                time.sleep(0.001)
        callback_on_step(1, 1)
        first = 123 if settings.seed is None else settings.seed
        seeds = [first + number for number in range(settings.images_per_sound)]
        images = [Image.new("RGB", (128, 128), (seed % 256, 0, 0)) for seed in seeds]
        flags = [seed == FLAGGED_SEED for seed in seeds]
        scale = 1.0 if settings.negative == "none" else settings.guidance_scale
        used = replace(settings, guidance_scale=scale, sound_strength=0.25)
        return SimpleNamespace(images=[images], seeds=[seeds], nsfw_content_detected=[flags], settings=used)


RANKER = SimpleNamespace(rank_prompts=lambda prompts: [RANKED])


@contextmanager
def opened(drawing: Any, folder: Path, **limits: Any) -> Iterator[Any]:
    """Open the services of a server whose only model is `drawing`."""
    from photism.prompts.settings import PipelineSettings
    from photism.server.engine.entries import ModelEntry
    from photism.server.engine.kinds import KINDS, Kind
    from photism.server.engine.registry import ModelRegistry
    from photism.server.fields.reader import RequestReader
    from photism.server.settings import AccessSettings, AddressSettings, LimitSettings
    from photism.server.storage import Storage

    limits = LimitSettings(**limits)
    kinds = {**KINDS, "drawing": Kind("drawing", PipelineSettings, lambda _: drawing)}
    registry = ModelRegistry((ModelEntry("squares", "drawing", PipelineSettings()),), limits, kinds=kinds)
    with Storage(keep_s=60 * limits.keep, parent=folder) as storage:
        reader = RequestReader(
            storage.new_upload,
            max_upload_mb=limits.max_upload_mb,
            max_seconds=limits.max_seconds,
            max_long_seconds=limits.max_long_seconds,
            max_queue=limits.max_queue,
            max_wait_s=limits.max_wait_s,
        )
        yield SimpleNamespace(
            address=AddressSettings(),
            access=AccessSettings(),
            limits=limits,
            registry=registry,
            storage=storage,
            reader=reader,
        )
        reader.close()
        registry.close(10)


@contextmanager
def served(services: Any) -> Iterator[str]:
    """Serve the page, and return its address."""
    import uvicorn
    from fastapi import FastAPI

    from photism.server.access.client import ClientMiddleware
    from photism.server.problems import install_handlers
    from photism.server.studio.mounting import mount

    app = FastAPI()
    app.state.services = services
    install_handlers(app)
    app.add_middleware(ClientMiddleware)

    @app.post("/v1/endpoint")
    def endpoint() -> str:
        return "an endpoint"

    mount(app, services)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


def wav(duration_s: float) -> bytes:
    """Return a WAV file of silence."""
    file = BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, RATE, 0, "NONE", ""))
        writer.writeframes(bytes(2 * round(duration_s * RATE)))
    return file.getvalue()


@pytest.fixture
def make_sound(tmp_path: Path) -> Callable[..., str]:
    """Return a function that writes a recording of some duration, and returns its path."""

    def make(duration_s: float, name: str = "said") -> str:
        path = tmp_path / f"{name}.wav"
        path.write_bytes(wav(duration_s))
        return str(path)

    return make


@pytest.fixture(scope="package")
def drawing() -> Any:
    """Return the model of `services`, whose parts a test may replace."""
    return SimpleNamespace(pipeline=Pipeline(), ranker=RANKER)


@pytest.fixture
def pipeline(drawing: Any) -> Pipeline:
    """Return the pipeline of `services`, which has not drawn yet."""
    drawing.pipeline = Pipeline()
    return drawing.pipeline


@pytest.fixture(scope="package")
def services(drawing: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return services of a server with one model."""
    with opened(drawing, tmp_path_factory.mktemp("server"), max_upload_mb=2) as services:
        yield services


@pytest.fixture(scope="package")
def page(services: Any) -> Iterator[str]:
    """Return the address of a server with the page."""
    with served(services) as address:
        yield address
