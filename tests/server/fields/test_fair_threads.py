"""Threads that decode: clients take turns, few works wait, and those of clients that leave end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from threading import Event

import pytest

from photism.cancellation import Cancelled, check_cancelled
from photism.server.engine.busy import Busy
from photism.server.fields.fair_threads import FairThreads
from photism.server.problems import Problem


def busy_with(
    check: Callable[[FairThreads, Event], Awaitable[None]], *, max_queue: int = 8, max_wait_s: float = 60
) -> None:
    """Check threads of which the only one is busy until an event is set."""

    async def run() -> None:
        threads = FairThreads("reading", 1, max_queue=max_queue, max_wait_s=60)
        go_on, running = Event(), Event()

        def work() -> None:
            running.set()
            go_on.wait(10)

        first = asyncio.create_task(threads.run(work, "first"))
        await asyncio.to_thread(running.wait, 10)
        threads._max_wait_s = max_wait_s
        try:
            await check(threads, go_on)
        finally:
            go_on.set()
        await first
        threads.close()

    asyncio.run(run())


def test_clients_take_turns() -> None:
    done: list[str] = []

    async def check(threads: FairThreads, go_on: Event) -> None:
        order = ("many", "many", "many", "one")
        works = [asyncio.create_task(threads.run(partial(done.append, each), each)) for each in order]
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(*works)

    busy_with(check)
    assert done == ["many", "one", "many", "many"]


def test_a_work_that_finds_the_queue_full_is_refused_with_the_time_to_try_again() -> None:
    async def check(threads: FairThreads, go_on: Event) -> None:
        waiting = asyncio.create_task(threads.run(int, "a"))
        await asyncio.sleep(0)
        with pytest.raises(Busy, match="1 files wait to be read") as refused:
            await threads.run(int, "b")
        assert refused.value.status == 503
        assert int(refused.value.headers["Retry-After"]) > 0
        go_on.set()
        assert await waiting == 0

    busy_with(check, max_queue=1)


def test_a_work_that_waits_for_too_long_is_refused_and_makes_room() -> None:
    async def check(threads: FairThreads, _: Event) -> None:
        for _ in range(3):
            with pytest.raises(Busy, match="has waited"):
                await threads.run(int, "a")

    busy_with(check, max_queue=1, max_wait_s=0.01)


def test_a_work_that_nobody_awaits_is_not_begun() -> None:
    begun: list[int] = []

    async def check(threads: FairThreads, go_on: Event) -> None:
        waiting = asyncio.create_task(threads.run(partial(begun.append, 1), "a"))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait((waiting,))
        go_on.set()
        assert await threads.run(int, "b") == 0

    busy_with(check, max_queue=1)
    assert begun == []


def test_it_may_be_closed_twice_while_works_wait() -> None:
    async def check(threads: FairThreads, _: Event) -> None:
        waiting = asyncio.create_task(threads.run(int, "a"))
        await asyncio.sleep(0)
        threads.close()
        threads.close()
        with pytest.raises(Problem) as refused:
            await waiting
        assert refused.value.name == "shutting-down"

    busy_with(check)


@pytest.mark.parametrize("closes", [False, True])
def test_a_work_that_runs_ends_at_its_next_step(closes: bool) -> None:
    begun, ended, left = Event(), Event(), Event()

    def work() -> None:
        begun.set()
        try:
            while not ended.wait(0.001):
                check_cancelled()
        except Cancelled:
            ended.set()
            raise

    async def run() -> None:
        threads = FairThreads("reading", 1, max_queue=1, max_wait_s=60)
        running = asyncio.create_task(threads.run(work, "a", on_leave=left.set))
        await asyncio.to_thread(begun.wait, 10)
        if closes:
            threads.close()
            with pytest.raises(Problem) as refused:
                await running
            assert refused.value.name == "shutting-down"
        else:
            running.cancel()
            await asyncio.wait((running,))
            assert left.is_set()
        assert await asyncio.to_thread(ended.wait, 10)
        threads.close()

    asyncio.run(run())
