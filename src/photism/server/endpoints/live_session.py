"""Protocol of live connections: a message with settings, then samples in, results out, and problems before the close.

The client sends

    {"sampling_rate": 48000, …}     settings, as the fields of a request
    bytes                           signed 16-bit little-endian mono samples, in messages of any length
    {"type": "end"}                 after the last samples

and the server {"type": "ready", …} when the model is loaded, results, and after the last one it closes with the code
1000. After a problem it sends {"type": "error", "problem": {…}} and closes with the code 4000 + the problem's status.

A task reads all the time, so that a closed connection ends the work at its next step; another one computes, in the
queue of the model, and sends.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import ExitStack, suppress
from http import HTTPStatus
from typing import Any, TypeVar

from starlette.websockets import WebSocket, WebSocketDisconnect

from photism.server.answers.run import cancelled_problem
from photism.server.endpoints.live_samples import SampleReader, SampleSink
from photism.server.engine.entries import ModelEntry
from photism.server.engine.ticket import Cancelled, Ticket
from photism.server.engine.work import Batchable
from photism.server.fields.body import Given, RequestBody
from photism.server.fields.json_body import parse_json
from photism.server.problems import Problem, problem_for
from photism.server.services import services_of

SUBPROTOCOL = "photism"
"""Subprotocol that is accepted if a client offers it. A browser offers a second one next to it, which has its token."""
SETTINGS_S = 10.0
"""Time in which the settings have to arrive."""
IDLE_S = 60.0
"""Time without a message after which a connection is closed."""
RETRY_S = 1.0
"""Time after which a work item that the full queue of the model has refused is tried again."""
SEND_S = 5.0
"""Time in which a client has to accept the message before the close."""
WAITED_S = 0.01
"""Time in the queue of a model from which on others are using it."""
NORMAL, GOING_AWAY, ABNORMAL, PROBLEM = 1000, 1001, 1006, 4000
"""Codes of the close; to that of a problem its status is added."""
SHUTTING_DOWN = "shutting-down"
END = {"type": "end"}
"""Message after the last samples."""

Result = TypeVar("Result")


async def serve_live(
    websocket: WebSocket, body: RequestBody, serve: Callable[[LiveSession, Given], Awaitable[None]]
) -> None:
    """Serve a live connection until one of the two sides closes it.

    If there are too many, a client that offers the subprotocol gets the problem as a message, because the scripts of a
    browser cannot read the answer to a handshake; others get it as that answer.

    Args:
        websocket: the connection, which is not accepted yet.
        body: what the message with the settings may have.
        serve: called with the session and the settings; when it returns, the connection is closed.
    """
    subprotocol = SUBPROTOCOL if SUBPROTOCOL in websocket.scope["subprotocols"] else None
    session = LiveSession(websocket)
    with ExitStack() as stack, suppress(WebSocketDisconnect):
        try:
            leaving = stack.enter_context(services_of(websocket).live.place(websocket.state.client))
        except Problem as problem:
            if subprotocol is None:
                await websocket.send_denial_response(problem.response(websocket.scope))
            else:
                await websocket.accept(subprotocol=subprotocol)
                await session.fail(problem)
        else:
            await websocket.accept(subprotocol=subprotocol)
            try:
                await _first_of(_until_shutdown(leaving), session.start(body, serve))
                await session.close(NORMAL)
            except WebSocketDisconnect:
                raise
            except Cancelled:  # together with all work items, while the server ends
                await session.fail(cancelled_problem(by_client=False))
            except Exception as error:
                await session.fail(problem_for(websocket, error))


class LiveSession:
    """A connection that is accepted.

    Args:
        websocket: the connection.

    Attributes:
        services: what endpoints need.
    """

    def __init__(self, websocket: WebSocket) -> None:
        self.services = services_of(websocket)
        self._websocket, self._client = websocket, str(websocket.state.client)
        self._owed_s = 0.0  # time that is left to others before the next quick work

    async def start(self, body: RequestBody, serve: Callable[[LiveSession, Given], Awaitable[None]]) -> None:
        """Read the settings, and serve the connection with them.

        Raises:
            Problem: they do not arrive in time, or cannot be used.
            WebSocketDisconnect: the client has closed the connection.
        """
        message = await self._receive(SETTINGS_S, "settings")
        given = _json_object(message)
        if given is None:
            raise _invalid_message("The first message must be a text message with a JSON object.")
        await serve(self, body.check(self._websocket, given))

    async def run(self, sink: SampleSink, sampling_rate: float, work: Coroutine[Any, Any, None]) -> None:
        """Read samples into a sink until the work is done that takes them from there.

        Raises:
            Problem: the client has sent something else than samples, or nothing for long.
            WebSocketDisconnect: the client has closed the connection; the work was cancelled.
        """
        await _first_of(self._read(SampleReader(sink, sampling_rate)), work)

    async def compute(self, entry: ModelEntry, work: Callable[[Any, Ticket], Result]) -> Result:
        """Run a short work in the queue of a model.

        Raises:
            Busy: the queue is full, or the work has waited for too long.
        """
        return await self._compute(entry, work, Ticket(self._client))

    async def compute_quickly(self, entry: ModelEntry, work: Callable[[Any, Ticket], Result]) -> Result:
        """Run a work item of a fraction of a second, to which the model's others give way at each of their steps.

        If it had to wait for them, the next one begins only after as much time as this one took, so that a connection
        with one such work after the other leaves half of the time to others.

        Raises:
            Busy: the queue is full, or the work has waited for too long.
        """

        def compute(model: Any, items: Sequence[None], ticket: Ticket) -> list[Result]:
            return [work(model, ticket)]

        await asyncio.sleep(self._owed_s)
        ticket = Ticket(self._client)
        alone = Batchable(object(), None, _more_than_a_batch, compute, is_quick=True)
        result = await self._compute(entry, alone, ticket)
        self._owed_s = ticket.computed_s if ticket.waited_s > WAITED_S else 0.0
        return result

    async def _compute(self, entry: ModelEntry, work: Callable[[Any, Ticket], Result], ticket: Ticket) -> Result:
        self._websocket.state.model, self._websocket.state.ticket = entry.name, ticket  # for the log
        return await self.services.registry.run(entry, work, ticket)

    async def send(self, kind: str, **fields: Any) -> None:
        """Send a message of a type."""
        await _unless_closed(self._websocket.send_text(json.dumps({"type": kind, **fields}, ensure_ascii=False)))

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message."""
        await _unless_closed(self._websocket.send_bytes(data))

    async def close(self, code: int, reason: str | None = None) -> None:
        """Close the connection."""
        await _unless_closed(self._websocket.close(code, reason))

    async def fail(self, problem: Problem) -> None:
        """Send a problem and close the connection."""
        code = GOING_AWAY if problem.name == SHUTTING_DOWN else PROBLEM + problem.status
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.send("error", problem=problem.as_dict()), SEND_S)
            await asyncio.wait_for(self.close(code, problem.title), SEND_S)

    async def _read(self, reader: SampleReader) -> None:
        """Read samples, and after their end wait for the client to close the connection."""
        while isinstance(message := await self._receive(IDLE_S, "samples"), bytes):
            await reader.read(message)
            self._websocket.state.audio_s = reader.duration_s  # for the log
        if _json_object(message) != END:
            raise _invalid_message(f"The only text message after the first one is {json.dumps(END)}.")
        reader.end()
        await self._receive(None, "nothing")
        raise _invalid_message(f"After {json.dumps(END)} there can be no further message.")

    async def _receive(self, timeout_s: float | None, awaited: str) -> str | bytes:
        """Return the next message.

        Raises:
            Problem: it does not arrive in time.
            WebSocketDisconnect: the client has closed the connection.
        """
        try:
            message = await asyncio.wait_for(self._websocket.receive(), timeout_s)
        except asyncio.TimeoutError:
            raise Problem(
                HTTPStatus.REQUEST_TIMEOUT,
                "idle",
                f"There were no {awaited} for {timeout_s:g} s.",
                remedy="Send samples all the time, also those of silence, and close a connection that is not used.",
            ) from None
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message["code"], message.get("reason"))
        text = message.get("text")
        return message["bytes"] if text is None else text


