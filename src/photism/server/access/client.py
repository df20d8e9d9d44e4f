"""Identify the client of a request, and give the request an id."""

from __future__ import annotations

import re
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from photism.server.settings import is_loopback

REQUEST_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
PROXY_HEADERS = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
"""Headers that a proxy adds, so that a connection from this machine need not be a request of somebody at it."""


class ClientMiddleware:
    """ASGI middleware that sets `request.state.id`, `.client` and `.is_local`, for WebSockets too.

    `client` is the address; `is_local` is True for a connection from this machine that came through no proxy. The id is
    that of the header X-Request-ID if it is plain, or else a random one, and the answer has it in the same header.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        address = str((scope.get("client") or ("",))[0])
        is_local = is_loopback(address) and not any(name in headers for name in PROXY_HEADERS)
        scope.setdefault("state", {}).update(id=request_id, client=address, is_local=is_local)

        async def send_with_id(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        await self._app(scope, receive, send_with_id)
