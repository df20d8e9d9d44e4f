"""End what is done for a request when its client closes the connection."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.requests import Request

from photism.server.problems import Problem

if TYPE_CHECKING:
    from starlette.types import Receive

Result = TypeVar("Result")

CLIENT_CLOSED_REQUEST = 499
"""Status, as nginx logs it, of a request whose client left before its answer."""


async def until_closed(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """Return the result of a coroutine, which is cancelled if the client leaves.

    The body of the request must have been read: after it, a message from the client means that it left.

    Raises:
        Problem: 499, the client has left.
    """
    running = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(closed(request.receive))
    try:
        await asyncio.wait((running, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            raise client_closed_problem()
        return running.result()
    finally:
        running.cancel()
        leaving.cancel()
        await asyncio.wait((running, leaving))


async def closed(receive: Receive) -> None:
    """Return when the client has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


def client_closed_problem() -> Problem:
    """Return the problem of a request whose client left before its answer."""
    return Problem(
        CLIENT_CLOSED_REQUEST,
        "client-closed-request",
        "The connection was closed before there was a result.",
    )
