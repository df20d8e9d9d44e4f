"""/v1/live/drawing: pictures of the newest sound, none of silence, and no queue of late ones."""

import asyncio
import io
import json
import threading
import time

import numpy as np
import pytest
from PIL import Image

from photism.audio.sampling import SAMPLING_RATE
from photism.audio.waveform import load_waveform
from photism.drawing.live.live_drawing import LiveDrawing
from photism.drawing.live.settings import LiveSettings
from photism.hub import bundled_model
from photism.server.endpoints import live_drawing
from photism.server.endpoints.live_samples import NewestSamples
from photism.server.endpoints.live_session import LiveSession
from photism.server.engine.busy import Busy
from photism.server.engine.ticket import Ticket
from tests.server.endpoints.live import connect, end, received, samples_of, send, silence_of

PATH = "/v1/live/drawing"


@pytest.fixture(scope="module")
def client(make_client, server_registry):
    return make_client(server_registry)


@pytest.fixture(scope="module")
def drawing(server_registry):
    """Return the model of the server, so that it is not loaded twice."""
    entry = server_registry.find("drawing")
    return asyncio.run(server_registry.run(entry, lambda drawing, _: drawing, Ticket()))


@pytest.fixture(scope="module")
def spoken():
    """Return the word elephant as 16-bit samples."""
    samples = load_waveform(bundled_model() / "examples/elephant.en.ogg").samples
    return (samples * 32767).round().astype("<i2")


class Works(list):
    """Works of a session so far: the first starts the drawing, and each other one draws.

    Attributes:
        before: called with the number of a work before it runs, in the thread of the model.
        refuse: called with the number of a work before it is queued.
    """

    def __init__(self):
        super().__init__()
        self.before = self.refuse = lambda number: None


@pytest.fixture
def works(server_registry, monkeypatch):
    """Return the works that the registry runs."""
    run, works = server_registry.run, Works()

    async def watched(entry, work, ticket):
        works.append(work)
        number = len(works)

        def compute(*given):
            works.before(number)
            return work(*given)

        works.refuse(number)
        return await run(entry, compute, ticket)

    monkeypatch.setattr(server_registry, "run", watched)
    return works


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)))


def finish(socket):
    """End the samples, and wait until the server closes the connection."""
    end(socket)
    assert received(socket)[1] == 1000


def next_picture(socket):
    return json.loads(socket.receive_text()), socket.receive_bytes()


def pictures(messages):
    """Return the headers of the pictures among messages."""
    return [message for message in messages if isinstance(message, dict) and message["type"] == "picture"]


def test_a_picture_is_that_of_the_newest_samples(client, drawing):
    samples = samples_of(1.5)
    settings = LiveSettings(num_inference_steps=1, seed=7, zoom=0.3)
    own = LiveDrawing(drawing.few_step_pipeline, settings, drawing.ranker)
    with connect(client, PATH, steps=1, seed=7, zoom=0.3, hop=0.5) as socket:
        ready = json.loads(socket.receive_text())
        assert ready == {"type": "ready", "model": "tiny", "width": 128, "height": 128, "steps": 1}
        for start in (0, 8_000, 16_000):
            send(socket, samples[start : start + 8_000], size=16_000)
            header, png = next_picture(socket)
            own.feed(load_waveform(samples[start : start + 8_000], sampling_rate=SAMPLING_RATE).samples)
            expected = own.picture()
            end_s = (start + 8_000) / SAMPLING_RATE
            about = {"end_s": end_s, "skipped": 0, "width": 128, "height": 128, "seed": 7, "media_type": "image/png"}
            assert header.items() >= about.items()
            np.testing.assert_array_equal(pixels(png), np.asarray(expected.image))
            assert (header["known"], header["heard"]) == (expected.known, list(expected.newest_captions))
        finish(socket)


def test_a_word_at_once_is_recognised_as_a_whole(client, spoken):
    with connect(client, PATH) as socket:
        send(socket, np.concatenate([silence_of(1), spoken]), size=2**16)
        end(socket)
        (_, *messages), code = received(socket)
    last = pictures(messages)[-1]
    assert (last["caption"], last["known"], code) == ("An elephant.", True, 1000)
    assert last["heard"][0].keys() == {"caption", "score"}
    assert 0.5 < last["start_s"] < 1.2
    assert last["end_s"] == pytest.approx(1 + len(spoken) / SAMPLING_RATE)
    assert isinstance(messages[-1], bytes)


def test_the_few_steps_of_the_model(client, drawing, monkeypatch):
    for pipeline, expected in ((drawing.few_step_pipeline, 2), (drawing.pipeline, live_drawing.MOST_STEPS)):
        monkeypatch.setitem(vars(drawing), "few_step_pipeline", pipeline)
        with connect(client, PATH) as socket:
            assert json.loads(socket.receive_text())["steps"] == expected
    assert drawing.pipeline.num_inference_steps > live_drawing.MOST_STEPS


