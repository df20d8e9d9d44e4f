"""Bound the connections to the server, and the time in which each must say what it requests."""

from __future__ import annotations

import asyncio
from functools import partial
from http import HTTPStatus
from typing import Any

import h11
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from photism.server.access.client import client_key
from photism.server.access.proxies import Proxies
from photism.server.problems import Problem

MAX_CONNECTIONS = 512
"""Connections at once; more are answered 503, and those beyond twice as many are closed."""
MAX_CLIENT_CONNECTIONS = 64
"""Connections at once of one client, which no proxy on this machine is; more are answered 429. A browser opens six."""
HEAD_TIMEOUT_S = 20.0
"""Seconds from the connection, or from the first byte of a further request, to the end of the request's headers."""
RETRY_AFTER_S = 5


class BoundedH11Protocol(H11Protocol):
    """HTTP connection of uvicorn that is refused when there are too many, and closed when its request is late.

    uvicorn itself refuses headers that have no end after 16 KiB, and closes a connection 5 s after its last answer. But
    it waits without end for the rest of a request's headers, and answers too many requests without Retry-After.

    Args:
        args, keywords: as uvicorn's class takes them.
        proxies: machines whose connections are those of many clients.
    """

    def __init__(self, *args: Any, proxies: Proxies, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self._proxies = proxies
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the connection."""
        super().connection_made(transport)
        if len(self.connections) > 2 * MAX_CONNECTIONS:
            transport.abort()
        elif len(self.connections) > MAX_CONNECTIONS:
            self.app = partial(_refuse, HTTPStatus.SERVICE_UNAVAILABLE, "The server has as many connections as it can.")
        elif self._count_of_client() > MAX_CLIENT_CONNECTIONS:
            self.app = partial(_refuse, HTTPStatus.TOO_MANY_REQUESTS, "The client has as many connections as it may.")
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Handle what the client sends."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_timer()
        elif self._head_timer is None:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the connection."""
        self._stop_timer()
        super().connection_lost(exc)

    def _count_of_client(self) -> int:
        """Return the number of connections of the same client; a proxy stands for many clients and has none."""
        address = self.client[0] if self.client else ""
        if self._proxies.include(address):
            return 0
        clients = [getattr(each, "client", None) for each in self.connections]
        return sum(client_key(each[0]) == client_key(address) for each in clients if each)

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self.transport.abort)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


async def _refuse(status: int, detail: str, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request on a connection that is one too many."""
    problem = Problem(
        status,
        "too-many-connections",
        detail,
        remedy=f"Try again in {RETRY_AFTER_S} s.",
        headers={"Retry-After": str(RETRY_AFTER_S), "Connection": "close"},
    )
    app: ASGIApp = problem.response(scope)
    await app(scope, receive, send)
