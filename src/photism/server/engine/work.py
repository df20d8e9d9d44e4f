"""Work items of a model: what is computed for a request, by itself or together with others."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from traceback import clear_frames
from typing import Any, Generic, TypeVar

from photism.cancellation import Cancelled, cancellable
from photism.server.engine.fair_queue import FairQueue
from photism.server.engine.ticket import Ticket

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Batchable(Generic[Item, Result]):
    """What to compute for a request, together with others of the same key that wait for the same model.

    A small model needs half the time for a batch of eight recordings that it needs for eight batches of one.

    Attributes:
        key: what must be equal in work items that are computed together: the command and its settings.
        item: what may differ.
        share: called with the model, returns the part of a full batch that the item takes; more than 1 is computed by
            itself.
        compute: called with the model, the items and the ticket of all; returns a result for each item, which does not
            depend on the others.
        is_quick: whether it takes a fraction of a second: other work items give way to it at each of their steps.
    """

    key: Hashable
    item: Item
    share: Callable[[Any], float]
    compute: Callable[[Any, Sequence[Item], Ticket], Sequence[Result]]
    is_quick: bool = False

    def __call__(self, model: Any, ticket: Ticket) -> Result:
        """Compute the result of this item alone."""
        (result,) = self.compute(model, [self.item], ticket)
        return result


@dataclass(eq=False)
class Work:
    """A work item that waits for a model or uses it.

    Attributes:
        compute: called with the model and the ticket, in the owner's thread; or a `Batchable`.
        ticket: its place in the queue.
        future: gets the result; it is never cancelled, the ticket is.
        queued_at: when it came, of `time.monotonic`.
    """

    compute: Callable[[Any, Ticket], Any] | Batchable[Any, Any]
    ticket: Ticket
    future: Future[Any] = field(default_factory=Future)
    queued_at: float = field(default_factory=time.monotonic)

    @property
    def is_quick(self) -> bool:
        """Whether other work items give way to it at each of their steps."""
        return isinstance(self.compute, Batchable) and self.compute.is_quick

    def end(self, outcome: Any) -> None:
        """Set the result, or the error if the outcome is one."""
        if isinstance(outcome, BaseException):
            clear_frames(outcome.__traceback__)  # which refer to waveforms, and to the model
            self.future.set_exception(outcome)
        else:
            self.future.set_result(outcome)
        self.ticket.end()


def take_companions(work: Work, queue: FairQueue[Work], model: Any) -> list[Work]:
    """Take the work items out of a queue that are computed together with one that is already taken, in their order."""
    if not isinstance(work.compute, Batchable):
        return []
    taken: list[Work] = []
    share = work.compute.share(model)
    for other in list(queue):
        if isinstance(other.compute, Batchable) and other.compute.key == work.compute.key:
            share += other.compute.share(model)
            if share > 1:
                break
            queue.remove(other.ticket.client, other)
            taken.append(other)
    return taken


def compute_together(works: Sequence[Work], model: Any, ticket: Ticket) -> list[Any]:
    """Return the results of work items, or the errors that they raised.

    Args:
        works: a work item, and those from `take_companions`.
        model: the model.
        ticket: ticket of all of them.
    """
    first = works[0].compute
    if len(works) > 1 and isinstance(first, Batchable):
        try:
            with cancellable(ticket.step):
                items = [work.compute.item for work in works if isinstance(work.compute, Batchable)]
                return list(first.compute(model, items, ticket))
        except Cancelled as error:
            return [error] * len(works)
        except Exception:  # of one of them: which one is found by computing each by itself
            pass
    return [_outcome(work, model) for work in works]


def _outcome(work: Work, model: Any) -> Any:
    try:
        with cancellable(work.ticket.step):
            return work.compute(model, work.ticket)
    except BaseException as error:  # whoever awaits the work gets it
        return error
