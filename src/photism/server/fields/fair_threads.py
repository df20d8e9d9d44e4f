"""Threads that take the work items of several clients in turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event, Lock
from typing import Any, TypeVar

from photism.cancellation import Cancelled, cancellable
from photism.server.engine.busy import Busy
from photism.server.engine.fair_queue import FairQueue
from photism.server.problems import shutting_down_problem

Result = TypeVar("Result")

RETRY_S = 5
"""Time after which a client that is refused may try again."""


class FairThreads:
    """Threads that take the work items of several clients in turn, of which only some may wait, and not for long.

    Args:
        name: name of the threads.
        count: number of threads.
        max_queue: number of work items that may wait.
        max_wait_s: longest time that a work item may wait.
    """

    def __init__(self, name: str, count: int, *, max_queue: int, max_wait_s: float) -> None:
        self._max_queue, self._max_wait_s = max_queue, max_wait_s
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=name)
        self._waiting = FairQueue[_Work]()
        self._running: set[_Work] = set()
        self._lock = Lock()
        self._is_closed = False

    async def run(
        self, work: Callable[[], Result], client: str, *, on_leave: Callable[[], None] | None = None
    ) -> Result:
        """Return the result of a function that runs in a thread.

        If this coroutine is cancelled, the work is not begun, or ends at its next step.

        Args:
            work: the function.
            client: whose turn it takes.
            on_leave: ends the work at once, if this coroutine is cancelled.

        Raises:
            Busy: too many work items wait, or this one has waited for too long.
            Problem: 503, the server is shutting down.
        """
        added = _Work(work)
        with self._lock:
            if self._is_closed:
                raise shutting_down_problem()
            if len(self._waiting) >= self._max_queue:
                raise Busy(f"{self._max_queue} files wait to be read, and no more may.", RETRY_S)
            self._waiting.put(client, added)
            self._pool.submit(self._run_next)
        result = asyncio.wrap_future(added.future)
        try:
            done, _ = await asyncio.wait((result,), timeout=self._max_wait_s)
            if not done and self._withdraw(client, added):
                raise Busy(f"The file has waited {self._max_wait_s:g} s to be read, as long as it may.", RETRY_S)
            return await result
        except (Exception, Cancelled):
            if self._is_closed:  # also of a file whose process was killed
                raise shutting_down_problem() from None
            raise
        finally:
            if not added.future.done():
                added.is_cancelled.set()
                if not self._withdraw(client, added) and on_leave is not None:
                    on_leave()
            result.cancel()

    def close(self) -> None:
        """Refuse further work items and those that wait, and end the rest at their next step. May be called again."""
        with self._lock:
            self._is_closed = True
            waiting = [self._waiting.take() for _ in range(len(self._waiting))]
            for work in self._running:
                work.is_cancelled.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        for work in waiting:
            work.refuse()

    def _withdraw(self, client: str, work: _Work) -> bool:
        """Take a work item out of the queue, and return whether it was there."""
        with self._lock:
            return self._waiting.remove(client, work)

    def _run_next(self) -> None:
        with self._lock:
            if not len(self._waiting):  # it was withdrawn
                return
            work = self._waiting.take()
            self._running.add(work)
        work.run()
        with self._lock:
            self._running.remove(work)


class _Work:
    """A work item that waits or runs."""

    def __init__(self, compute: Callable[[], Any]) -> None:
        self.future, self.is_cancelled = Future[Any](), Event()
        self._compute = compute

    def run(self) -> None:
        """Compute the result, unless nobody awaits it any more."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            with cancellable(self._check):
                self._check()
                result = self._compute()
        except BaseException as error:  # whoever awaits it gets it
            self.future.set_exception(error)
        else:
            self.future.set_result(result)

    def refuse(self) -> None:
        """End it, as the server is shutting down."""
        if self.future.set_running_or_notify_cancel():
            self.future.set_exception(shutting_down_problem())

    def _check(self) -> None:
        if self.is_cancelled.is_set():
            raise Cancelled
