"""Problems: every error of the HTTP interface as problem details (RFC 9457), with the field, the bound and the remedy.

{"type": "/problems/invalid-field", "title": "A field has a value that cannot be used.", "status": 422,
 "detail": "images must be a whole number, at least 1; got 0", "field": "images",
 "allowed": "a whole number, at least 1", "remedy": "Send images as a whole number, at least 1.", "code": null,
 "values": {"minimum": 1}}
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from photism.errors import InputError
from photism.server.media_types import PROBLEM_JSON
from photism.server.paths import is_openai
from photism.settings import SettingError

LOGGER = logging.getLogger(__name__)
TITLES = {
    "invalid-body": "The body of the request cannot be read.",
    "invalid-field": "A field has a value that cannot be used.",
    "unknown-field": "The request has a field that the endpoint does not have.",
    "missing-field": "A required field is missing.",
    "unreadable-file": "A file cannot be read.",
    "too-large": "The body of the request is too large.",
    "too-many-pixels": "The images of the request have too many pixels.",
    "too-long": "A recording is too long.",
    "invalid-input": "What was given cannot be used.",
    "model-not-found": "There is no such model.",
    "not-acceptable": "The endpoint has no answer of a media type that the client accepts.",
    "film-not-found": "There is no such film.",
    "film-not-done": "The film is not finished.",
    "film-not-resumable": "The film has neither failed nor been cancelled.",
    "cancelled": "The film was cancelled.",
    "too-many-films": "The client has too many films.",
    "no-collection": "The server has no collection.",
    "collection-unavailable": "The collection cannot be searched.",
    "recording-not-found": "There is no such recording.",
    "recording-changed": "The recording is not the one that was indexed.",
    "expired": "The result was deleted after its time.",
    "unauthorized": "The request has no valid token or password.",
    "forbidden": "This is not for everybody.",
    "cross-origin": "Other sites may not send requests.",
    "unknown-host": "The server does not have this name.",
    "file-not-found": "There is no such file.",
    "too-many-requests": "The client has sent too many requests.",
    "too-many-connections": "There are too many connections.",
    "too-many-live-connections": "There are too many live connections.",
    "too-far-ahead": "Samples arrive faster than they are processed.",
    "invalid-samples": "A message ends in the middle of a sample.",
    "invalid-message": "A message cannot be used.",
    "idle": "The client has sent nothing for too long.",
    "client-closed-request": "The client closed the connection.",
    "busy": "The server is busy.",
    "model-unavailable": "A model cannot be loaded.",
    "shutting-down": "The server is shutting down.",
    "internal": "The server failed; the request may be correct.",
}
"""Titles of the types of problems; other types are those of HTTP statuses."""
NO_ENDPOINT = "not-found"
FOLDERS = re.compile(r"(?<![\w:/.~-])~?/(?:[^\s/'\";:,]+/)*(?=[^\s/'\";:,])")
"""Folders of an absolute path in a message."""


class Problem(Exception):
    """An error that a client sees.

    Args:
        status: HTTP status.
        name: last part of the type, such as "invalid-field".
        detail: sentence that says what happened, without paths of the server.
        field: name of the field of the request.
        allowed: what the field may be.
        remedy: what to do.
        code: name of the cause, where the type leaves several, such as "no-audio".
        values: numbers and words of the cause, such as the bounds of the field.
        headers: further headers of the response.
    """

    def __init__(
        self,
        status: int,
        name: str,
        detail: str,
        *,
        field: str | None = None,
        allowed: str | None = None,
        remedy: str | None = None,
        code: str | None = None,
        values: Mapping[str, float | str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.name, self.detail = status, name, detail
        self.field, self.allowed, self.remedy = field, allowed, remedy
        self.code, self.values = code, dict(values or {})
        self.title = TITLES.get(name) or f"{HTTPStatus(status).phrase}."
        self.headers = dict(headers or {})

    @property
    def message(self) -> str:
        """What happened and what to do, in sentences."""
        return " ".join(f"{each.rstrip('.')}." for each in (self.detail, self.remedy) if each)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object of the problem."""
        return {
            "type": f"/problems/{self.name}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "field": self.field,
            "allowed": self.allowed,
            "remedy": self.remedy,
            "code": self.code,
            "values": self.values,
        }

    def content(self, scope: Scope) -> dict[str, Any]:
        """Return the JSON object that answers a request or WebSocket."""
        content = self.as_dict()
        if is_openai(scope) or self.name == NO_ENDPOINT:  # as for an OpenAI client whose base_url lacks /v1
            type_ = "server_error" if self.status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
            content["error"] = {"message": self.message, "type": type_, "param": self.field, "code": self.name}
        return content

    def response(self, scope: Scope) -> Response:
        """Return the response to a request or WebSocket."""
        return JSONResponse(self.content(scope), self.status, self.headers, media_type=PROBLEM_JSON)


