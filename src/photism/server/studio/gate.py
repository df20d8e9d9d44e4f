"""Gate in front of Gradio's HTTP routes: those that the page and gradio_client use, within limits; no others.

Gradio has about sixty routes: a proxy for URLs, a reader of its folder of files, a monitor of all visitors, links that
store a session, and more with each release. A route that is not named here does not exist.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response

from photism.server.fields.form import read_form
from photism.server.fields.json_body import read_json
from photism.server.fields.upload import MEGABYTE, Upload, Uploads, invalid_body
from photism.server.media_types import EVENT_STREAM, MULTIPART
from photism.server.problems import Problem
from photism.server.studio.files import FILE_ROUTE, PageFiles

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from photism.server.services import Services
    from photism.server.studio.visitors import Visitors

API = "/gradio_api"
CALL, STREAM = f"{API}/call/draw", f"{API}/queue/data"
PROGRESS = f"{API}/upload_progress"
READ = frozenset({"/", "/config", "/theme.css", "/favicon.ico", "/manifest.json", f"{API}/info", PROGRESS, STREAM})
READ_BELOW = ("/assets/", "/static/", "/svelte/", f"{API}/heartbeat/", f"{CALL}/")
EVENTS = frozenset({CALL, f"{API}/queue/join", f"{API}/run/predict"})
"""Routes that start an event."""
WRITE = frozenset({f"{API}/cancel", f"{API}/reset"})
EVENT_FIELDS = ("data", "fn_index", "session_hash", "trigger_id", "event_data")
MAX_EVENT_BYTES = MEGABYTE
MAX_SESSION = 64  # characters of the name of a session, which browsers choose at random
DROPPED_HEADERS = (b"origin", b"x-gradio-server")
"""Headers that make Gradio answer other sites with their visitors' credentials, and believe another address."""


def is_page_path(method: str, path: str) -> bool:
    """Return whether a request is one of the page's."""
    if method in ("GET", "HEAD"):
        return path in READ or path.startswith((*READ_BELOW, FILE_ROUTE))
    return method == "POST" and (path in EVENTS or path in WRITE or path == f"{API}/upload")


