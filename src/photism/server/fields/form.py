"""Read a multipart form, whose files are written to disk as they arrive."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import BinaryIO

from starlette.requests import Request

from photism.server.fields.upload import MEGABYTE, Upload, Uploads, body_chunks, invalid_body
from photism.server.problems import Problem

logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it warns of what the client gets as a problem
MAX_PARTS = 1100
"""Most fields and files of a form: the longest list, and one more of each field."""
MAX_TEXT_BYTES = 16 * MEGABYTE
"""Size of all texts of a form together, which are held in memory."""
EXTENDED_FILENAME = re.compile(rb";\s*filename\*\s*=", re.IGNORECASE)
"""A file name as HTTP headers may have it, which the parser leaves out."""


async def read_form(request: Request, boundary: bytes, uploads: Uploads) -> list[tuple[str, str | Upload]]:
    """Read a multipart form: names with their texts and files, which are written to disk as they arrive.

    Raises:
        Problem: it is malformed, too large, too slow, or has too many parts.
    """
    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import MultipartParser

    if not boundary:
        raise invalid_body("the form has no boundary", "Let the HTTP library set the header Content-Type.")
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
        self._text_bytes = 0
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
            raise invalid_body(f"the form has more than {MAX_PARTS} parts", "Send fewer fields and files.")
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
        if b"filename" not in options and EXTENDED_FILENAME.search(self._disposition):
            remedy = 'Send filename="…" in its Content-Disposition, in UTF-8; forms have no filename* (RFC 7578).'
            raise invalid_body(f"{self._name} has a filename*, and no filename", remedy)
        if b"filename" in options:
            path, self._file = self._uploads.open()
            self.parts.append((self._name, Upload(path, _base_name(options[b"filename"]))))

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.write(data[start:end])  # into the page cache, which takes microseconds
            return
        self._text += data[start:end]
        self._text_bytes += end - start
        if self._text_bytes > MAX_TEXT_BYTES:
            allowed = f"at most {MAX_TEXT_BYTES / MEGABYTE:g} MB"
            raise Problem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "too-large",
                f"the texts of the form must have {allowed} together",
                allowed=allowed,
                remedy="Send shorter texts; a file needs a filename in its Content-Disposition.",
                values={"maximum": MAX_TEXT_BYTES / MEGABYTE},
            )

    def _end(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        else:
            self.parts.append((self._name, _decoded(bytes(self._text), f"the text of {self._name}")))

    def _complete(self) -> None:
        self.is_complete = True


def _base_name(filename: bytes) -> str | None:
    """Return the last part of a file name, printable; None if there is none."""
    name = PurePosixPath(filename.decode("utf8", "replace").replace("\\", "/")).name
    return "".join(character for character in name if character.isprintable()) or None


def _decoded(data: bytes, name: str) -> str:
    try:
        return data.decode("utf8")
    except UnicodeDecodeError:
        raise invalid_body(f"{name} is not valid UTF-8", "Send texts in UTF-8.") from None