async def _unless_closed(sending: Awaitable[None]) -> None:
    """Await the sending of a message.

    Raises:
        WebSocketDisconnect: uvicorn has closed the connection by itself, because a message was too large or the client
            answers no pings. Until the reader of the session learns of it, uvicorn takes a message for a mistake.
    """
    try:
        await sending
    except RuntimeError as error:
        raise WebSocketDisconnect(ABNORMAL) from error


def _more_than_a_batch(model: Any) -> float:
    """Return the share of a batch by which a work item is computed by itself."""
    return 2.0


def _json_object(message: str | bytes) -> dict[str, Any] | None:
    """Return the object of a text message; None if it has none.

    Raises:
        Problem: a name occurs twice in it, or a number is not finite.
    """
    if isinstance(message, bytes):
        return None
    try:
        found = parse_json(message)
    except (ValueError, RecursionError):
        return None
    except Problem as problem:
        raise _invalid_message(f"The message cannot be used: {problem.detail}.") from None
    return found if isinstance(found, dict) else None


def _invalid_message(detail: str) -> Problem:
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid-message",
        detail,
        remedy="Send settings as a JSON object, {} for the defaults, then samples as binary messages, then the end.",
    )


async def _until_shutdown(leaving: asyncio.Event) -> None:
    """Raise the problem of a shutdown when there is one."""
    await leaving.wait()
    raise cancelled_problem(by_client=False)


async def _first_of(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Wait for the first of several coroutines to end, cancel the others, and raise its error if it has one."""
    tasks = [asyncio.ensure_future(each) for each in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
