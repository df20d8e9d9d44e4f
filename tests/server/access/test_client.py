"""The client of a request: whether it is at this machine, and the id of the request."""

import pytest
from fastapi import FastAPI, Request, WebSocket
from fastapi.testclient import TestClient

from photism.server.access.client import ClientMiddleware


def make_client(address: str = "127.0.0.1") -> TestClient:
    app = FastAPI()

    @app.get("/state")
    def state(request: Request) -> dict[str, object]:
        return {name: getattr(request.state, name) for name in ("id", "client", "is_local")}

    @app.websocket("/state")
    async def live_state(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_json({"is_local": socket.state.is_local})

    app.add_middleware(ClientMiddleware)
    return TestClient(app, client=(address, 50000))


@pytest.mark.parametrize(
    ("address", "headers", "is_local"),
    [
        ("127.0.0.1", {}, True),
        ("127.8.0.1", {}, True),
        ("::1", {}, True),
        ("::ffff:127.0.0.1", {}, True),
        ("192.0.2.1", {}, False),
        ("", {}, False),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, False),
        ("127.0.0.1", {"Forwarded": "for=127.0.0.1"}, False),
        ("127.0.0.1", {"Via": "1.1 proxy"}, False),
    ],
)
def test_a_request_is_local_without_a_proxy_only(address, headers, is_local):
    client = make_client(address)
    assert client.get("/state", headers=headers).json()["is_local"] is is_local
    with client.websocket_connect("/state", headers=headers) as socket:
        assert socket.receive_json() == {"is_local": is_local}


@pytest.mark.parametrize(
    ("given", "is_kept"),
    [("job-7.a_b", True), ("a" * 64, True), ("a" * 65, False), ("a b", False), ("<script>", False), ("ä", False)],
)
def test_a_plain_request_id_is_kept_and_another_replaced(given, is_kept):
    answer = make_client().get("/state", headers={"X-Request-ID": given.encode()})
    assert (answer.headers["X-Request-ID"] == given) is is_kept
    assert answer.json()["id"] == answer.headers["X-Request-ID"]
