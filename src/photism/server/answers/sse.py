"""Send the progress and the result of a model's work as server-sent events.

    event: queued       data: {"position": 2}
    event: loading      data: {}
    event: progress     data: {"done": 3, "total": 12}
    event: words        data: a part of the result, under a name of the endpoint
    event: result       data: the JSON object that the endpoint answers without events
    event: error        data: an RFC 9457 problem, in place of the result

A client that closes the stream cancels the work.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from photism.server.answers.accept import VARY
from photism.server.answers.run import cancelled_problem, start
from photism.server.engine.entries import ModelEntry
from photism.server.engine.ticket import Cancelled, PartialResult, Progress, Ticket
from photism.server.media_types import EVENT_STREAM
from photism.server.problems import problem_for

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

T = TypeVar("T")

KEEPALIVE_S = 15.0
"""Seconds of silence after which a comment keeps proxies from closing the stream."""
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", **VARY}
"""Headers that keep caches from storing a stream, and nginx from holding it back."""


async def event_stream(
    request: Request,
    entry: ModelEntry,
    work: Callable[[Any, Ticket], T],
    as_json: Callable[[T], Mapping[str, Any]],
    *,
    is_job: bool = False,
    resources: AsyncExitStack | None = None,
) -> EventStream:
    """Run work in the queue of a model, and return an answer that streams its progress and its result.

    What is wrong before the work is queued, such as a full queue, is answered by a problem with its own status.

    Args:
        request: request, whose body must have been read.
        entry: the model.
        work: called with the model and the ticket, in the thread of the model. It reports its steps to the ticket.
        as_json: turns what `work` returns into the data of the last event.
        is_job: whether the work takes minutes, and gives way to other requests.
        resources: closed at the end of the stream, such as the uploads that the work reads.

    Raises:
        Problem: the work was refused.
    """
    ticket, running = start(request, entry, work, is_job=is_job)
    await raise_refusal(running)
    return EventStream(_events(request, ticket, running, as_json), on_close=ticket.cancel, resources=resources)


async def raise_refusal(running: asyncio.Task[Any]) -> None:
    """Raise the problem of work that was just started and is not queued, so that its answer has its own status.

    Raises:
        Problem: the queue is full, or the server is shutting down.
    """
    await asyncio.sleep(0)
    try:
        if running.done():
            running.result()
    except Cancelled:
        raise cancelled_problem(by_client=False) from None


class EventStream(StreamingResponse):
    """An answer that streams events.

    Args:
        events: the events, as bytes.
        on_close: called when the stream has ended or the client has closed it.
        resources: closed then, such as the uploads that the work reads.
    """

    media_type = EVENT_STREAM

    def __init__(
        self,
        events: AsyncIterator[bytes],
        *,
        on_close: Callable[[], None] | None = None,
        resources: AsyncExitStack | None = None,
    ) -> None:
        super().__init__(with_keepalive(events), headers=HEADERS)
        self._on_close, self._resources = on_close, resources

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events until they end or the client closes the connection."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self._on_close is not None:
                self._on_close()
            if self._resources is not None:
                await self._resources.aclose()


def event(name: str, data: Mapping[str, Any]) -> bytes:
    """Return an event with JSON data."""
    return format_sse_event(event=name, data_str=json.dumps(data, ensure_ascii=False))


def progress_event(progress: Progress) -> bytes:
    """Return the event of the state of a work item."""
    if progress.state == "queued":
        return event("queued", {"position": progress.position})
    if progress.state == "loading":
        return event("loading", {})
    return event("progress", {"done": progress.done, "total": progress.total})


async def _events(
    request: Request,
    ticket: Ticket,
    running: Awaitable[T],
    as_json: Callable[[T], Mapping[str, Any]],
) -> AsyncGenerator[bytes]:
    async for each in ticket.messages():
        yield event(each.name, each.data) if isinstance(each, PartialResult) else progress_event(each)
    try:
        result = await run_in_threadpool(as_json, await running)
    except Cancelled:
        yield event("error", cancelled_problem(by_client=False).as_dict())
    except Exception as error:
        yield event("error", problem_for(request, error).as_dict())
    else:
        yield event("result", result)


async def with_keepalive(events: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """Yield events, and a comment whenever there was none for `KEEPALIVE_S`."""
    coming: asyncio.Future[bytes] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(events, b""))
            done, _ = await asyncio.wait((coming,), timeout=KEEPALIVE_S)
            if not done:
                yield KEEPALIVE_COMMENT
                continue
            if not (data := coming.result()):
                return
            coming = None
            yield data
    finally:
        if coming is not None:
            coming.cancel()