def test_silence_before_the_first_sound_gives_no_picture_and_says_so(client, works):
    with connect(client, PATH, hop=0.5, steps=1) as socket:
        assert json.loads(socket.receive_text())["type"] == "ready"
        for _ in range(3):
            send(socket, silence_of(0.5))
        first, second = json.loads(socket.receive_text()), json.loads(socket.receive_text())
        send(socket, samples_of(0.5))
        header, _ = next_picture(socket)
        finish(socket)
    assert first == {
        "type": "silence",
        "start_s": 0.0,
        "end_s": 0.5,
        "skipped": 0,
        "detail": "all of it is digital silence",
    }
    assert (second["end_s"], header["end_s"]) == (1.5, 2.0)
    assert len(works) == 3  # start, the picture of the sound, and that of its end


@pytest.mark.parametrize(
    ("given", "small", "media_type"),
    [
        ({}, 128 * 128, "image/png"),
        ({}, 128 * 127, "image/jpeg"),
        ({"image_format": "webp"}, 1, "image/webp"),
        ({"image_format": "png"}, 1, "image/png"),
    ],
)
def test_the_format_of_the_pictures(client, monkeypatch, given, small, media_type):
    monkeypatch.setattr(live_drawing, "SMALL_PIXELS", small)
    with connect(client, PATH, hop=0.1, steps=1, **given) as socket:
        socket.receive_text()
        send(socket, samples_of(0.1))
        header, data = next_picture(socket)
        finish(socket)
    image = Image.open(io.BytesIO(data))
    assert (header["media_type"], Image.MIME[image.format]) == (media_type, media_type)
    assert image.size == (header["width"], header["height"])


def test_the_newest_sound_wins_while_the_model_is_busy(client, works, monkeypatch):
    monkeypatch.setattr(live_drawing, "WAITING_S", 2.0)
    is_drawing, go_on = threading.Event(), threading.Event()
    opened = []
    monkeypatch.setattr(live_drawing, "NewestSamples", lambda most: opened.append(NewestSamples(most)) or opened[-1])

    def hold(number):
        """Hold the second picture back, before it takes its samples."""
        if number == 3:
            is_drawing.set()
            go_on.wait(5)

    works.before = hold
    with connect(client, PATH, hop=0.5, steps=1) as socket:
        socket.receive_text()
        send(socket, samples_of(0.5))
        assert next_picture(socket)[0]["end_s"] == 0.5
        send(socket, samples_of(0.5))
        assert is_drawing.wait(20)
        send(socket, samples_of(5))
        end(socket)
        while opened[0].total < 6 * SAMPLING_RATE:
            time.sleep(0.01)
        go_on.set()
        messages, code = received(socket)
    late, *_ = pictures(messages)
    assert (late["end_s"], late["skipped"], code) == (6.0, 10, 1000)


def test_a_slow_client_gets_the_newest_picture_and_the_server_holds_no_other(client, works, monkeypatch):
    send_bytes, go_on = LiveSession.send_bytes, threading.Event()

    async def send_slowly(session, data):
        await asyncio.to_thread(go_on.wait, 10)
        await send_bytes(session, data)

    monkeypatch.setattr(LiveSession, "send_bytes", send_slowly)
    with connect(client, PATH, hop=0.5, steps=1) as socket:
        socket.receive_text()
        send(socket, samples_of(0.5))
        first = json.loads(socket.receive_text())
        for _ in range(8):
            send(socket, samples_of(0.5))
        drawn = len(works)
        go_on.set()
        socket.receive_bytes()
        second, _ = next_picture(socket)
        finish(socket)
    assert (first["end_s"], drawn) == (0.5, 2)
    assert second["end_s"] >= 1
    assert second["skipped"] == (second["end_s"] - 0.5) // 0.5 - 1


def test_a_full_queue_skips_pictures_but_never_the_last_one(client, works, monkeypatch):
    monkeypatch.setattr(live_drawing, "RETRY_S", 0.01)

    def refuse(number):
        """Refuse the first picture, and later the last one twice."""
        if number in (2, 4, 5):
            raise Busy("The queue is full.", 1)

    works.refuse = refuse
    with connect(client, PATH, hop=0.5, steps=1) as socket:
        socket.receive_text()
        send(socket, samples_of(0.5))
        assert next_picture(socket)[0]["end_s"] == 0.5
        send(socket, samples_of(0.5))
        end(socket)
        messages, code = received(socket)
    assert ({each["end_s"] for each in pictures(messages)}, code) == ({1.0}, 1000)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"window": 61}, "window must be a number, at least 0.5 and at most 30; got 61"),
        ({"hop": 61}, "hop must be at most 60; got 61"),
        ({"window": 0.01}, "window must be a number, at least 0.5 and at most 30; got 0.01"),
        ({"width": 8000, "height": 8000}, "width must give an image of at most"),
        ({"images": 2}, "there is no field 'images'"),
        ({"image": "aGVsbG8="}, "there is no field 'image'"),
        ({"image_format": "gif"}, "image_format must be one of png, jpeg, webp; got 'gif'"),
        ({"text": "a (red cat)1.3", "text_place": "nowhere"}, "text_place"),
        ({"seed": -1}, "seed must be a whole number, at least 0"),
    ],
)
def test_settings_that_cannot_be_used_are_a_problem(client, settings, words):
    with connect(client, PATH, **settings) as socket:
        (error,), code = received(socket)
    assert (code, words in error["problem"]["detail"]) == (4422, True), error
