"""Place of a request in the queue of a model: its progress, and the way to cancel it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from threading import Event, Lock
from typing import Any, Literal, TypeAlias

from photism.cancellation import Cancelled

State: TypeAlias = Literal["queued", "loading", "running"]


@dataclass(frozen=True)
class Progress:
    """How far a request is.

    Attributes:
        state: queued, loading (the model), or running.
        position: number of requests before it in the queue.
        done: number of steps that are done.
        total: number of all steps; 0 while it is not known.
    """

    state: State
    position: int = 0
    done: int = 0
    total: int = 0


@dataclass(frozen=True)
class PartialResult:
    """A part of the result of a work item that is still going on.

    Attributes:
        name: name of the event that a stream sends, such as "words".
        data: JSON object of the event.
    """

    name: str
    data: Mapping[str, Any]


class Ticket:
    """Place of a request in the queue of a model.

    Args:
        client: key of the client, by which a queue takes requests in turn.
        is_job: whether the work takes minutes and gives way to requests. It waits as long as necessary.
        members: tickets of work items that are computed together, if this is the ticket of all: it is cancelled when
            all of them are, and its progress is theirs.

    Attributes:
        waited_s: seconds in the queue.
        computed_s: seconds in the owner's thread, including the loading of the model.
    """

    def __init__(self, client: str = "", *, is_job: bool = False, members: Sequence[Ticket] = ()) -> None:
        self.client, self.is_job, self._members = client, is_job, tuple(members)
        self.waited_s = self.computed_s = 0.0
        self.progress = Progress("queued")
        self._cancelled, self._ended = Event(), Event()
        self._withdraw: Callable[[], None] | None = None
        self._run_requests: Callable[[], None] | None = None
        self._run_quick: Callable[[], None] | None = None
        self._listeners: list[Callable[[], object]] = []
        self._partial_results: list[PartialResult] = []
        self._lock = Lock()

    @property
    def is_cancelled(self) -> bool:
        """Whether the request was cancelled."""
        if self._members:
            return all(member.is_cancelled for member in self._members)
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Cancel the request, from any thread: queued work never begins, running work ends at its next report."""
        self._cancelled.set()
        withdraw = self._withdraw  # which the end of the work sets to None, maybe at this moment
        if withdraw is not None:
            withdraw()

    def check(self) -> None:
        """Raise an error if the request was cancelled.

        Raises:
            Cancelled: the request was cancelled.
        """
        if self.is_cancelled:
            raise Cancelled

    def report(self, done: int, total: int) -> None:
        """Report that `done` of `total` steps are done; this is the `callback_on_step` of pipelines.

        Raises:
            Cancelled: the request was cancelled.
        """
        self.check()
        self.publish(Progress("running", done=done, total=total))

    def emit(self, name: str, data: Mapping[str, Any], *, replaces: bool = False) -> None:
        """Send a part of the result to the client, if it reads a stream of events.

        Args:
            name: name of the event.
            data: its JSON object.
            replaces: drop earlier parts of that name that are not sent yet, such as previews.
        """
        with self._lock:
            if replaces:
                self._partial_results = [each for each in self._partial_results if each.name != name]
            self._partial_results.append(PartialResult(name, data))
        self._notify()

    def of_item(self, number: int) -> Ticket:
        """Return the ticket of one of the work items that are computed together, or this one if it has no members.

        Args:
            number: number of the work's item, from 0.
        """
        return self._members[number] if self._members else self

    def give_way(self) -> None:
        """Let waiting requests of this model run now, in this thread; for a job between two of its steps.

        Raises:
            Cancelled: the job was cancelled.
        """
        self.check()
        run_requests = self._run_requests
        if run_requests is not None:
            run_requests()
            self.check()

    async def updates(self) -> AsyncGenerator[Progress]:
        """Yield the progress whenever it changes, at least once, until the work ends; skip what comes too fast."""
        async with aclosing(self.messages()) as messages:
            async for each in messages:
                if isinstance(each, Progress):
                    yield each

    async def messages(self) -> AsyncGenerator[Progress | PartialResult]:
        """Yield what `updates` does and every partial result; of these, each is yielded to a single reader."""
        loop, changed = asyncio.get_running_loop(), asyncio.Event()

        def notify() -> None:
            loop.call_soon_threadsafe(changed.set)

        self._listeners.append(notify)
        last: Progress | None = None
        try:
            while True:
                changed.clear()
                has_ended, progress = self._ended.is_set(), self.progress
                for each in self._take_partial_results():
                    yield each
                if progress != last:
                    yield (last := progress)
                if has_ended:
                    return
                await changed.wait()
        finally:
            self._listeners.remove(notify)

    # What follows is for the lane.

    def enter(self, withdraw: Callable[[], None]) -> None:
        """Enter a queue; `withdraw` takes the work out of it again."""
        self._withdraw = withdraw

    def begin(self, run_requests: Callable[[], None] | None, run_quick: Callable[[], None] | None) -> None:
        """Begin the work; `run_requests` and `run_quick` run those that wait and to which it gives way."""
        self._run_requests, self._run_quick = run_requests, run_quick

    def step(self) -> None:
        """Raise an error if the request was cancelled, and let quick requests that wait run in between."""
        self.check()
        run_quick = self._run_quick
        if run_quick is not None:
            run_quick()

    def publish(self, progress: Progress) -> None:
        """Change the progress, and wake up whoever waits for that."""
        self.progress = progress
        self._notify()
        for member in self._members:
            member.publish(progress)

    def end(self) -> None:
        """End the updates."""
        self._run_requests = self._run_quick = self._withdraw = None
        self._ended.set()
        self._notify()

    def _take_partial_results(self) -> list[PartialResult]:
        with self._lock:
            taken, self._partial_results = self._partial_results, []
        return taken

    def _notify(self) -> None:
        for notify in tuple(self._listeners):
            with suppress(RuntimeError):  # the loop is closed: the server has ended
                notify()
