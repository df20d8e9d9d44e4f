"""What all endpoints of the application have in common."""

import pytest
from starlette.testclient import WebSocketDenialResponse

from photism.server.engine.registry import ModelRegistry
from photism.server.settings import LimitSettings


@pytest.fixture(scope="module")
def client(make_client):
    return make_client(ModelRegistry((), LimitSettings()))


@pytest.mark.parametrize("path", ["/health", "/metrics", "/v1/models", "/docs"])
def test_what_answers_get_answers_head(client, path):
    wanted, answer = client.get(path), client.head(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, wanted.headers["content-type"])


def test_head_is_a_method_that_a_problem_names(client):
    assert client.put("/health").headers["allow"] == "GET, HEAD"


def test_a_websocket_of_an_unknown_path_is_answered_with_a_problem(client):
    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        client.websocket_connect("ws://127.0.0.1:7860/v1/live/nothing"),
    ):
        pass
    assert (refused.value.status_code, refused.value.json()["type"]) == (404, "/problems/not-found")
