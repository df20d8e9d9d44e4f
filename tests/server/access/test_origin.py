"""Host, Origin and Sec-Fetch-Site: rebinding, and requests that other sites send with a visitor's browser."""

import pytest
from starlette.testclient import WebSocketDenialResponse

from photism.server.settings import AccessSettings

LIVE = "ws://127.0.0.1:7860/v1/live"

ALLOWED = AccessSettings(allowed_host=("photism.example.org", "*.inner.example", "odd.example:8443"))
OWN = "http://127.0.0.1:7860"


@pytest.mark.parametrize(
    ("host", "is_known"),
    [
        ("127.0.0.1:7860", True),
        ("127.0.0.1", True),
        ("localhost:7860", True),
        ("LOCALHOST.:7860", True),
        ("photism.localhost", True),
        ("[::1]:7860", True),
        ("photism.example.org", True),
        ("PHOTISM.example.org:443", True),
        ("a.inner.example", True),
        ("odd.example", True),
        ("inner.example", False),
        ("evilinner.example", False),
        ("evil.example", False),
        ("photism.example.org.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("192.0.2.1", False),
        ("user@evil.example", False),
        ("127.0.0.1@evil.example", False),
        ("[::1", False),
        ("", False),
    ],
)
def test_only_own_names_are_served(connect, host, is_known):
    answer = connect(ALLOWED).get("/v1/state", headers={"Host": host})
    assert answer.status_code == (200 if is_known else 421)
    if not is_known:
        assert answer.json()["type"] == "/problems/unknown-host"
        assert host not in answer.text or not host


def test_the_name_that_a_proxy_was_reached_under_is_checked_too(connect):
    client = connect(ALLOWED)
    for name, status in (("photism.example.org", 200), ("evil.example", 421), ("localhost, evil.example", 421)):
        assert client.get("/v1/state", headers={"X-Forwarded-Host": name}).status_code == status
    other = connect(ALLOWED, peer="192.0.2.1")  # no proxy: the header is removed
    assert other.get("/v1/state", headers={"X-Forwarded-Host": "evil.example"}).json()["proxy_headers"] == []


@pytest.mark.parametrize(("host", "is_known"), [("192.0.2.1:7860", True), ("[2001:db8::1]", True), ("evil", False)])
def test_a_server_for_other_machines_has_any_address(connect, host, is_known):
    client = connect(AccessSettings(public=True), host="0.0.0.0")
    assert client.get("/v1/state", headers={"Host": host}).status_code == (200 if is_known else 421)


FOREIGN = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://127.0.0.1:3000"},
    {"Origin": "https://127.0.0.1"},
    {"Origin": "http://127.0.0.1:7860.evil.example"},
    {"Origin": "http://127.0.0.1:7860@evil.example"},
    {"Origin": "file://"},
    {"Origin": "chrome-extension://127.0.0.1:7860"},
    {"Origin": "http://odd.example"},
    {"Origin": "http://[::1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
]
"""Headers of a browser's request from another site."""
OURS = [
    {},
    {"Origin": OWN},
    {"Origin": OWN, "Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "https://photism.example.org"},
    {"Origin": "https://a.inner.example"},
    {"Origin": "https://odd.example:8443"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_other_sites_cannot_send_requests(connect, headers):
    client = connect(ALLOWED)
    answer = client.post("/v1/state", headers=headers)
    assert answer.status_code == 403
    assert answer.json()["type"] == "/problems/cross-origin"
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect(LIVE, headers=headers):
        pass
    assert refused.value.status_code == 403
    is_link = headers.get("Sec-Fetch-Mode") == "navigate"
    assert client.get("/v1/state", headers=headers).status_code == (200 if is_link else 403)


@pytest.mark.parametrize("headers", OURS)
def test_programs_and_own_pages_can(connect, headers):
    client = connect(ALLOWED)
    assert client.post("/v1/state", headers=headers).status_code == 200
    with client.websocket_connect(LIVE, headers=headers) as socket:
        socket.receive_json()


def test_a_preflight_gets_no_permission(connect):
    headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    answer = connect().options("/v1/state", headers=headers)
    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_every_answer_has_headers_for_browsers(connect):
    for answer in (connect().get("/v1/state"), connect().get("/nowhere"), connect().get("/", headers={"Host": "x"})):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
