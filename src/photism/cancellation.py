"""Cancel a long computation at its next step.

Whoever starts it says what to call at each step, and the code with the steps calls `check_cancelled`:

    with cancellable(request.check):      # raises Cancelled once the client has left
        pipeline(recording)

Like a signal, it concerns all that a thread does, and is therefore no argument of each function in between.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

Item = TypeVar("Item")

_check: ContextVar[Callable[[], None] | None] = ContextVar("photism_cancellation", default=None)


class Cancelled(BaseException):
    """A computation was cancelled.

    Like `KeyboardInterrupt` it is no `Exception`, so that code which reports a library's errors as mistakes in the
    input, or skips unreadable recordings, lets it pass.
    """


@contextmanager
def cancellable(check: Callable[[], None]) -> Generator[None]:
    """Let the steps of what this thread computes within the block call a function, which ends it by raising Cancelled.

    Args:
        check: called often, and therefore quick; in place of that of a block around this one.
    """
    outer = _check.set(check)
    try:
        yield
    finally:
        _check.reset(outer)


def check_cancelled() -> None:
    """Raise an error if the computation that this is a step of was cancelled.

    Raises:
        Cancelled: the computation was cancelled.
    """
    check = _check.get()
    if check is not None:
        check()


def cancellable_steps(items: Iterable[Item]) -> Iterator[Item]:
    """Yield items, each of which is a step of a computation.

    Raises:
        Cancelled: the computation was cancelled.
    """
    for item in items:
        check_cancelled()
        yield item
