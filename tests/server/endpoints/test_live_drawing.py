"""/v1/live/drawing: pictures of the newest window, none of silence, and no queue of late ones."""

import asyncio
import io
import json
import threading

import numpy as np
import pytest
from PIL import Image

from photism.audio.waveform import load_waveform
from photism.drawing.settings import DrawSettings
from photism.server.endpoints.live_drawing import LIVE_STEPS
from photism.server.engine.busy import Busy
from photism.server.engine.ticket import Ticket
from tests.server.endpoints.live import connect, end, received, samples_of, send, silence_of

PATH = "/v1/live/drawing"


@pytest.fixture(scope="module")
def client(make_client, server_registry):
    return make_client(server_registry)


@pytest.fixture
def pipeline(server_registry):
    """Return the pipeline of the server, so that it is not loaded twice."""
    entry = server_registry.find("drawing")
    return asyncio.run(server_registry.run(entry, lambda drawing, _: drawing.pipeline, Ticket()))


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)))


def test_a_picture_is_that_of_its_window(client, pipeline):
    samples = samples_of(1.5)
    with connect(client, PATH, window=1, hop=1, steps=1, seed=7) as socket:
        assert json.loads(socket.receive_text()) == {"type": "ready", "model": "tiny"}
        send(socket, samples[:16_000])
        first = json.loads(socket.receive_text()), socket.receive_bytes()
        send(socket, samples[16_000:])
        end(socket)
        second, code = received(socket)
    assert code == 1000
    for (header, png), start, stop in ((first, 0, 16_000), (second, 8_000, 24_000)):
        times = {"type": "picture", "start_s": start / 16_000, "end_s": stop / 16_000, "skipped": 0}
        assert header.items() >= {**times, "width": 128, "height": 128, "seed": 7}.items()
        waveform = load_waveform(samples[start:stop], sampling_rate=16_000)
        drawn = pipeline(waveform, DrawSettings(num_inference_steps=1, seed=7)).images[0][0]
        np.testing.assert_array_equal(pixels(png), np.asarray(drawn))
        assert header["heard"][0].keys() == {"caption", "score"}
        assert header["known"] in (True, False)


def test_pictures_have_few_steps_and_one_seed(client, pipeline):
    with connect(client, PATH, window=1, hop=0.5, seed=None) as socket:
        socket.receive_text()
        send(socket, samples_of(0.5))
        first = json.loads(socket.receive_text()), socket.receive_bytes()
        send(socket, samples_of(0.5, seed=1))
        end(socket)
        second, _ = received(socket)
    assert first[0]["seed"] == second[0]["seed"]
    about = Image.open(io.BytesIO(second[1])).info
    assert (about["steps"], about["seed"], about["model"]) == (str(LIVE_STEPS), str(first[0]["seed"]), "tiny")
    assert pipeline.num_inference_steps > LIVE_STEPS


def test_silence_gives_no_picture_and_says_so(client):
    with connect(client, PATH, window=0.5, hop=0.5, steps=1) as socket:
        send(socket, silence_of(0.5))
        end(socket)
        (_, silence), code = received(socket)
    assert silence == {
        "type": "silence",
        "start_s": 0.0,
        "end_s": 0.5,
        "skipped": 0,
        "detail": "all of it is digital silence",
    }
    assert code == 1000


def test_the_newest_window_wins_while_the_model_is_busy(client, server_registry, monkeypatch):
    run, drawing, go_on = server_registry.run, threading.Event(), threading.Event()
    works = []

    async def slow(entry, work, ticket):
        """Hold the first picture back."""
        works.append(work)
        if len(works) != 2:
            return await run(entry, work, ticket)

        def held(*given):
            """Wait, then work."""
            drawing.set()
            go_on.wait(5)
            return work(*given)

        return await run(entry, held, ticket)

    monkeypatch.setattr(server_registry, "run", slow)
    with connect(client, PATH, window=0.5, hop=0.5, steps=1) as socket:
        send(socket, samples_of(0.5))
        assert drawing.wait(20)
        send(socket, samples_of(5))
        end(socket)
        go_on.set()
        (_, *messages), _ = received(socket)
    first, last = (message for message in messages if isinstance(message, dict))
    assert (first["end_s"], last["start_s"], last["end_s"], last["skipped"]) == (0.5, 5.0, 5.5, 9)


def test_a_full_queue_skips_a_picture(client, server_registry, monkeypatch):
    run, works = server_registry.run, []

    async def busy_once(entry, work, ticket):
        """Refuse the first picture."""
        works.append(work)
        if len(works) == 2:
            raise Busy("The queue is full.", 1)
        return await run(entry, work, ticket)

    monkeypatch.setattr(server_registry, "run", busy_once)
    monkeypatch.setattr("photism.server.endpoints.live_drawing.RETRY_S", 0.01)
    with connect(client, PATH, window=0.5, hop=0.5, steps=1) as socket:
        send(socket, samples_of(0.5))
        while len(works) < 2:
            pass
        send(socket, samples_of(0.5))
        end(socket)
        (_, header, _), code = received(socket)
    assert (header["end_s"], code) == (1.0, 1000)


def test_the_last_picture_waits_while_the_queue_is_full(client, server_registry, monkeypatch):
    run, works = server_registry.run, []

    async def busy_twice(entry, work, ticket):
        """Refuse the picture twice."""
        works.append(work)
        if len(works) in (2, 3):
            raise Busy("The queue is full.", 1)
        return await run(entry, work, ticket)

    monkeypatch.setattr(server_registry, "run", busy_twice)
    monkeypatch.setattr("photism.server.endpoints.live_drawing.RETRY_S", 0.01)
    with connect(client, PATH, window=0.5, hop=0.5, steps=1) as socket:
        send(socket, samples_of(0.5))
        end(socket)
        (_, header, _), code = received(socket)
    assert (header["end_s"], header["skipped"], code) == (0.5, 0, 1000)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"window": 61}, "window must be at most 60; got 61"),
        ({"hop": 61}, "hop must be at most 60; got 61"),
        ({"window": 0.01}, "window must be a number, at least 0.1; got 0.01"),
        ({"width": 8000, "height": 8000}, "width must give an image of at most"),
        ({"images": 2}, "there is no field 'images'"),
        ({"image": "aGVsbG8="}, "there is no field 'image'"),
        ({"text": "a (red cat)1.3", "text_place": "nowhere"}, "text_place"),
        ({"seed": -1}, "seed must be a whole number, at least 0"),
    ],
)
def test_settings_that_cannot_be_used_are_a_problem(client, settings, words):
    with connect(client, PATH, **settings) as socket:
        (error,), code = received(socket)
    assert (code, words in error["problem"]["detail"]) == (4422, True), error
