"""Read a JSON object: as strictly as its grammar, without numbers that are not finite and names that occur twice."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

from starlette.requests import Request

from photism.server.fields.upload import Uploads, body_chunks, invalid_body

MAX_VALUES = 100_000
"""Values in a JSON object. json.loads holds Python's global lock, and needs 30 times the memory of an empty list."""


async def read_json(
    request: Request, uploads: Uploads, run: Callable[[Callable[[], dict[str, Any]]], Awaitable[dict[str, Any]]]
) -> dict[str, Any]:
    """Read a JSON object, which waits on disk until it is complete.

    Args:
        request: the request.
        uploads: its files.
        run: runs a function in a thread; it bounds how many bodies are in memory at once.

    Raises:
        Problem: it is malformed, too large or too slow, a name occurs twice, or a number is not finite.
    """
    path, file = uploads.open()
    with file:
        async for chunk in body_chunks(request, uploads.max_bytes):
            file.write(chunk)
    return await run(lambda: _json_object(path))


def _json_object(path: Path) -> dict[str, Any]:
    try:
        return json_object(path.read_bytes().decode("utf8"))
    except UnicodeDecodeError:
        raise invalid_body("the body is not valid UTF-8", "Send JSON in UTF-8.") from None


def json_object(text: str, *, name: str = "the body") -> dict[str, Any]:
    """Return the object of a JSON text.

    Args:
        text: the text.
        name: what a message calls it.

    Raises:
        Problem: it is malformed, has too many values, a name occurs twice, or a number is not finite.
    """
    # Base64 has none of these characters. Texts may have some, and count as if each were a value.
    if sum(map(text.count, "[{,")) > MAX_VALUES:
        raise invalid_body(f"the JSON has more than {MAX_VALUES:,} values", "Send fewer values, or a file as base64.")
    try:
        value = parse_json(text)
    except RecursionError:
        raise invalid_body("the JSON is nested too deeply") from None
    except ValueError as error:
        raise invalid_body(f"{name} is not valid JSON ({error})", "Send a JSON object.") from None
    if not isinstance(value, dict):
        raise invalid_body(f"{name} must be a JSON object", 'Send an object such as {"steps": 4}.')
    return cast("dict[str, Any]", value)


def parse_json(text: str) -> Any:
    """Return the value of a JSON text.

    Raises:
        Problem: a name occurs twice, or a number is not finite.
        ValueError: the text is malformed.
        RecursionError: it is nested too deeply.
    """
    return json.loads(text, object_pairs_hook=_object, parse_constant=_not_a_number)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    twice = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
    if twice:
        raise invalid_body(f"the JSON object has the name {twice[0]!r} twice", "Send each field once.")
    return dict(pairs)


def _not_a_number(word: str) -> Any:
    raise invalid_body(f"{word} is not a number of JSON", "Send finite numbers.")
