"""Mistakes in fields are found before recordings are decoded, which may take long."""

import pytest


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
        ("/v1/hear", {"hop": 1}, "hop"),
    ],
)
def test_a_field_that_cannot_be_used_is_refused_first(client, path, data, field):
    answer = client.post(path, files={"file": b"damaged"}, data=data)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
