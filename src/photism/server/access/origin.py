"""Refuse requests that other sites send with a visitor's browser, and requests under a foreign name."""

from __future__ import annotations

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from photism.server.access.hosts import OwnHosts
from photism.server.problems import Problem


class OriginMiddleware:
    """ASGI middleware that checks the headers Host, Origin and Sec-Fetch-Site of requests and WebSockets.

    A browser tells the site that a request comes from; programs, which no other site can use, do not. No answer has
    CORS headers, so that other sites cannot read one either.
    """

    def __init__(self, app: ASGIApp, *, hosts: OwnHosts) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        problem = self._problem(scope) if scope["type"] in ("http", "websocket") else None
        app = self._app if problem is None else problem.response(scope)
        await app(scope, receive, send)

    def _problem(self, scope: Scope) -> Problem | None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        forwarded = [each.strip() for value in headers.getlist("x-forwarded-host") for each in value.split(",")]
        if not all(self._hosts.include(each) for each in (host, *forwarded)):
            return Problem(
                HTTPStatus.MISDIRECTED_REQUEST,
                "unknown-host",
                "The server is not reached under the name in the header Host or X-Forwarded-Host.",
                remedy="Start the server with --allowed-host and this name, if it is yours.",
            )
        is_own = _is_own_fetch(scope, headers) if origin is None else self._hosts.include_origin(origin, host)
        if not is_own:
            return Problem(
                HTTPStatus.FORBIDDEN,
                "cross-origin",
                "The request comes from a page of another site.",
                remedy="Start the server with --allowed-host and the name of the page, if it is yours.",
            )
        return None


def _is_own_fetch(scope: Scope, headers: Headers) -> bool:
    """Return whether a request without an Origin may be answered: of a program, of the page itself, or by a link."""
    is_link = scope.get("method") in ("GET", "HEAD") and headers.get("sec-fetch-mode") == "navigate"
    return is_link or headers.get("sec-fetch-site", "none") in ("none", "same-origin")