class Gate:
    """ASGI application that passes requests on to Gradio.

    Args:
        gradio: Gradio's application.
        services: say where uploads are written, and how large they may be.
        files: files of the page.
        visitors: learn whose connections were closed.
        functions: numbers of the events that the page has.
        is_session: returns whether Gradio has messages for a session.
    """

    def __init__(
        self,
        gradio: ASGIApp,
        services: Services,
        *,
        files: PageFiles,
        visitors: Visitors,
        functions: frozenset[int],
        is_session: Callable[[str], bool],
    ) -> None:
        self._gradio, self._services = gradio, services
        self._files, self._visitors, self._functions = files, visitors, functions
        self._is_session = is_session

    async def __call__(self, scope: Scope, path: str, receive: Receive, send: Send) -> None:
        """Answer a request of the page.

        Args:
            scope: of the request.
            path: without the path under which a proxy publishes the server.
            receive: of the request.
            send: of the request.

        Raises:
            Problem: the request cannot be answered.
        """
        request = Request(scope, receive)
        if path.startswith(FILE_ROUTE):
            await self._file(path.removeprefix(FILE_ROUTE))(scope, receive, send)
        elif path == f"{API}/upload":
            try:
                answer: Response = await self._upload(request)
            except Problem as problem:  # Gradio's clients show the text of the answer as it is
                answer = PlainTextResponse(problem.message, problem.status)
            await answer(scope, receive, send)
        elif path in EVENTS or path in WRITE:
            body = await self._body(request)
            needed = event_of(body, path, self._functions) if path in EVENTS else body
            await self._pass(scope, replay(json.dumps(needed).encode(), receive), send)
        elif path == PROGRESS:  # of an upload, which the page also knows from its answer
            await Response('data: {"msg": "done"}\n\n', media_type=EVENT_STREAM)(scope, receive, send)
        elif path == STREAM:
            await self._watch(request.query_params.get("session_hash", ""), scope, receive, send)
        elif path.startswith(f"{CALL}/"):  # Gradio names a session without a name after its event
            await self._watch(path.removeprefix(f"{CALL}/"), scope, receive, send)
        else:
            await self._pass(scope, receive, send)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name, value) for name, value in scope["headers"] if name not in DROPPED_HEADERS]
        await self._gradio({**scope, "headers": headers}, receive, send)

    async def _watch(self, session: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Send results on a connection, and cancel the work of its session if the visitor closes it before its end."""
        if not self._is_session(session):  # for which Gradio would log a failure
            raise Problem(HTTPStatus.NOT_FOUND, "session-not-found", "Nothing was asked for in this session.")
        is_complete = has_left = False

        async def receive_on() -> Message:
            nonlocal has_left
            message = await receive()
            has_left = has_left or (message["type"] == "http.disconnect" and not is_complete)
            return message

        async def send_on(message: Message) -> None:
            nonlocal is_complete
            await send(message)
            is_complete = message["type"] == "http.response.body" and not message.get("more_body", False)

        try:
            with self._visitors.watching(session):
                await self._pass(scope, receive_on, send_on)
        finally:
            if has_left or not is_complete:
                self._visitors.leave(session)

    def _file(self, name: str) -> Response:
        path = self._files.path_of(name)
        if path is None:
            raise Problem(
                HTTPStatus.NOT_FOUND,
                "file-not-found",
                "There is no such file.",
                remedy="Files are kept for a limited time: upload it or draw again.",
            )
        headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private"}
        disposition = "inline" if path.suffix else "attachment"
        return FileResponse(path, headers=headers, filename=path.name, content_disposition_type=disposition)

    async def _upload(self, request: Request) -> Response:
        """Store one file, and return a list with its name, as Gradio does."""
        from python_multipart.multipart import parse_options_header

        media_type, options = parse_options_header(request.headers.get("content-type"))
        if media_type != MULTIPART.encode() or b"boundary" not in options:
            raise invalid_body("an upload must be multipart/form-data")
        uploads = self._services.reader.uploads()
        try:
            parts = await read_form(request, options[b"boundary"], uploads)
            received = [value for name, value in parts if name == "files" and isinstance(value, Upload)]
            if len(received) != 1:
                raise invalid_body(f"an upload must have one file in `files`; got {len(received)}")
            path = self._files.new_upload(received[0].filename)
            received[0].path.rename(path)
        finally:
            uploads.remove()
        return JSONResponse([self._files.name_of(path)])

    async def _body(self, request: Request) -> dict[str, Any]:
        uploads = Uploads(self._services.storage.new_upload, MAX_EVENT_BYTES, 0)
        try:
            return await read_json(request, uploads, asyncio.to_thread)
        finally:
            uploads.remove()


def event_of(body: Mapping[str, Any], path: str, functions: frozenset[int]) -> dict[str, Any]:
    """Return what Gradio needs of the body of a request that starts an event.

    Args:
        body: the body.
        path: path of the request.
        functions: numbers of the events that the page has.

    Raises:
        Problem: something is missing, or cannot be used.
    """
    checks: dict[str, Callable[[Any], bool]] = {
        "data": lambda value: isinstance(value, list),
        "session_hash": lambda value: isinstance(value, str) and 0 < len(value) <= MAX_SESSION,
        "fn_index": lambda value: type(value) is int and value in functions,
        "trigger_id": lambda value: value is None or isinstance(value, int),
    }
    required = {"data"} if path == CALL else {"data", "fn_index", "session_hash"}
    for name, is_right in checks.items():
        if (name in required or body.get(name) is not None) and not is_right(body.get(name)):
            problem = "is missing" if name not in body else "has a value that cannot be used"
            status = HTTPStatus.UNPROCESSABLE_ENTITY
            raise Problem(status, "invalid-field", f"{name} {problem}", field=name, remedy="See /gradio_api/info.")
    fields = ("data",) if path == CALL else EVENT_FIELDS  # or the session would have another name than its results
    return {name: body[name] for name in fields if body.get(name) is not None}


def replay(body: bytes, receive: Receive) -> Receive:
    """Return a function that receives a body that was read, and after it what follows."""
    is_sent = False

    async def receive_again() -> Message:
        nonlocal is_sent
        if is_sent:
            return await receive()
        is_sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again
