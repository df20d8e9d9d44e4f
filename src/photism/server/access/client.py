"""Identify the client of a request, and give the request an id."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from ipaddress import IPv6Address, ip_network

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from photism.server.access.hosts import host_name, is_loopback_name
from photism.server.access.proxies import HEADERS, Proxies, parse_address
from photism.server.settings import is_loopback

REQUEST_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
RESPONSE_STARTS = ("http.response.start", "websocket.accept", "websocket.http.response.start")
"""ASGI messages that carry the headers of an answer."""
IPV6_PREFIX = 64  # bits; the rest of an IPv6 address is for the client to choose


class ClientMiddleware:
    """ASGI middleware that sets `request.state.id`, `.client` and `.is_local`, for WebSockets too.

    `client` is the address, of IPv6 its network. `is_local` is True for a connection from this machine to a name of the
    loopback device that came through no proxy. The id is that of the header X-Request-ID if it is plain, or else a
    random one; the answer has it in the same header.

    Args:
        proxies: addresses and networks of proxies on other machines, whose headers are believed.
        is_behind_proxy: whether there is always one, so that no request is local.
    """

    def __init__(self, app: ASGIApp, *, proxies: Sequence[str] = (), is_behind_proxy: bool = False) -> None:
        self._app = app
        self._proxies, self._is_behind_proxy = Proxies(proxies), is_behind_proxy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        is_local = (
            is_loopback(_address(scope))
            and is_loopback_name(host_name(headers.get("host", "")))
            and not self._is_behind_proxy
            and not any(name in headers for name in HEADERS)
        )
        self._proxies.apply(scope)
        client = client_key(_address(scope))
        scope.setdefault("state", {}).update(id=request_id, client=client, is_local=is_local)

        async def send_with_id(message: Message) -> None:
            if message["type"] in RESPONSE_STARTS:
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        await self._app(scope, receive, send_with_id)


def client_key(address: str) -> str:
    """Return what counts as one client: an IPv4 address, or the network of an IPv6 address."""
    parsed = parse_address(address)
    if isinstance(parsed, IPv6Address) and not parsed.is_loopback:
        return str(ip_network((parsed, IPV6_PREFIX), strict=False))
    return address if parsed is None else str(parsed)


def _address(scope: Scope) -> str:
    return str((scope.get("client") or ("",))[0])
