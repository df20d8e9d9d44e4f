"""Requests with equal settings that wait for a model are computed together, with the results of each alone."""

import base64
import threading
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

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
    registry = client.app.state.services.registry
    entry, begun, may_end = registry.find(name), threading.Event(), threading.Event()

    def wait(model, ticket):
        begun.set()
        may_end.wait(10)

    with ThreadPoolExecutor(len(recordings) + 1) as pool:
        busy = pool.submit(client.portal.call, registry.run, entry, wait, Ticket())
        begun.wait(10)
        answers = [pool.submit(post, client, verb, path) for path in recordings]
        while registry.lanes[entry].queued < len(recordings):
            threading.Event().wait(0.01)
        may_end.set()
        busy.result()
        found = [answer.result() for answer in answers]
    assert batches == [len(recordings)]
    assert_close(found, expected)


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