def problem_of(error: InputError, names: Mapping[str, str], allowed: Mapping[str, str]) -> Problem:
    """Return the problem for a mistake of the client.

    Args:
        error: the mistake.
        names: names of fields by the names of settings.
        allowed: what settings may be, by their names.
    """
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    if isinstance(error, SettingError):
        others = [names[each] for each in error.others if each in names]
        return Problem(
            status,
            "invalid-field",
            without_folders(error.message(names)),
            field=names.get(error.name, error.name),
            allowed=allowed.get(error.name),
            code=error.code,
            values={**error.values, **({"other": others[0]} if others else {})},
        )
    return Problem(status, "invalid-input", without_folders(str(error)), code=error.code, values=error.values)


def shutting_down_problem() -> Problem:
    """Return the problem of a request that the server refuses or ends because it is shutting down."""
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "shutting-down",
        "The server is shutting down.",
        remedy="Send the request again when the server has been restarted.",
        headers={"Retry-After": "10"},
    )


def not_found_problem() -> Problem:
    """Return the problem of a path that has no endpoint."""
    detail, remedy = "There is no such endpoint.", "Most paths begin with /v1; see /docs for those that there are."
    return Problem(HTTPStatus.NOT_FOUND, NO_ENDPOINT, detail, remedy=remedy)


def without_folders(message: str) -> str:
    """Return a message in which absolute paths have lost their folders, which are none of the client's business."""
    return FOLDERS.sub("", message)


def install_handlers(app: FastAPI) -> None:
    """Let an application answer every error with problem details."""
    for kind in (Problem, InputError, Exception):
        app.add_exception_handler(kind, _error)
    app.add_exception_handler(RequestValidationError, _invalid_parameters)  # pyright: ignore[reportArgumentType]
    app.add_exception_handler(HTTPException, _http_error)  # pyright: ignore[reportArgumentType]
    app.add_exception_handler(ClientDisconnect, _disconnected)


def problem_for(connection: HTTPConnection, error: Exception) -> Problem:
    """Return the problem for an error that a request or a WebSocket met.

    An error that is neither a problem nor a mistake of the client is logged with the id of the request, and its details
    stay in the log.

    Args:
        connection: the request or WebSocket.
        error: the error.
    """
    if isinstance(error, Problem):
        return error
    if isinstance(error, InputError):
        return problem_of(error, *getattr(connection.state, "fields", ({}, {})))
    id_ = getattr(connection.state, "id", None)
    LOGGER.error("request %s failed", id_, exc_info=error)
    detail = "The server failed." if id_ is None else f"The server failed; its log has the details of request {id_}."
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", detail)


async def _error(request: Request, error: Exception) -> Response:
    return problem_for(request, error).response(request.scope)


async def _invalid_parameters(request: Request, error: RequestValidationError) -> Response:
    first = error.errors()[0]
    name = str(first["loc"][-1])
    problem = Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-field", f"{name}: {first['msg']}", field=name)
    return problem.response(request.scope)


async def _http_error(request: Request, error: HTTPException) -> Response:
    phrase = HTTPStatus(error.status_code).phrase
    detail, remedy, headers = str(error.detail), None, dict(error.headers or {})
    if error.status_code == HTTPStatus.NOT_FOUND:
        return not_found_problem().response(request.scope)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_methods(request)) or headers.get("Allow", "")
        detail, remedy = f"{request.method} is not a method of this endpoint.", f"Use {headers['Allow']}."
    name = phrase.lower().replace(" ", "-")
    problem = Problem(error.status_code, name, detail, remedy=remedy, headers=headers)
    return problem.response(request.scope)


def _methods(request: Request) -> list[str]:
    """Return the methods of the path of a request: Starlette names only those of the first endpoint with that path."""
    path = getattr(request.scope.get("route"), "path", None)
    methods = {method.upper() for method in request.app.openapi()["paths"].get(path, {})}
    return sorted(methods | ({"HEAD"} if "GET" in methods else set()))


async def _disconnected(request: Request, error: Exception) -> Response:
    """Answer a client that left while it sent its request, and that reads no answer."""
    return Response(status_code=HTTPStatus.BAD_REQUEST)
