"""Identify the client of a request, and give the request an id."""

from __future__ import annotations

import re
import secrets
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from photism.server.access.hosts import host_name, is_loopback_name
from photism.server.settings import is_loopback

REQUEST_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
PROXY_HEADERS = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
"""Headers that a proxy adds, so that a connection from this machine need not be a request of somebody at it."""
IPV6_PREFIX = 64  # bits; the rest of an IPv6 address is for the client to choose


class ClientMiddleware:
    """ASGI middleware that sets `request.state.id`, `.client` and `.is_local`, for WebSockets too.

    `client` is the address, of IPv6 its network. `is_local` is True for a connection from this machine to a name of the
    loopback device that came through no proxy. The id is that of the header X-Request-ID if it is plain, or else a
    random one; the answer has it in the same header.
    """

    def __init__(self, app: ASGIApp, *, is_behind_proxy: bool = False) -> None:
        self._app = app
        self._is_behind_proxy = is_behind_proxy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        address = str((scope.get("client") or ("",))[0])
        is_local = (
            is_loopback(address)
            and is_loopback_name(host_name(headers.get("host", "")))
            and not self._is_behind_proxy
            and not any(name in headers for name in PROXY_HEADERS)
        )
        scope.setdefault("state", {}).update(id=request_id, client=client_key(address), is_local=is_local)

        async def send_with_id(message: Message) -> None:
            if message["type"] in RESPONSE_STARTS:
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        await self._app(scope, receive, send_with_id)


RESPONSE_STARTS = ("http.response.start", "websocket.accept", "websocket.http.response.start")
"""ASGI messages that carry the headers of an answer."""


def client_key(address: str) -> str:
    """Return what counts as one client: an IPv4 address, or the network of an IPv6 address."""
    try:
        parsed: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(parsed) if parsed.is_loopback else str(ip_network((parsed, IPV6_PREFIX), strict=False))
