"""The page /docs: the OpenAPI description as HTML that needs no script and nothing from another server."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from photism.server.media_types import JSON, MULTIPART, PROBLEM_JSON
from photism.server.openapi import operations

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font: 14px/1.4 ui-monospace, monospace; }
h2 code { font-size: 1.3rem; }
pre { background: #8882; padding: .75rem; overflow-x: auto; border-radius: .25rem; }
table { border-collapse: collapse; width: 100%; }
td, th { border-bottom: 1px solid #8886; padding: .3rem .75rem .3rem 0; text-align: left; vertical-align: top; }
section { border-top: 2px solid #8888; margin-top: 2rem; }
.wide { overflow-x: auto; }
:root { color-scheme: light dark; }
"""
ROUTER = APIRouter()


@ROUTER.get("/docs", include_in_schema=False, response_class=HTMLResponse)
async def docs(request: Request) -> HTMLResponse:
    """Return the page."""
    return HTMLResponse(page(request.app.openapi(), str(request.base_url).rstrip("/")))


@ROUTER.get("/docs/style.css", include_in_schema=False)
async def docs_style() -> Response:
    """Return its style: the policy of contents allows none within the page."""
    return Response(STYLE, media_type="text/css", headers={"Cache-Control": "no-cache"})


def page(description: Mapping[str, Any], address: str) -> str:
    """Return an OpenAPI description as an HTML page.

    Args:
        description: the description.
        address: URL of the server, for the examples.
    """
    info = description["info"]
    found = list(operations(dict(description)))
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>{escape(info['title'])}: HTTP interface</title>",
        f"<link rel=stylesheet href='{escape(address)}/docs/style.css'>",
        f"<h1>{escape(info['title'])} {escape(info['version'])}: HTTP interface</h1>",
        *(f"<p>{_code(paragraph)}</p>" for paragraph in info.get("description", "").strip().split("\n\n")),
        f"<p>Description for programs: <a href='{escape(address)}/openapi.json'>openapi.json</a> (OpenAPI ",
        f"{escape(description['openapi'])}).</p><ul>",
        *(f"<li><a href='#{_anchor(operation)}'><code>{method} {escape(path)}</code></a> "
          f"{escape(operation.get('summary', ''))}" for method, path, operation in found),
        "</ul>",
        *_answers("Problems", _problems(found)),
    ]  # fmt: skip
    for method, path, operation in found:
        parts += _operation(method, path, operation, address)
    return "\n".join(parts)


def _problems(found: Sequence[tuple[str, str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Return the problems of all operations."""
    return {
        status: answer
        for _, _, operation in found
        for status, answer in operation["responses"].items()
        if PROBLEM_JSON in answer.get("content", {})
    }


def _operation(method: str, path: str, operation: Mapping[str, Any], address: str) -> Iterator[str]:
    """Return the section of an operation."""
    yield f"<section id='{_anchor(operation)}'><h2><code>{method} {escape(path)}</code></h2>"
    yield from (f"<p>{_code(each)}</p>" for each in operation.get("description", "").strip().split("\n\n"))
    content = operation.get("requestBody", {}).get("content", {})
    fields = content.get(MULTIPART, content.get(JSON, {})).get("schema", {})
    yield f"<pre>{escape(_curl(method, path, content, address))}</pre>"
    rows = [(each["name"], each["schema"], each.get("required", False)) for each in operation.get("parameters", ())]
    required = fields.get("required", ())
    rows += [(name, each, name in required) for name, each in fields.get("properties", {}).items()]
    if rows:
        yield "<div class=wide><table><tr><th>Field<th>Value<th>Meaning</tr>"
        for name, schema, is_required in rows:
            note = " <b>required</b>" if is_required else ""
            text = _code(schema.get("description", ""))
            yield f"<tr><td><code>{escape(name)}</code>{note}<td>{escape(_value(schema))}<td>{text}</tr>"
        yield "</table></div>"
    yield from _answers("Answers", {status: each for status, each in operation["responses"].items() if status < "400"})
    yield "</section>"


def _answers(title: str, answers: Mapping[str, Any]) -> Iterator[str]:
    """Return a table of answers."""
    yield f"<h3>{title}</h3><div class=wide><table>"
    for status, answer in sorted(answers.items()):
        types = ", ".join(answer.get("content", {}))
        yield f"<tr><td>{escape(status)}<td>{escape(answer['description'])}<td><code>{escape(types)}</code></tr>"
    yield "</table></div>"


def _curl(method: str, path: str, content: Mapping[str, Any], address: str) -> str:
    """Return a command that calls an operation with the fields that it requires."""
    options = "" if method == "GET" else f" -X {method}"
    body = content.get(MULTIPART, {}).get("schema", {})
    required = body.get("required", ())
    for name in required:
        is_file = "format" in body["properties"][name] or "format" in body["properties"][name].get("items", {})
        options += f" -F {name}=@recording.ogg" if is_file else f" -F {name}=…"
    if required:
        options = options.replace(" -X POST", "")
    return f"curl{options} {address}{path}"


def _value(schema: Mapping[str, Any]) -> str:
    """Return the type, the bounds and the default of a value, in words."""
    if "anyOf" in schema:
        words = " or ".join(_value(each) for each in schema["anyOf"])
    elif schema.get("format") == "binary":
        words = "file"
    elif schema.get("type") == "array":
        words = f"list of {_value(schema['items'])}"
    elif "enum" in schema:
        words = ", ".join(map(str, schema["enum"]))
    else:
        types = schema.get("type", "value")
        words = types if isinstance(types, str) else " or ".join(types)
    bounds = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    words += "".join(f" {sign} {schema[name]:g}" for name, sign in bounds.items() if name in schema)
    return f"{words}; default {_json(schema['default'])}" if "default" in schema else words


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _code(text: str) -> str:
    """Return a text as HTML, in which `backquotes` are code."""
    parts = escape(" ".join(text.split())).split("`")
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))


def _anchor(operation: Mapping[str, Any]) -> str:
    return escape(operation["operationId"])
