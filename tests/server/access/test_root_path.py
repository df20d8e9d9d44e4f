"""A server that a proxy publishes below a path, which it removes from requests or leaves there."""

import pytest

from photism.server.settings import AccessSettings


@pytest.mark.parametrize("prefix", ["", "/photism"])
def test_endpoints_documents_and_page_are_below_the_root_path(connect, prefix):
    client = connect(root_path="/photism")
    assert client.get(f"{prefix}/v1/state").status_code == 200
    assert client.get(f"{prefix}/openapi.json").json()["servers"] == [{"url": "/photism"}]
    assert 'href="/openapi.json' not in client.get(f"{prefix}/docs").text
    assert client.get(f"{prefix}/v1/state/", follow_redirects=False).headers["Location"].endswith("/photism/v1/state")
    with client.websocket_connect(f"ws://127.0.0.1:7860{prefix}/v1/live") as socket:
        socket.receive_json()


def test_the_root_path_itself_is_the_page(connect):
    answer = connect(root_path="/photism").get("/photism", follow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (307, "/photism/")


def test_names_that_only_begin_like_the_root_path_are_below_it(connect):
    assert connect(root_path="/photism").get("/photisms/v1/state").status_code == 404


def test_problems_of_openais_endpoints_are_below_the_root_path_too(connect):
    client = connect(AccessSettings(token="t0ken"), root_path="/photism")
    for path in ("/photism/v1/models", "/v1/models"):
        error = client.get(path).json()["error"]
        assert error["code"] == "unauthorized"
    assert "error" not in client.get("/photism/v1/hear").json()
