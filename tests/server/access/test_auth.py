"""Token and password: which requests pass, and how guessing is slowed."""

import base64

import pytest
from starlette.testclient import WebSocketDenialResponse

from photism.server.access.auth import FAILURES_PER_MINUTE
from photism.server.settings import AccessSettings

LIVE = "ws://127.0.0.1:7860/v1/live"

BOTH = AccessSettings(token="t0ken", password="pass wörd:1")


def basic(password: str, user: str = "anyone") -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        (bearer("t0ken"), 200),
        ({"Authorization": "bearer  t0ken"}, 200),
        (bearer("t0ken2"), 401),
        (bearer("t0ke"), 401),
        (bearer(""), 401),
        (basic("pass wörd:1"), 200),
        (basic("pass wörd:1", user=""), 200),
        (basic("t0ken"), 200),
        (basic("pass wörd"), 401),
        ({"Authorization": "Basic"}, 401),
        ({"Authorization": "Basic ???"}, 401),
        ({"Authorization": "Digest t0ken"}, 401),
        ({"Authorization": "t0ken"}, 401),
    ],
)
def test_requests_need_a_secret(connect, headers, status):
    answer = connect(BOTH).get("/v1/state", headers=headers)
    assert answer.status_code == status
    if status == 401:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers.get_list("WWW-Authenticate") == [
            'Basic realm="Photism", charset="UTF-8"',
            'Bearer realm="Photism"',
        ]
    else:
        assert answer.json()["secrets"] == []


def test_pages_that_do_not_exist_need_a_secret_too(connect):
    client = connect(BOTH)
    for path in ("/", "/nowhere", "/docs", "/openapi.json", "/health/", "//health", "/healthy", "/metrics/"):
        assert client.get(path).status_code == 401, path


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD", "TRACE"])
def test_every_method_needs_a_secret(connect, method):
    assert connect(BOTH).request(method, "/v1/state").status_code == 401


def test_websockets_take_a_header_or_a_subprotocol(connect):
    client = connect(BOTH)
    token = base64.urlsafe_b64encode(b"t0ken").decode().rstrip("=")
    with client.websocket_connect(LIVE, subprotocols=["photism", f"photism.token.{token}"]) as socket:
        assert socket.accepted_subprotocol == "photism"
        assert socket.receive_json()["subprotocols"] == ["photism"]
    with client.websocket_connect(LIVE, headers=basic("pass wörd:1")) as socket:
        assert socket.receive_json()["subprotocols"] == []
    for subprotocols in ([], ["photism"], ["photism.token."], ["photism.token.dDBrZQ"], ["photism.token.!"]):
        with (
            pytest.raises(WebSocketDenialResponse) as refused,
            client.websocket_connect(LIVE, subprotocols=subprotocols),
        ):
            pass
        assert refused.value.status_code == 401
        assert refused.value.json()["type"] == "/problems/unauthorized"


def test_guessing_is_slowed_even_for_the_right_secret(connect):
    client = connect(BOTH)
    for guess in range(FAILURES_PER_MINUTE):
        assert client.get("/v1/state", headers=bearer(f"guess{guess}")).status_code == 401
    answer = client.get("/v1/state", headers=bearer("t0ken"))
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 6
    assert client.get("/v1/state").status_code == 401  # without a secret there is nothing to guess


def test_requests_without_a_secret_are_no_guesses(connect):
    client = connect(BOTH)
    for _ in range(2 * FAILURES_PER_MINUTE):
        assert client.get("/v1/state").status_code == 401
    assert client.get("/v1/state", headers=bearer("t0ken")).status_code == 200


@pytest.mark.parametrize(
    ("access", "peer", "headers", "status"),
    [
        (BOTH, "192.0.2.1", {}, 401),
        (BOTH, "192.0.2.1", bearer("t0ken"), 200),
        (BOTH, "127.0.0.1", {}, 200),
        (BOTH, "127.0.0.1", {"X-Forwarded-For": "192.0.2.1"}, 401),
        (AccessSettings(), "192.0.2.1", {}, 403),
        (AccessSettings(), "127.0.0.1", {}, 200),
    ],
)
def test_metrics_are_for_this_machine_or_with_a_secret(connect, access, peer, headers, status):
    assert connect(access, peer=peer).get("/metrics", headers=headers).status_code == status


def test_health_is_for_all(connect):
    assert connect(BOTH, peer="192.0.2.1").get("/health").status_code == 200
    assert connect(BOTH, root_path="/photism").get("/photism/health").status_code == 200
    assert connect(BOTH, root_path="/photism").get("/photism/v1/state").status_code == 401


def test_an_open_server_ignores_the_key_of_a_client(connect):
    assert connect().get("/v1/state", headers=bearer("unused")).status_code == 200
