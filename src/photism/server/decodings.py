"""Recordings that are decoded while they are sent, each with a decoder and an upload as long as its client reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from http import HTTPStatus

from photism.server.engine.busy import Busy
from photism.server.problems import Problem

MAX_DECODINGS = 16
"""Most recordings at once."""
MAX_OF_CLIENT = 4
"""Most recordings of one client at once."""
RETRY_S = 5


class Decodings:
    """The recordings of all clients that are decoded while they are sent. It is used in the event loop."""

    def __init__(self) -> None:
        self._of_client: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """Number of recordings."""
        return self._of_client.total()

    @contextmanager
    def place(self, client: str) -> Generator[None]:
        """Hold a place for a recording of a client as long as the block lasts.

        Raises:
            Problem: 429, the client has as many as it may have.
            Busy: there are as many as there may be.
        """
        if self._of_client[client] >= MAX_OF_CLIENT:
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too-many-requests",
                f"{MAX_OF_CLIENT} recordings are being sent to this client, and no more may be at once.",
                remedy=f"Try again in {RETRY_S} s.",
                headers={"Retry-After": str(RETRY_S)},
            )
        if self.count >= MAX_DECODINGS:
            raise Busy(f"{MAX_DECODINGS} recordings are being sent, and no more may be at once.", RETRY_S)
        self._of_client[client] += 1
        try:
            yield
        finally:
            self._of_client[client] -= 1
            self._of_client += Counter()  # without the clients that have none
