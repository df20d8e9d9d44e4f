"""One structured line in the log for each request, without anything that visitors wrote.

    {"time": "2026-01-31T12:00:00.000+00:00", "level": "info", "id": "2f0c…", "client": "9d1e…", "method": "POST",
     "route": "/v1/draw", "status": 200, "duration_s": 1.31, "waited_s": 0.4, "computed_s": 0.88, "model": "tiny",
     "audio_s": 2.5, "bytes_in": 21345, "bytes_out": 40960, "cancelled": false}

A line holds the template of the path in place of the path, and a digest of the client with a key that lives as long as
the server: lines of one client can be found, its address or token cannot.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from photism.server.disconnect import CLIENT_CLOSED_REQUEST
from photism.server.problems import problem_for, shutting_down_problem

if TYPE_CHECKING:
    from photism.server.operations.metrics import Metrics

logger = logging.getLogger(__name__)

INTERNAL_ERROR = 1011
"""Code with which a WebSocket is closed after an unexpected error."""
UNKNOWN_ROUTE = "unknown"
"""Route of a request that no endpoint answers."""


@dataclass
class _Exchange:
    """What passed between a client and the server in one request, or over one WebSocket."""

    begun_at: float = field(default_factory=time.monotonic)
    status: int = 0
    close_code: int | None = None
    received: int = 0
    sent: int = 0
    has_begun: bool = False
    has_ended: bool = False
    has_left: bool = False

    def note_received(self, message: Message) -> None:
        """Note a message of the client."""
        if message["type"] in ("http.request", "websocket.receive"):
            self.received += _size(message)
        elif message["type"] == "http.disconnect":
            self.has_left = self.has_left or not self.has_ended
        elif message["type"] == "websocket.disconnect":
            self.close_code = self.close_code or message.get("code")
            self.has_ended = True

    def note_sent(self, message: Message) -> None:
        """Note a message of the server."""
        kind: str = message["type"]
        self.sent += _size(message)
        if kind in ("http.response.start", "websocket.http.response.start"):
            self.has_begun, self.status = True, message["status"]
        elif kind in ("http.response.body", "websocket.http.response.body"):
            self.has_ended = not message.get("more_body", False)
        elif kind == "websocket.accept":
            self.has_begun, self.status = True, HTTPStatus.SWITCHING_PROTOCOLS
        elif kind == "websocket.close":
            if not self.has_begun:  # the handshake is refused, as uvicorn answers it
                self.has_begun, self.status = True, HTTPStatus.FORBIDDEN
            self.close_code = message.get("code", 1000)
            self.has_ended = True


class RequestLog:
    """ASGI middleware that logs and counts each request, and answers an unexpected error.

    It reads what other layers leave in the state of the request: `id` and `client`, and where there is one the `ticket`
    of the work, the name of its `model`, and the seconds `audio_s` of the recordings.

    Args:
        app: the application.
        metrics: counts the requests.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics
        self._key = secrets.token_bytes(16)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        exchange = _Exchange()

        async def receive_and_note() -> Message:
            message = await receive()
            exchange.note_received(message)
            return message

        async def send_and_note(message: Message) -> None:
            exchange.note_sent(message)
            await send(message)

        try:
            await self._app(scope, receive_and_note, send_and_note)
        except Exception as error:
            problem = problem_for(HTTPConnection(scope), error)  # which logs it
            if not exchange.has_begun:
                await problem.response(scope)(scope, receive_and_note, send_and_note)
            elif scope["type"] == "websocket" and not exchange.has_ended:
                await send_and_note({"type": "websocket.close", "code": INTERNAL_ERROR})
        except asyncio.CancelledError:  # the server stops, and waits no longer
            if exchange.has_begun and scope["type"] == "websocket":
                raise
            with suppress(Exception):  # an answer of known length ends early
                if exchange.has_begun:
                    await send_and_note({"type": "http.response.body"})
                else:
                    await shutting_down_problem().response(scope)(scope, receive_and_note, send_and_note)
        finally:
            self._record(exchange, scope)

    def _record(self, exchange: _Exchange, scope: Scope) -> None:
        """Log and count a request that has ended."""
        state, ticket = scope.get("state", {}), scope.get("state", {}).get("ticket")
        method = scope.get("method", "WEBSOCKET")
        route = getattr(scope.get("route"), "path", UNKNOWN_ROUTE)
        is_cancelled = exchange.has_left or exchange.status == CLIENT_CLOSED_REQUEST
        status = exchange.status or CLIENT_CLOSED_REQUEST  # nothing was answered, since there was nobody to answer
        duration_s, audio_s = time.monotonic() - exchange.begun_at, state.get("audio_s", 0.0)
        fields: dict[str, Any] = {
            "id": state.get("id"),
            "client": self._digest(state.get("client")),
            "method": method,
            "route": route,
            "status": status,
            "duration_s": round(duration_s, 3),
            "waited_s": None if ticket is None else round(ticket.waited_s, 3),
            "computed_s": None if ticket is None else round(ticket.computed_s, 3),
            "model": state.get("model"),
            "audio_s": round(audio_s, 3),
            "bytes_in": exchange.received,
            "bytes_out": exchange.sent,
            "cancelled": is_cancelled,
        }
        if method == "WEBSOCKET":
            fields["close_code"] = exchange.close_code
        logger.info("request", extra={"fields": fields})
        self._metrics.record(
            method,
            route,
            status,
            duration_s=duration_s,
            received=exchange.received,
            sent=exchange.sent,
            audio_s=audio_s,
            is_cancelled=is_cancelled,
        )

    def _digest(self, client: str | None) -> str | None:
        if client is None:
            return None
        return hashlib.blake2s(client.encode(), key=self._key, digest_size=6).hexdigest()


def _size(message: Message) -> int:
    """Return the number of bytes in a message; characters of a text count as bytes."""
    return len(message.get("body") or message.get("bytes") or message.get("text") or b"")
