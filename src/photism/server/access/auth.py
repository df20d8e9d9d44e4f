"""Demand the token or the password of the server."""

from __future__ import annotations

import base64
import binascii
import hmac
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from photism.server.access.rate_limit import RateLimiter, too_many
from photism.server.paths import HEALTH_PATH, METRICS_PATH, route_path
from photism.server.problems import Problem
from photism.server.settings import AccessSettings

FAILURES_PER_MINUTE = 10
"""Wrong secrets that a client may send, before it is answered 429."""
TOKEN_PROTOCOL = "photism.token."
"""Subprotocol of a WebSocket that carries the token in URL-safe base64: a browser's scripts cannot set headers."""
CHALLENGES = ('Basic realm="Photism", charset="UTF-8"', 'Bearer realm="Photism"')
SECRET_HEADERS = (b"authorization", b"sec-websocket-protocol")


class AuthMiddleware:
    """ASGI middleware that lets only requests with a secret pass, if the server has one.

    The token comes as `Authorization: Bearer TOKEN`, the password as HTTP Basic with any user name; as either of them,
    because a browser can send only the latter, and programs written for OpenAI's interface only the former. WebSockets
    may have the token as a subprotocol. What follows does not see the secret.

    `/health` is open to all, and `/metrics` to this machine; of a server without secrets, to this machine alone.
    """

    def __init__(self, app: ASGIApp, *, access: AccessSettings) -> None:
        self._app = app
        self._secrets = [each.encode() for each in (access.token, access.password) if each is not None]
        self._failures = RateLimiter(FAILURES_PER_MINUTE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        app = self._app
        if scope["type"] in ("http", "websocket"):
            problem = self._problem(scope)
            _remove_secrets(scope)
            if problem is not None:
                app = problem.response(scope)
                if problem.status == HTTPStatus.UNAUTHORIZED:
                    for challenge in CHALLENGES:  # a header each: browsers do not separate them
                        app.headers.append("WWW-Authenticate", challenge)
        await app(scope, receive, send)

    def _problem(self, scope: Scope) -> Problem | None:
        path, is_local, client = route_path(scope), scope["state"]["is_local"], scope["state"]["client"]
        if path == HEALTH_PATH or (path == METRICS_PATH and is_local):
            return None
        if not self._secrets:
            return _forbidden() if path == METRICS_PATH else None
        given = _given_secret(scope)
        if given is None:
            return _unauthorized("The server demands a token or a password.")
        if (wait := self._failures.wait_s(client)) > 0:
            return too_many("Too many wrong tokens or passwords came from the client.", wait)
        if any(hmac.compare_digest(given, each) for each in self._secrets):
            return None
        self._failures.take(client)
        return _unauthorized("The token or password is wrong.")


def _given_secret(scope: Scope) -> bytes | None:
    """Return the secret that a request has; None if it has none."""
    scheme, _, value = Headers(scope=scope).get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip().encode("latin-1")
    if scheme.lower() == "basic":
        return _decoded(value.strip()).partition(b":")[2]
    tokens = [each for each in scope.get("subprotocols", ()) if each.startswith(TOKEN_PROTOCOL)]
    return _decoded(tokens[0].removeprefix(TOKEN_PROTOCOL)) if tokens else None


def _decoded(value: str) -> bytes:
    """Return what base64 stands for; nothing if it is wrong."""
    padding = "=" * (-len(value) % 4)
    try:
        return base64.b64decode(value + padding, altchars=b"-_" if set(value) & set("-_") else None, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _remove_secrets(scope: Scope) -> None:
    """Remove secrets from a request, so that nothing that follows can log or show them."""
    scope["headers"] = [each for each in scope["headers"] if each[0] not in SECRET_HEADERS]
    if scope["type"] == "websocket":
        scope["subprotocols"] = [each for each in scope["subprotocols"] if not each.startswith(TOKEN_PROTOCOL)]


def _unauthorized(detail: str) -> Problem:
    return Problem(
        HTTPStatus.UNAUTHORIZED,
        "unauthorized",
        detail,
        remedy="Send the header `Authorization: Bearer TOKEN`, or HTTP Basic with the password.",
    )


def _forbidden() -> Problem:
    return Problem(
        HTTPStatus.FORBIDDEN,
        "forbidden",
        "Without a token or password, the metrics are for the server's own machine.",
        remedy="Start the server with --token.",
    )
