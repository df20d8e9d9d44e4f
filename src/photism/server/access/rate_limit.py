"""Limit the requests per minute of each client."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

from photism.server.paths import is_api
from photism.server.problems import Problem
from photism.server.settings import DEFAULT_RATE

MAX_CLIENTS = 10_000
"""Clients whose requests are counted at once; those that were not seen for longest are forgotten."""


class RateLimiter:
    """Count the requests of each client, as many as a minute allows at once and then one after another.

    This is the generic cell rate algorithm: for each client one time is kept, at which its requests so far are paid.

    Args:
        per_minute: requests of a client.
        clock: returns the time in seconds.
    """

    def __init__(self, per_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval_s, self._burst_s = 60 / per_minute, 60.0
        self._clock = clock
        self._paid_at: OrderedDict[str, float] = OrderedDict()

    def wait_s(self, client: str) -> float:
        """Return the seconds until a client may send its next request; 0 if it may at once."""
        ahead = self._paid_at.get(client, 0.0) - self._clock()
        return max(0.0, ahead + self._interval_s - self._burst_s)

    def take(self, client: str) -> float:
        """Count a request of a client, and return 0; or the seconds that it must wait, and do not count it."""
        wait = self.wait_s(client)
        if wait <= 0:
            self._paid_at[client] = max(self._paid_at.get(client, 0.0), self._clock()) + self._interval_s
            self._paid_at.move_to_end(client)
            while len(self._paid_at) > MAX_CLIENTS:
                self._paid_at.popitem(last=False)
        return wait


def too_many(detail: str, wait_s: float) -> Problem:
    """Return the problem of a client that must wait."""
    headers = {"Retry-After": str(math.ceil(wait_s))}
    return Problem(
        HTTPStatus.TOO_MANY_REQUESTS,
        "too-many-requests",
        detail,
        remedy=f"Wait {math.ceil(wait_s)} s.",
        headers=headers,
    )


class RateLimitMiddleware:
    """ASGI middleware that answers 429 to a client that sends more requests than it may.

    Requests to the endpoints, WebSockets and all that change something count; the files of the page do not.

    Args:
        rate: requests per minute of each client; None: `DEFAULT_RATE` for those on other machines.
    """

    def __init__(self, app: ASGIApp, *, rate: int | None) -> None:
        self._app = app
        self._has_local_limit = rate is not None
        self._limiter = RateLimiter(rate or DEFAULT_RATE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        app = self._app
        if scope["type"] in ("http", "websocket") and self._counts(scope):
            wait = self._limiter.take(scope["state"]["client"])
            if wait > 0:
                app = too_many("The client has sent more requests than it may.", wait).response(scope)
        await app(scope, receive, send)

    def _counts(self, scope: Scope) -> bool:
        if scope["state"]["is_local"] and not self._has_local_limit:
            return False
        is_read = scope.get("method") in ("GET", "HEAD", "OPTIONS")
        return not is_read or is_api(scope)
