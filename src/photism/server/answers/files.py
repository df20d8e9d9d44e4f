"""Send a file, or the range of its bytes that a request wants."""

from __future__ import annotations

import re
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import FileResponse

from photism.server.answers.accept import NOT_ACCEPTABLE, VARY
from photism.server.problems import Problem

RANGE = re.compile(r"bytes=(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))")
"""The header Range with one range of bytes."""


def send_file(request: Request, path: Path, *, media_type: str, filename: str) -> FileResponse:
    """Return an answer with a file, or with the range of its bytes that a request wants.

    The whole file is the answer to a range in another unit, to several ranges, and to one of an older version of it.

    Args:
        request: request, which may have the headers Range and If-Range.
        path: the file.
        media_type: its media type, one that the client accepts by `choose`.
        filename: name under which a browser saves it.

    Raises:
        Problem: 416, the file does not have that range.
    """
    found = path.stat()
    answer = FileResponse(
        path,
        media_type=media_type,
        filename=filename,
        content_disposition_type="inline",
        stat_result=found,
        headers=VARY,
    )
    wanted, if_range = request.headers.get("range", "").lower(), request.headers.get("if-range")
    is_current = if_range is None or if_range in (answer.headers["etag"], answer.headers["last-modified"])
    if is_current and wanted.startswith("bytes=") and "," not in wanted:
        _check_range(wanted, found.st_size)
    else:
        request.scope["headers"] = [each for each in request.scope["headers"] if each[0] != b"range"]
    return answer


def file_responses(description: str, *media_types: str) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI description of answers with a file or a range of it."""
    content = {each: {"schema": {"type": "string", "format": "binary"}} for each in media_types}
    return {
        200: {"description": description, "content": content},
        206: {"description": "A range of it.", "content": content},
        416: {"description": "There is no such range of bytes."},
        **NOT_ACCEPTABLE,
    }


def _check_range(wanted: str, size: int) -> None:
    """Check that a file has the range of bytes that a header wants, which starlette would answer without a problem.

    Raises:
        Problem: it has not, or the header is not that of one range.
    """
    found = RANGE.fullmatch(wanted)
    if found is not None:
        first, last, tail = (int(each) if each else None for each in found.groups())
        if tail or (first is not None and first < size and (last is None or last >= first)):
            return
    raise Problem(
        HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
        "range-not-satisfiable",
        f"The file has {size} bytes; got the range {wanted}.",
        remedy="Send one range within them, such as Range: bytes=0-999.",
        headers={"Content-Range": f"bytes */{size}"},
    )
