"""Read the body of a request within limits: a form, whose files are written to a folder as they arrive, or JSON."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from tempfile import mkstemp
from typing import Any, BinaryIO

from starlette.requests import Request

from photism.server.problems import Problem

MEGABYTE = 10**6
MAX_PARTS = 256
"""Most fields and files of a form."""
MAX_TEXT_BYTES = MEGABYTE
"""Longest text of a form's field."""
IDLE_S = 30.0
"""Longest time without a byte of the body."""
MAX_BODY_S = 600.0
"""Longest time in which a body arrives."""


@dataclass(frozen=True)
class Upload:
    """A file of a request.

    Attributes:
        path: where it lies.
        filename: what the client calls it.
    """

    path: Path
    filename: str | None


@dataclass
class Uploads:
    """The files of one request.

    Attributes:
        folder: where they are written.
        max_bytes: largest body of the request.
    """

    folder: Path
    max_bytes: int
    _paths: list[Path] = field(default_factory=list)

    def create(self) -> tuple[Path, BinaryIO]:
        """Create a file that only this account can read."""
        descriptor, name = mkstemp(dir=self.folder)
        self._paths.append(Path(name))
        return self._paths[-1], os.fdopen(descriptor, "wb")

    def remove(self) -> None:
        """Remove the files."""
        for path in self._paths:
            path.unlink(missing_ok=True)


def too_large(max_bytes: int) -> Problem:
    """Return the problem of a body that is too large."""
    allowed = f"at most {max_bytes / MEGABYTE:g} MB"
    return Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "too-large",
        f"the body must be {allowed}",
        allowed=allowed,
        remedy="Send a shorter recording, or a compressed one such as Ogg, FLAC or MP3.",
    )


async def body_chunks(request: Request, max_bytes: int) -> AsyncIterator[bytes]:
    """Read the body of a request as it arrives.

    Raises:
        Problem: it is larger than allowed, or arrives too slowly.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise too_large(max_bytes)
    chunks, count = aiter(request.stream()), 0
    end_s = asyncio.get_running_loop().time() + MAX_BODY_S
    while True:
        remaining_s = end_s - asyncio.get_running_loop().time()
        try:
            chunk = await asyncio.wait_for(anext(chunks), min(IDLE_S, remaining_s))
        except StopAsyncIteration:
            return
        except (TimeoutError, asyncio.TimeoutError):
            detail = f"the body did not arrive within {MAX_BODY_S:g} s, or stopped for {IDLE_S:g} s"
            raise Problem(HTTPStatus.REQUEST_TIMEOUT, "request-timeout", detail, remedy="Send it again.") from None
        count += len(chunk)
        if count > max_bytes:
            raise too_large(max_bytes)
        yield chunk


def invalid_body(detail: str, remedy: str | None = None) -> Problem:
    """Return the problem of a body that is not what its media type says."""
    return Problem(HTTPStatus.BAD_REQUEST, "invalid-body", detail, remedy=remedy)


async def read_form(request: Request, boundary: bytes, uploads: Uploads) -> list[tuple[str, str | Upload]]:
    """Read a multipart form: names with their texts and files, which are written to disk as they arrive.

    Raises:
        Problem: it is malformed, too large, too slow, or has too many parts.
    """
    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import MultipartParser

    form = _Form(uploads)
    try:
        parser = MultipartParser(boundary, form.callbacks)  # pyright: ignore[reportArgumentType]
        async for chunk in body_chunks(request, uploads.max_bytes):
            parser.write(chunk)
        parser.finalize()
    except FormParserError as error:
        raise invalid_body(f"the form is malformed ({error})", "Send it as multipart/form-data.") from None
    finally:
        form.close()
    if not form.is_complete:
        raise invalid_body("the form ends too early, without its closing boundary", "Send all of it.")
    return form.parts


class _Form:
    """Parts of a multipart form, filled by the callbacks of a parser."""

    def __init__(self, uploads: Uploads) -> None:
        self.parts: list[tuple[str, str | Upload]] = []
        self.is_complete = False
        self._uploads = uploads
        self._header, self._value = b"", b""
        self._disposition = b""
        self._name = ""
        self._text = bytearray()
        self._file: BinaryIO | None = None

    @property
    def callbacks(self) -> dict[str, Callable[..., None]]:
        """Functions that the parser calls."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._add_header,
            "on_header_value": self._add_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._add_data,
            "on_part_end": self._end,
            "on_end": self._complete,
        }

    def close(self) -> None:
        """Close the file of a part that did not end."""
        if self._file is not None:
            self._file.close()

    def _begin(self) -> None:
        if len(self.parts) >= MAX_PARTS:
            raise Problem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "too-large",
                f"the form must have at most {MAX_PARTS} parts",
                allowed=f"at most {MAX_PARTS} parts",
                remedy="Send JSON, whose lists may be longer.",
            )
        self._disposition, self._text = b"", bytearray()

    def _add_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header, self._value = b"", b""

    def _end_headers(self) -> None:
        from python_multipart.multipart import parse_options_header

        _, options = parse_options_header(self._disposition)
        if b"name" not in options:
            raise invalid_body("a part of the form has no name", "Give each part a Content-Disposition with a name.")
        self._name = _decoded(options[b"name"], "the name of a part")
        if b"filename" in options:
            path, self._file = self._uploads.create()
            filename = options[b"filename"].decode("utf8", "replace")
            self.parts.append((self._name, Upload(path, filename or None)))

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.write(data[start:end])  # into the page cache, which takes microseconds
            return
        self._text += data[start:end]
        if len(self._text) > MAX_TEXT_BYTES:
            raise Problem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "too-large",
                f"the text of {self._name} must have at most {MAX_TEXT_BYTES / MEGABYTE:g} MB",
                field=self._name,
            )

    def _end(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        else:
            self.parts.append((self._name, _decoded(bytes(self._text), f"the text of {self._name}")))

    def _complete(self) -> None:
        self.is_complete = True


def _decoded(data: bytes, name: str) -> str:
    try:
        return data.decode("utf8")
    except UnicodeDecodeError:
        raise invalid_body(f"{name} is not valid UTF-8", "Send texts in UTF-8.") from None


async def read_json(request: Request, max_bytes: int) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        Problem: it is malformed, too large or too slow, a name occurs twice, or a number is not finite.
    """
    body = bytearray()
    async for chunk in body_chunks(request, max_bytes):
        body += chunk
    return await asyncio.to_thread(_json_object, bytes(body))


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body.decode("utf8"), object_pairs_hook=_object, parse_constant=_not_a_number)
    except UnicodeDecodeError:
        raise invalid_body("the body is not valid UTF-8", "Send JSON in UTF-8.") from None
    except RecursionError:
        raise invalid_body("the JSON is nested too deeply") from None
    except ValueError as error:
        raise invalid_body(f"the body is not valid JSON ({error})", "Send a JSON object.") from None
    if not isinstance(value, dict):
        raise invalid_body("the body must be a JSON object", 'Send an object such as {"steps": 4}.')
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    twice = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
    if twice:
        raise invalid_body(f"the JSON object has the name {twice[0]!r} twice", "Send each field once.")
    return dict(pairs)


def _not_a_number(word: str) -> Any:
    raise invalid_body(f"{word} is not a number of JSON", "Send finite numbers.")
