"""The page as gradio_client sees it, and what it needs of Gradio."""

import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from photism import __version__

gradio_client = pytest.importorskip("gradio_client", reason="comes with gradio: pip install 'photism[studio]'")

from .conftest import SLOW_SEED  # noqa: E402


def connect(page, folder):
    return gradio_client.Client(page, download_files=str(folder), verbose=False, analytics_enabled=False)


@pytest.fixture
def client(page, tmp_path):
    return connect(page, tmp_path)


def test_gradio_client_draws(client, make_sound, pipeline):
    sound = gradio_client.handle_file(make_sound(1))
    pictures, heard = client.predict(sound, seed=200, api_name="/draw")  # the rest has defaults
    assert (pipeline.settings.num_inference_steps, pipeline.settings.guidance_scale) == (12, 3.0)
    assert heard["label"] == "An elephant."
    (picture,) = pictures
    assert picture["caption"] == "Seed 200"
    with Image.open(picture["image"]) as image:
        assert image.getpixel((64, 64)) == (200, 0, 0)
        assert image.text == {
            "Software": f"photism {__version__}",
            "seed": "200",
            "model": "squares",
            "steps": "12",
            "guidance_scale": "3.0",
            "negative": "empty",
            "heard": "An elephant.",
            "known": "true",
        }


def test_gradio_client_shows_errors(client, make_sound):
    sound = gradio_client.handle_file(make_sound(1))
    with pytest.raises(gradio_client.exceptions.AppError, match=r"^num_inference_steps must be at most 40$"):
        client.predict(sound, num_inference_steps=41, api_name="/draw")


def test_gradio_client_cancels(page, client, make_sound, pipeline, tmp_path):
    next_visitor = connect(page, tmp_path)
    sound = gradio_client.handle_file(make_sound(1))
    job = client.submit(sound, seed=SLOW_SEED, api_name="/draw")
    waiting = client.submit(sound, seed=SLOW_SEED, api_name="/draw")
    assert pipeline.is_drawing.wait(5)
    while waiting.communicator.event_id is None:  # or the client has nothing to name yet
        time.sleep(0.01)
    job.cancel()
    waiting.cancel()
    start = time.monotonic()
    next_visitor.predict(sound, seed=1, api_name="/draw")
    assert time.monotonic() - start < 5
    assert pipeline.settings.seed == 1


def test_gradio_keeps_nothing_outside_of_the_private_folder(page, services):
    """Check that Gradio does not use its default, which all accounts of a machine share."""
    from gradio import routes, utils

    assert Path(utils.get_upload_folder()).is_relative_to(services.storage.folder)
    assert Path(routes.DEFAULT_TEMP_DIR).is_relative_to(services.storage.folder)


def test_mounting_loads_neither_gradio_nor_a_model():
    import subprocess

    code = """
import sys
from fastapi import FastAPI
from photism.server.studio.mounting import mount
mount(FastAPI(), None)
loaded = {"gradio", "torch", "transformers", "diffusers"} & set(sys.modules)
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", code], check=True)
