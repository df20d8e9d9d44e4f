"""Visitors of the page: work begins when they wait for it, and ends when they have left."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from photism.server.engine.ticket import Cancelled, Ticket

UNWATCHED_S = 30.0
"""Time in which a visitor has to ask for a result, which Gradio's protocol does in a request of its own: somebody who
leaves before it closes no connection."""


@dataclass
class _Session:
    tickets: set[Ticket] = field(default_factory=set)
    connections: int = 0
    is_watched: asyncio.Event = field(default_factory=asyncio.Event)


class Visitors:
    """Tickets of each session of the page, and the connections on which it waits for results."""

    def __init__(self) -> None:
        self._sessions: dict[str, _Session] = {}

    @contextmanager
    def working(self, name: str, ticket: Ticket) -> Generator[None]:
        """Cancel a ticket within the block when its session leaves, and at its end."""
        with self._session(name) as session:
            session.tickets.add(ticket)
            try:
                yield
            finally:
                ticket.cancel()
                session.tickets.discard(ticket)

    async def watched(self, name: str) -> None:
        """Return as soon as a session waits for its results.

        Raises:
            Cancelled: it does not in time.
        """
        with self._session(name) as session:
            try:
                await asyncio.wait_for(session.is_watched.wait(), UNWATCHED_S)
            except (TimeoutError, asyncio.TimeoutError):
                raise Cancelled from None

    @contextmanager
    def watching(self, name: str) -> Generator[None]:
        """Count a connection on which a session waits for its results."""
        with self._session(name) as session:
            session.connections += 1
            session.is_watched.set()
            try:
                yield
            finally:
                session.connections -= 1
                if not session.connections:
                    session.is_watched.clear()

    def leave(self, name: str) -> None:
        """Cancel the work of a session that has closed its last connection."""
        session = self._sessions.get(name)
        if session is not None and not session.connections:
            for ticket in tuple(session.tickets):
                ticket.cancel()

    @contextmanager
    def _session(self, name: str) -> Generator[_Session]:
        """Return a session, and forget it when nobody uses it any more."""
        session = self._sessions.setdefault(name, _Session())
        try:
            yield session
        finally:
            if not session.tickets and not session.connections:
                self._sessions.pop(name, None)
