"""Requests with equal settings that wait for a model are computed together, with the results of each alone."""

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from photism.drawing import previews
from photism.drawing.pipeline import AudioToImagePipeline
from photism.listening.audio_embedder import AudioEmbedder
from photism.listening.classification import AudioClassifier
from photism.listening.zero_shot import CaptionRanker
from photism.server.engine.ticket import Ticket

JSON = "application/json"
MODELS = {
    "hear": (CaptionRanker, "drawing"),
    "label": (AudioClassifier, "classifier"),
    "embed": (AudioEmbedder, "embedder"),
    "draw": (AudioToImagePipeline, "drawing"),
}


def post(client, verb, path):
    data = {"steps": 3, "seed": len(path.name)} if verb == "draw" else {}
    with path.open("rb") as file:
        answer = client.post(f"/v1/{verb}", files={"file": ("sound", file)}, data=data, headers={"Accept": JSON}).json()
    for picture in answer.get("pictures", ()):
        picture["pixels"] = np.asarray(Image.open(BytesIO(base64.b64decode(picture.pop("png")))), float)
    return answer


@pytest.mark.parametrize("verb", MODELS)
def test_requests_that_wait_are_computed_together(client, recordings, monkeypatch, verb):
    kind, name = MODELS[verb]
    expected = [post(client, verb, path) for path in recordings]
    batches, stream = [], kind.stream

    def counted(self, given, *args, **settings):
        batches.append(len(given.prompt_embeds) if verb == "draw" else len(list(given)))
        return stream(self, given, *args, **settings)

    monkeypatch.setattr(kind, "stream", counted)
    found = at_once(client, name, [partial(post, client, verb, path) for path in recordings])
    assert batches == [len(recordings)]
    assert_close(found, expected)


def at_once(client, name, requests):
    """Return the answers of requests that have all waited for a model of a kind when the first one begins."""
    registry = client.app.state.services.registry
    entry, begun, may_end = registry.find(name), threading.Event(), threading.Event()

    def wait(model, ticket):
        begun.set()
        may_end.wait(10)

    with ThreadPoolExecutor(len(requests) + 1) as pool:
        busy = pool.submit(client.portal.call, registry.run, entry, wait, Ticket())
        begun.wait(10)
        answers = [pool.submit(request) for request in requests]
        while registry.lanes[entry].queued < len(requests):
            threading.Event().wait(0.01)
        may_end.set()
        busy.result()
        return [answer.result() for answer in answers]


def test_drawings_that_are_computed_together_have_their_own_previews(client, recordings, monkeypatch):
    monkeypatch.setattr(previews, "MAX_SHARE", np.inf)

    def draw(seed, more):
        with recordings[0].open("rb") as file:
            data = {"steps": 4, "seed": seed, **more}
            headers = {"Accept": "text/event-stream"}
            text = client.post("/v1/draw", files={"file": ("sound", file)}, data=data, headers=headers).text
        events = [each.split("\n") for each in text.split("\n\n") if each]
        shown = [json.loads(data.removeprefix("data: ")) for name, data in events if name == "event: preview"]
        return [pixels(each["pictures"]) for each in shown], [each["pictures"][0]["number"] for each in shown]

    def pixels(pictures):
        assert len(pictures) == 1
        return np.asarray(Image.open(BytesIO(base64.b64decode(pictures[0]["png"]))), float)

    wanted = [(1, {"preview_steps": 3}), (2, {}), (3, {"preview_steps": 3})]
    alone = [draw(*each) for each in wanted]
    together = at_once(client, "drawing", [partial(draw, *each) for each in wanted])
    for (shown, numbers), (expected, _) in zip(together, alone, strict=True):
        assert len(shown) == len(expected)
        assert not any(numbers)
        for one, other in zip(shown, expected, strict=True):
            assert np.abs(one - other).max() <= 1
    assert [len(shown) for shown, _ in together] == [1, 0, 1]
    assert np.abs(together[0][0][0] - together[2][0][0]).max() > 10


def assert_close(one, other):
    """Assert that two JSON values are equal, apart from the rounding of numbers."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_close(one[key], other[key])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for mine, yours in zip(one, other, strict=True):
            assert_close(mine, yours)
    elif isinstance(one, np.ndarray):
        assert np.abs(one - other).max() <= 1
    else:
        assert one == pytest.approx(other, abs=1e-6) if isinstance(one, float) else one == other


def test_a_drawing_gives_way_to_quick_requests_and_stays_the_same(client, recordings):
    drawn, heard = post(client, "draw", recordings[0]), post(client, "hear", recordings[1])
    with ThreadPoolExecutor(1) as pool:
        drawing = pool.submit(post, client, "draw", recordings[0])
        answers = 0
        while not drawing.done():
            assert post(client, "hear", recordings[1]) == heard
            answers += 1
    assert answers > 1
    assert_close(drawing.result(), drawn)
    for one, other in zip(drawing.result()["pictures"], drawn["pictures"], strict=True):
        assert np.array_equal(one["pixels"], other["pixels"])
