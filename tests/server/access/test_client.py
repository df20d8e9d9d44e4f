"""The client of a request: whether it is at this machine, and the id of the request."""

import pytest

from photism.server.access.client import client_key
from photism.server.settings import AccessSettings

LIVE = "ws://127.0.0.1:7860/v1/live"


@pytest.mark.parametrize(
    ("peer", "headers", "is_local"),
    [
        ("127.0.0.1", {}, True),
        ("127.8.0.1", {}, True),
        ("::1", {}, True),
        ("::ffff:127.0.0.1", {}, True),
        ("127.0.0.1", {"Host": "localhost:8000"}, True),
        ("192.0.2.1", {}, False),
        ("", {}, False),
        ("127.0.0.1", {"Host": "photism.example.org"}, False),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, False),
        ("127.0.0.1", {"Forwarded": "for=127.0.0.1"}, False),
        ("127.0.0.1", {"Via": "1.1 proxy"}, False),
    ],
)
def test_a_request_is_local_without_a_proxy_only(connect, peer, headers, is_local):
    client = connect(AccessSettings(allowed_host=("photism.example.org",)), peer=peer)
    assert client.get("/v1/state", headers=headers).json()["is_local"] is is_local
    with client.websocket_connect(LIVE, headers=headers) as socket:
        assert socket.receive_json()["is_local"] is is_local


@pytest.mark.parametrize(
    ("proxies", "peer", "forwarded", "client"),
    [
        ((), "127.0.0.1", "192.0.2.1", "192.0.2.1"),
        ((), "::1", "2001:db8::1", "2001:db8::/64"),
        # Each proxy appends an address: the client itself may have written those before.
        ((), "127.0.0.1", "198.51.100.7, 192.0.2.1", "192.0.2.1"),
        ((), "127.0.0.1", "198.51.100.7, 192.0.2.1, 127.0.0.1", "192.0.2.1"),
        ((), "127.0.0.1", "no address", "127.0.0.1"),
        ((), "127.0.0.1", "", "127.0.0.1"),
        ((), "10.0.0.2", "192.0.2.1", "10.0.0.2"),
        (("10.0.0.0/8",), "10.0.0.2", "192.0.2.1", "192.0.2.1"),
        (("10.0.0.0/8",), "10.0.0.2", "192.0.2.1, 10.0.0.3", "192.0.2.1"),
        (("10.0.0.0/8",), "198.51.100.7", "192.0.2.1", "198.51.100.7"),
    ],
)
def test_proxies_alone_name_their_clients(connect, proxies, peer, forwarded, client):
    headers = {"X-Forwarded-For": forwarded, "X-Forwarded-Proto": "https", "X-Forwarded-Host": "localhost"}
    found = connect(AccessSettings(proxy=proxies), peer=peer).get("/v1/state", headers=headers).json()
    assert (found["client"], found["is_local"]) == (client, False)
    is_proxy = peer in ("127.0.0.1", "::1") or (peer == "10.0.0.2" and proxies != ())
    assert found["scheme"] == ("https" if is_proxy else "http")
    assert found["proxy_headers"] == (["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"] if is_proxy else [])


def test_behind_a_root_path_no_request_is_local(connect):
    client = connect(root_path="/photism")
    assert client.get("/v1/state").json()["is_local"] is False
    assert client.get("/photism/v1/state").json()["is_local"] is False


@pytest.mark.parametrize(
    ("given", "is_kept"),
    [
        ("job-7.a_b", True),
        ("a" * 64, True),
        ("a" * 65, False),
        ("a b", False),
        ("<script>", False),
        ("ä", False),
        ("a\r\nSet-Cookie: b=c", False),
        ("a\n", False),
    ],
)
def test_a_plain_request_id_is_kept_and_another_replaced(connect, given, is_kept):
    answer = connect().get("/v1/state", headers={"X-Request-ID": given.encode()})
    assert (answer.headers["X-Request-ID"] == given) is is_kept
    assert answer.json()["id"] == answer.headers["X-Request-ID"]
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::1"),
        ("testclient", "testclient"),
    ],
)
def test_an_ipv6_network_is_one_client(address, key):
    assert client_key(address) == key
