"""Mistakes in fields are found before recordings are decoded, which may take long."""

import pytest

from photism.server.fields.body import EXAMPLE_RECORDING


@pytest.mark.parametrize(
    "path",
    [
        "/v1/audio/transcriptions",
        "/v1/draw",
        "/v1/embed",
        "/v1/film",
        "/v1/hear",
        "/v1/label",
        "/v1/speakers/embed",
        "/v1/speakers/timeline",
        "/v1/transcribe",
    ],
)
def test_a_model_that_there_is_not_is_refused_first(client, path):
    answer = client.post(path, files={"file": b"damaged"}, data={"model": "gone"})
    assert (answer.status_code, answer.json()["field"]) == (404, "model")


@pytest.mark.parametrize(
    ("path", "data", "field"),
    [
        ("/v1/draw", {"width": 4096, "height": 4096}, "width"),
        ("/v1/draw", {"images": 100}, "images"),
        ("/v1/embed", {"text": "rain"}, "text"),
        ("/v1/film", {"width": 4096, "height": 4096}, "width"),
        ("/v1/draw", {"guidance_scale": 1e308}, "guidance_scale"),
        ("/v1/draw", {"strength": 1e308}, "strength"),
        ("/v1/film", {"window": 1e308}, "window"),
        ("/v1/hear", {"hop": 1}, "hop"),
    ],
)
def test_a_field_that_cannot_be_used_is_refused_first(client, path, data, field):
    answer = client.post(path, files={"file": b"damaged"}, data=data)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/v1/hear", {"window": 1e308, "hop": 1e308}),
        ("/v1/label", {"window": 1e308}),
        ("/v1/embed", {"window": 1e308, "hop": 0.5}),
    ],
)
def test_a_window_longer_than_any_recording_is_the_whole(client, path, fields):
    answer = client.post(path, json={"file": EXAMPLE_RECORDING, **fields})
    (window,) = answer.json()["windows"]
    assert (window["start_s"], window["end_s"]) == (0, 0.5)
