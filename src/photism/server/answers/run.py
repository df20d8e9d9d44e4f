"""Run a model's work for a request, and end it when the client has closed the connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from fastapi import Request

from photism.server.disconnect import client_closed_problem, closed
from photism.server.engine.entries import ModelEntry
from photism.server.engine.ticket import Cancelled, Ticket
from photism.server.problems import Problem, shutting_down_problem
from photism.server.services import services_of

T = TypeVar("T")


async def run_for(request: Request, entry: ModelEntry, work: Callable[[Any, Ticket], T], *, is_job: bool = False) -> T:
    """Run work in the queue of a model, and return its result.

    The body of the request must have been read: after it, a message from the client means that it left.

    Args:
        request: request, whose client waits for its turn and for the result.
        entry: the model.
        work: called with the model and the ticket, in the thread of the model. It reports its steps to the ticket.
        is_job: whether the work takes minutes, and gives way to other requests.

    Raises:
        Problem: 503, the queue is full, or the server is shutting down. 499, the client has left; the work was not
            begun, or ended at its next step.
        InputError: the work cannot use what it was given.
    """
    ticket, running = start(request, entry, work, is_job=is_job)
    leaving = asyncio.ensure_future(closed(request.receive))
    try:
        await asyncio.wait((running, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            ticket.cancel()
        return await running
    except Cancelled:
        raise cancelled_problem(by_client=leaving.done()) from None
    finally:
        ticket.cancel()  # if this request itself is ended
        leaving.cancel()


def start(
    request: Request, entry: ModelEntry, work: Callable[[Any, Ticket], T], *, is_job: bool = False
) -> tuple[Ticket, asyncio.Task[T]]:
    """Queue work for a request, and return its ticket and a task that ends with its result."""
    ticket = Ticket(client=request.state.client, is_job=is_job)
    request.state.model, request.state.ticket = entry.name, ticket  # for the log and the metrics
    running = asyncio.ensure_future(services_of(request).registry.run(entry, work, ticket))
    running.add_done_callback(_take_error)
    return ticket, running


def cancelled_problem(*, by_client: bool) -> Problem:
    """Return the problem of work that was cancelled by its client, or otherwise because the server is shutting down."""
    if by_client:
        return client_closed_problem()
    return shutting_down_problem()


def _take_error(running: asyncio.Task[Any]) -> None:
    """Take the error of work whose client has left, which asyncio would log as never retrieved."""
    with suppress(asyncio.CancelledError):
        running.exception()
