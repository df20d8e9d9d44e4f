"""OpenAPI description of the server: what FastAPI collects from the endpoints, and what all of them have in common."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI

from photism.server.endpoints import live_drawing, live_transcription
from photism.server.media_types import EVENT_STREAM, PROBLEM_JSON
from photism.server.paths import HEALTH_PATH
from photism.server.problems import TITLES
from photism.server.settings import AccessSettings

DESCRIPTION = """\
Pictures, films, labels, transcripts and vectors of recordings, and sound from text. Fields have the names of the \
command line's flags.

Send a body as `multipart/form-data`, with files as parts, or as `application/json`, with files in base64. An error is \
a problem object (RFC 9457), with the field, what it may be and the remedy. A busy server answers 503 with \
`Retry-After`.
"""
TAGS = {
    "drawing": "Pictures and films of recordings.",
    "listening": "Captions, classes and vectors of recordings.",
    "audio": "Transcripts and speech, with the fields and answers of OpenAI's interface, and sound from text.",
    "speakers": "Who speaks when, and whether two recordings have the same speaker.",
    "collection": "The recordings of the server that can be searched.",
    "models": "The models that requests may name.",
    "operations": "State of the server.",
}
TEXT_OR_NULL = {"type": ["string", "null"]}
PROBLEM = {
    "type": "object",
    "description": "What went wrong (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": f"/problems/ and a name, such as {', '.join(list(TITLES)[:3])}."},
        "title": {"type": "string", "description": "What the type means."},
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": {"type": "string", "description": "What happened."},
        "field": {**TEXT_OR_NULL, "description": "The field of the request that cannot be used."},
        "allowed": {**TEXT_OR_NULL, "description": "What the field may be."},
        "remedy": {**TEXT_OR_NULL, "description": "What to do."},
        "code": {**TEXT_OR_NULL, "description": "Name of the cause, where the type leaves several, such as no-audio."},
        "values": {
            "type": "object",
            "description": "Numbers and words of the cause, such as the bounds of the field, or the other field.",
            "additionalProperties": {"type": ["number", "string"]},
        },
        "error": {
            "type": "object",
            "description": "The same as OpenAI's clients expect it, at endpoints with OpenAI's paths.",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": TEXT_OR_NULL,
                "code": {"type": "string"},
            },
        },
    },
}
EVENT = {
    "type": "object",
    "description": "A server-sent event: its name, and JSON. A schema of a stream describes each of its events.",
    "required": ["data"],
    "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
}
RETRY_AFTER = {"Retry-After": {"description": "Seconds after which to try again.", "schema": {"type": "integer"}}}
PROBLEMS = {
    HTTPStatus.BAD_REQUEST: "The request cannot be read.",
    HTTPStatus.UNAUTHORIZED: "The token or password is missing or wrong.",
    HTTPStatus.FORBIDDEN: "The request comes from another web page.",
    HTTPStatus.NOT_FOUND: "What the request names does not exist.",
    HTTPStatus.MISDIRECTED_REQUEST: "The server is not known under the name in the header Host.",
    HTTPStatus.TOO_MANY_REQUESTS: "The client has sent too many requests.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "The server failed.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The server is busy or shutting down.",
}
"""Problems of every endpoint."""
BODY_PROBLEMS = {
    HTTPStatus.NOT_ACCEPTABLE: "There is no answer of a media type that the header Accept names.",
    HTTPStatus.REQUEST_TIMEOUT: "The body arrived too slowly.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too large.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body has another media type.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "A field or file cannot be used.",
}
"""Further problems of endpoints that take a body."""
WEBSOCKETS = {
    live_transcription.PATH: live_transcription.BODY,
    live_drawing.PATH: live_drawing.BODY,
}
"""First messages of WebSockets, which are no operations of OpenAPI, by the paths."""
SECURITY_SCHEMES = {
    "token": {"type": "http", "scheme": "bearer", "description": "The token of --token or PHOTISM_TOKEN."},
    "password": {"type": "http", "scheme": "basic", "description": "Any user name, and the password of --password."},
}


def install_openapi(app: FastAPI, access: AccessSettings) -> None:
    """Let an application describe all of its answers, problems and secrets.

    Args:
        app: the application.
        access: who may use it.
    """
    describe = app.openapi

    def complete() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(describe(), access)
        return describe()

    app.openapi = complete


def operations(description: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Iterate over the method, path and description of each operation."""
    for path, item in description["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def _complete(description: dict[str, Any], access: AccessSettings) -> None:
    """Add to a description, in place, what all operations have in common."""
    description["info"]["description"] = DESCRIPTION
    description["x-websockets"] = {
        path: {"settings": body.fields.schema(is_form=False)} for path, body in WEBSOCKETS.items()
    }
    components = description.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):  # of FastAPI, whose place the problem takes
        schemas.pop(name, None)
    schemas |= {"Problem": PROBLEM, "Event": EVENT}
    components["securitySchemes"] = SECURITY_SCHEMES
    used = {tag for _, _, operation in operations(description) for tag in operation.get("tags", ())}
    description["tags"] = [{"name": name, "description": text} for name, text in TAGS.items() if name in used]
    for _, path, operation in operations(description):
        responses = operation.setdefault("responses", {})
        if "HTTPValidationError" in str(responses.get("422")):
            del responses["422"]
        is_checked = "requestBody" in operation or "parameters" in operation
        own = {status: each["description"] for status, each in responses.items() if "content" not in each}
        own_problems = {HTTPStatus(int(status)): text for status, text in own.items() if status >= "400"}
        problems = PROBLEMS | (BODY_PROBLEMS if "requestBody" in operation else {}) | own_problems
        if is_checked:
            problems[HTTPStatus.UNPROCESSABLE_ENTITY] = BODY_PROBLEMS[HTTPStatus.UNPROCESSABLE_ENTITY]
        for answer in responses.values():
            if EVENT_STREAM in answer.get("content", {}):
                answer["content"][EVENT_STREAM] = {"schema": {"$ref": "#/components/schemas/Event"}}
        for status, text in problems.items():
            if "content" not in responses.get(str(int(status)), {}):
                responses[str(int(status))] = _problem(status, text)
        if not access.is_open:
            operation["security"] = [] if path == HEALTH_PATH else [{name: []} for name in SECURITY_SCHEMES]


def _problem(status: HTTPStatus, text: str) -> dict[str, Any]:
    """Return the description of an answer with a problem."""
    found: dict[str, Any] = {
        "description": text,
        "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        found["headers"] = RETRY_AFTER
    return found
