"""WebSockets of a real server: who is refused, and that the refusal is an HTTP answer."""

import base64

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect as open_socket

from photism.server.settings import AccessSettings
from tests.server.serving import served

TOKEN = base64.urlsafe_b64encode(b"t0ken").decode().rstrip("=")


def test_handshakes_of_other_sites_and_without_a_secret_are_refused(connect):
    app = connect(AccessSettings(token="t0ken")).app
    with served(app) as url:
        address = f"{url.replace('http', 'ws')}/v1/live"
        for given, status in (
            ({}, 401),
            ({"additional_headers": {"Authorization": "Bearer wrong"}}, 401),
            ({"additional_headers": {"Authorization": "Bearer t0ken"}, "origin": "http://evil.example"}, 403),
            ({"additional_headers": {"Authorization": "Bearer t0ken", "Sec-Fetch-Site": "cross-site"}}, 403),
            ({"subprotocols": ["photism", f"photism.token.{TOKEN}x"]}, 401),
        ):
            with pytest.raises(InvalidStatus) as refused, open_socket(address, **given):
                pass
            response = refused.value.response
            assert response.status_code == status
            assert response.headers["Content-Type"] == "application/problem+json"
            assert response.headers["X-Request-ID"]
        with open_socket(address, subprotocols=["photism", f"photism.token.{TOKEN}"], origin=url) as socket:
            assert socket.subprotocol == "photism"
            assert socket.response.headers["X-Content-Type-Options"] == "nosniff"
            assert '"subprotocols": ["photism"]' in socket.recv().replace('":[', '": [')
