"""Live connections: how many WebSockets there may be, in all and of one client."""

from __future__ import annotations

from asyncio import Event
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from http import HTTPStatus

from photism.server.problems import Problem
from photism.server.settings import LimitSettings

MAX_MESSAGE_BYTES = 2**20
"""Size of a message: 32 s of 16-bit samples at 16 kHz."""


class LiveConnections:
    """The live connections of all clients.

    Args:
        limits: how many there may be.
    """

    def __init__(self, limits: LimitSettings) -> None:
        self._limits = limits
        self._of_client: Counter[str] = Counter()
        self._leaving: set[Event] = set()

    @property
    def count(self) -> int:
        """Number of live connections."""
        return self._of_client.total()

    @contextmanager
    def place(self, client: str) -> Generator[Event]:
        """Hold a place for a connection, and yield an event that is set when it has to be closed.

        Args:
            client: key of the client.

        Raises:
            Problem: 429, this client has as many connections as it may have; 503, there are as many as there may be.
        """
        limits = self._limits
        if self._of_client[client] >= limits.max_live_per_client:
            present = f"this client has {limits.max_live_per_client} already"
            raise _full(HTTPStatus.TOO_MANY_REQUESTS, present, "Close one of them first.")
        if self.count >= limits.max_live:
            raise _full(HTTPStatus.SERVICE_UNAVAILABLE, f"there are {limits.max_live} already", "Try again later.")
        leaving = Event()
        self._leaving.add(leaving)
        self._of_client[client] += 1
        try:
            yield leaving
        finally:
            self._leaving.remove(leaving)
            self._of_client[client] -= 1
            self._of_client += Counter()  # drops clients without a connection

    def close_all(self) -> None:
        """Let every connection be closed, in the event loop: the server is shutting down."""
        for leaving in self._leaving:
            leaving.set()


def _full(status: HTTPStatus, present: str, remedy: str) -> Problem:
    return Problem(
        status,
        "too-many-live-connections",
        f"No further live connection can be opened: {present}.",
        remedy=remedy,
        headers={"Retry-After": "10"},
    )
