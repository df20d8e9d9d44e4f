"""Files of requests, and the body of a request as it arrives, within limits of size and time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

from starlette.requests import Request

from photism.cancellation import Cancelled
from photism.server.problems import Problem

MEGABYTE = 10**6
MAX_PAUSE_S = 30.0
"""Longest time without a byte of the body."""
MAX_BODY_S = 600.0
"""Longest time in which a body arrives."""


@dataclass(frozen=True)
class Upload:
    """A file of a request.

    Attributes:
        path: of the file on the server.
        filename: what the client calls it.
    """

    path: Path
    filename: str | None


class Uploads:
    """The files of one request, and how much it may still carry.

    Args:
        create: creates an empty private file.
        max_bytes: largest body of the request.
        max_pixels: most pixels of all its images together.
    """

    def __init__(self, create: Callable[[], Path], max_bytes: int, max_pixels: int) -> None:
        self.max_bytes, self.max_pixels = max_bytes, max_pixels
        self._create = create
        self._paths: list[Path] = []
        self._pixels = 0
        self._is_removed = False

    def open(self) -> tuple[Path, BinaryIO]:
        """Create a file, and open it to be written.

        Raises:
            Cancelled: the request has ended meanwhile, and its files were removed.
        """
        path = self._create()
        self._paths.append(path)
        if self._is_removed:
            path.unlink(missing_ok=True)
            raise Cancelled
        return path, path.open("wb")

    def add_pixels(self, count: int) -> bool:
        """Count the pixels of an image, and return whether the request may have them."""
        self._pixels += count
        return self._pixels <= self.max_pixels

    def remove(self) -> None:
        """Remove the files; there will be no others."""
        self._is_removed = True
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
        values={"maximum": max_bytes / MEGABYTE},
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
            chunk = await asyncio.wait_for(anext(chunks), min(MAX_PAUSE_S, remaining_s))
        except StopAsyncIteration:
            return
        except (TimeoutError, asyncio.TimeoutError):
            detail = f"the body did not arrive within {MAX_BODY_S:g} s, or stopped for {MAX_PAUSE_S:g} s"
            raise Problem(HTTPStatus.REQUEST_TIMEOUT, "request-timeout", detail, remedy="Send it again.") from None
        count += len(chunk)
        if count > max_bytes:
            raise too_large(max_bytes)
        yield chunk


def invalid_body(detail: str, remedy: str | None = None) -> Problem:
    """Return the problem of a body that is not what its media type says."""
    return Problem(HTTPStatus.BAD_REQUEST, "invalid-body", detail, remedy=remedy)
