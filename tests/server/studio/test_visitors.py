"""Visitors of the page: whose work is cancelled, and when."""

import asyncio

import pytest

pytest.importorskip("fastapi")

from photism.server.engine.ticket import Cancelled, Ticket
from photism.server.studio import visitors as module
from photism.server.studio.visitors import Visitors


def test_closing_the_last_connection_cancels_the_work_of_that_session():
    async def run() -> None:
        visitors, mine, other = Visitors(), Ticket(), Ticket()
        with visitors.working("me", mine), visitors.working("you", other):
            with visitors.watching("me"):
                with visitors.watching("me"):
                    pass
                visitors.leave("me")
                assert not mine.is_cancelled
            visitors.leave("me")
            visitors.leave("nobody")
            assert mine.is_cancelled
            assert not other.is_cancelled
        assert other.is_cancelled  # whose block has ended

    asyncio.run(run())


def test_work_waits_until_its_session_does(monkeypatch):
    monkeypatch.setattr(module, "UNWATCHED_S", 0.05)

    async def run() -> None:
        visitors = Visitors()
        waiting = asyncio.ensure_future(visitors.watched("me"))
        await asyncio.sleep(0)
        assert not waiting.done()
        with visitors.watching("me"):
            await waiting
            await visitors.watched("me")
        with pytest.raises(Cancelled):
            await visitors.watched("me")

    asyncio.run(run())


def test_sessions_are_forgotten():
    async def run() -> None:
        visitors = Visitors()
        with visitors.working("me", Ticket()), visitors.watching("me"):
            await visitors.watched("me")
        assert not visitors._sessions

    asyncio.run(run())
