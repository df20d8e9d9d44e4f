"""The thread that owns a model: it loads it, runs work items one after another, and unloads it when it is not used."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from math import ceil
from threading import Condition, Thread
from typing import Any

from photism.cancellation import Cancelled
from photism.errors import InputError, is_out_of_memory
from photism.server.engine.busy import Busy
from photism.server.engine.fair_queue import FairQueue
from photism.server.engine.memory import give_back_memory, trim_memory
from photism.server.engine.ticket import Progress, Ticket
from photism.server.engine.work import Batchable, Work, compute_together, take_companions
from photism.server.problems import Problem

logger = logging.getLogger(__name__)

SMOOTHING = 0.2
"""Weight of the latest duration in the moving average of the durations of work items."""
FIRST_ESTIMATE_S = 5.0
"""Estimated duration of a work item before one was measured."""
TRIM_S = 15.0
"""Time after which the memory that work items have freed is returned to the operating system again."""
UNLOAD_S = 10.0
"""Longest time to wait for the memory of a model."""
MAX_RETRY_S = 300
"""Longest time that a client is asked to wait, as the estimate is rough."""


@dataclass
class LaneCounts:
    """Counts since the start of the server. Threads read them without a lock.

    Attributes:
        begun: work items that were taken out of the queue to run.
        finished: work items with a result.
        failed: work items that raised an error.
        cancelled: work items whose client left, before or while they ran.
        refused: requests that were not accepted, or waited for too long.
        loads: how often the model was loaded.
        unloads: how often the model was unloaded.
        waited_s: seconds in the queue, of all work items together.
        computed_s: seconds in which the owner's thread has run work items or loaded the model.
    """

    begun: int = 0
    finished: int = 0
    failed: int = 0
    cancelled: int = 0
    refused: int = 0
    loads: int = 0
    unloads: int = 0
    waited_s: float = 0.0
    computed_s: float = 0.0


class Lane:
    """Owner of a model: a thread that alone uses it, and ends when the model is unloaded.

    Args:
        name: name of the model, for messages.
        load: loads the model.
        max_queue: number of requests that may wait, quick and others together, and number of jobs that may.
        idle_s: seconds without a work item after which the model is unloaded.
        make_room: called before the model is loaded, with whether memory has run out; unloads other models.
        shows_errors: raise the error of a model that cannot be loaded; by default it is only logged, as it may name
            files of the server.

    Attributes:
        counts: counts since the start.
        used_at: when the model was last used, of `time.monotonic`.
    """

    def __init__(
        self,
        name: str,
        load: Callable[[], Any],
        *,
        max_queue: int,
        idle_s: float,
        make_room: Callable[[bool], None],
        shows_errors: bool = False,
    ) -> None:
        self.name, self.counts, self.used_at = name, LaneCounts(), time.monotonic()
        self._load, self._max_queue, self._idle_s = load, max_queue, idle_s
        self._make_room, self._shows_errors = make_room, shows_errors
        self._condition = Condition()
        self._jobs, self._requests, self._quick = (FairQueue[Work]() for _ in range(3))
        self._running: list[Work] = []  # and the work items that gave way to them
        self._thread: Thread | None = None
        self._model: Any = None
        self._must_unload = self._is_closed = False
        self._holders = 0
        self._mean_s: dict[bool, float] = {}  # mean duration of jobs (True) and of requests (False)
        self._counted_at = 0.0  # up to when `computed_s` is counted

    @property
    def queued(self) -> int:
        """Number of work items that wait."""
        return len(self._jobs) + len(self._requests) + len(self._quick)

    @property
    def running(self) -> int:
        """Number of work items that are running, with those that have given way to others."""
        return len(self._running)

    @property
    def is_needed(self) -> bool:
        """Whether the model is in memory, or a work item will load it."""
        return self.is_loaded or bool(self.queued or self._running)

    @property
    def is_loaded(self) -> bool:
        """Whether the model is in memory."""
        return self._model is not None

    def submit(self, compute: Callable[[Any, Ticket], Any] | Batchable[Any, Any], ticket: Ticket) -> Work:
        """Add a work item to the queue.

        Raises:
            Busy: the queue is full.
            Cancelled: the server is shutting down. If the ticket is cancelled, the future of the work raises it.
        """
        work = Work(compute, ticket)
        work.future.set_running_or_notify_cancel()
        with self._condition:
            if self._is_closed:
                raise Cancelled
            if self._count_waiting(is_job=ticket.is_job) >= self._max_queue:
                self.counts.refused += 1
                waiting = "jobs" if ticket.is_job else "requests"
                detail = f"The queue of the model {self.name} is full; it has room for {self._max_queue} {waiting}."
                raise Busy(detail, self._retry_s(is_job=ticket.is_job))
            self._queue_of(work).put(ticket.client, work)
            ticket.enter(partial(self._withdraw, work, Cancelled()))
            if self._thread is None:
                self._thread = Thread(target=self._own, name=f"photism-{self.name}", daemon=True)
                self._thread.start()
            self._must_unload = False
            self._report_positions()
            self._condition.notify_all()
        if ticket.is_cancelled:  # meanwhile
            self._withdraw(work, Cancelled())
        return work

    def expire(self, work: Work) -> None:
        """Take a work item that has waited for too long out of the queue; do nothing if it has begun."""
        waited_s = time.monotonic() - work.queued_at
        detail = f"The request has waited {waited_s:.0f} s for the model {self.name}, as long as it may."
        with self._condition:
            retry_s = self._retry_s(is_job=work.ticket.is_job)
        self._withdraw(work, Busy(detail, retry_s))

    def unload(self) -> None:
        """Unload the model if no work item uses or awaits it, and wait until its memory is given back."""
        with self._condition:
            thread = self._thread
            self._must_unload = self.is_loaded and not (self.queued or self._running or self._holders)
            if not self._must_unload or thread is None:
                return
            self._condition.notify_all()
            self._condition.wait_for(lambda: not self._must_unload, UNLOAD_S)
            if self._thread is thread:  # the model is in use again
                return
        thread.join(UNLOAD_S)

    @contextmanager
    def hold(self) -> Generator[None]:
        """Keep the model in memory, once it is loaded, until the end of the block."""
        with self._condition:
            self._holders += 1
            self._must_unload = False
            self._condition.notify_all()
        try:
            yield
        finally:
            with self._condition:
                self._holders -= 1
                self._condition.notify_all()  # the time without a work item begins again

    def close(self) -> None:
        """Cancel all work items, refuse further ones, and let the thread end."""
        with self._condition:
            self._is_closed = True
            works = [*self._jobs, *self._requests, *self._quick, *self._running]
            self._condition.notify_all()
        for work in works:
            work.ticket.cancel()

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait for the thread to end, and return whether it did."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)
        return thread is None or not thread.is_alive()

    def _queue_of(self, work: Work) -> FairQueue[Work]:
        return self._jobs if work.ticket.is_job else self._quick if work.is_quick else self._requests

    def _count_waiting(self, *, is_job: bool) -> int:
        return len(self._jobs) if is_job else len(self._requests) + len(self._quick)

    def _retry_s(self, *, is_job: bool) -> int:
        """Return the estimated seconds, at least 1, until the jobs, or the requests, that are here now are done."""
        works = self._count_waiting(is_job=is_job) + sum(work.ticket.is_job == is_job for work in self._running)
        return min(max(1, ceil(self._mean_s.get(is_job, FIRST_ESTIMATE_S) * works)), MAX_RETRY_S)

    def _withdraw(self, work: Work, error: BaseException) -> None:
        """End a work item that waits with an error."""
        with self._condition:
            if not self._queue_of(work).remove(work.ticket.client, work):
                return
            if isinstance(error, Cancelled):
                self.counts.cancelled += 1
            else:
                self.counts.refused += 1
            self._report_positions()
        work.ticket.waited_s = time.monotonic() - work.queued_at
        work.end(error)

    def _report_positions(self) -> None:
        for queue in (self._jobs, self._requests, self._quick):
            for position, work in enumerate(queue):
                work.ticket.publish(Progress("queued", position=position))

    def _own(self) -> None:
        """Run work items until the model is not used any more, then unload it."""
        trim_at = time.monotonic() + TRIM_S
        while (work := self._next()) is not None:
            self._counted_at = time.monotonic()
            self._run(work)
            del work  # with the waveforms that it refers to, before the next one is awaited
            if time.monotonic() >= trim_at:
                trim_memory()
                trim_at = time.monotonic() + TRIM_S
        give_back_memory()

    def _next(self) -> Work | None:
        """Return the next work item when there is one; unload the model and return None if there is none for long."""
        with self._condition:
            while not self.queued:
                must_end = self._must_unload or self._is_closed
                idle_s = None if self._holders else self._idle_s
                if must_end or not (self._condition.wait(idle_s) or self.queued or self._holders):
                    self.counts.unloads += self.is_loaded
                    self._model = self._thread = None
                    self._must_unload = False
                    self._condition.notify_all()
                    return None
            # The longer ones give way to the others, which therefore need not come before them.
            work = next(queue for queue in (self._jobs, self._requests, self._quick) if len(queue)).take()
            self._begin([work])
            return work

    def _run_waiting(self, queue: FairQueue[Work]) -> None:
        """Run the work items that wait now in a queue, while another one gives way to them."""
        self._count_time()
        last = self.counts.begun + len(queue)
        while self.counts.begun < last:
            with self._condition:
                if not len(queue):
                    return
                work = queue.take()
                self._begin([work])
            self._run(work)

    def _begin(self, works: list[Work]) -> None:
        """Note that work items were taken out of the queue."""
        self.counts.begun += len(works)
        self._running += works
        for work in works:
            work.ticket.waited_s = time.monotonic() - work.queued_at
        self._report_positions()

    def _run(self, work: Work) -> None:
        """Run a work item, with the model loaded, and with it those that are computed together with it."""
        begun_at, works, ticket = time.monotonic(), [work], work.ticket
        run_requests = partial(self._run_waiting, self._requests) if ticket.is_job else None
        run_quick = None if work.is_quick else partial(self._run_waiting, self._quick)
        ticket.begin(run_requests, run_quick)
        try:
            ticket.check()
            self._ensure_loaded(ticket)
            with self._condition:
                companions = take_companions(work, self._queue_of(work), self._model)
                self._begin(companions)
            if companions:
                works += companions
                ticket = Ticket(members=[each.ticket for each in works])
                ticket.begin(run_requests, run_quick)
            ticket.report(0, 0)
            computing_at = time.monotonic()
            outcomes = compute_together(works, self._model, ticket)
            self._estimate(work.ticket, (time.monotonic() - computing_at) / len(works))
        except BaseException as error:  # whoever awaits the work items gets it
            outcomes = [error] * len(works)
        self._count_time()
        computed_s = time.monotonic() - begun_at
        with self._condition:
            self._running = [each for each in self._running if each not in works]
        for each, outcome in zip(works, outcomes, strict=True):
            self._count(each.ticket, outcome, computed_s)
            each.end(outcome)

    def _ensure_loaded(self, ticket: Ticket) -> None:
        """Load the model if it is not in memory.

        Raises:
            InputError, Problem: it cannot be loaded. The next work item tries again.
        """
        if self.is_loaded:
            return
        ticket.publish(Progress("loading"))
        self._make_room(False)
        try:
            try:
                self._model = self._load()
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                self._make_room(True)
                self._model = self._load()
        except InputError as error:
            if self._shows_errors:
                raise
            logger.error("model %s cannot be loaded: %s", self.name, error)
            detail = f"The model {self.name} cannot be loaded; the server's log says why."
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "model-unavailable", detail) from error
        self.counts.loads += 1

    def _estimate(self, ticket: Ticket, computed_s: float) -> None:
        mean_s = self._mean_s.get(ticket.is_job, computed_s)
        self._mean_s[ticket.is_job] = mean_s + SMOOTHING * (computed_s - mean_s)

    def _count_time(self) -> None:
        """Count the time since the last call, once for work items that run together or within another."""
        now = time.monotonic()
        self.counts.computed_s += now - self._counted_at
        self._counted_at = now

    def _count(self, ticket: Ticket, outcome: Any, computed_s: float) -> None:
        self.used_at, ticket.computed_s, counts = time.monotonic(), computed_s, self.counts
        counts.waited_s += ticket.waited_s
        if isinstance(outcome, Cancelled):
            counts.cancelled += 1
        elif isinstance(outcome, BaseException):
            counts.failed += 1
        else:
            counts.finished += 1
