"""The recordings that a model has taken and not finished."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from photism.errors import InputError

Item = TypeVar("Item")


class InFlight(Generic[Item]):
    """An iterable that keeps its items until their results come, so that memory does not grow with their number.

    Args:
        items: items, each of which is taken when it is needed.
    """

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = items
        self._taken: dict[int, Item] = {}

    def __iter__(self) -> Iterator[Item]:
        for number, item in enumerate(self._items):
            self._taken[number] = item
            yield item

    def __getitem__(self, number: int) -> Item:
        return self._taken[number]

    def pop(self, number: int) -> Item:
        """Return the item of an index, from 0, which is finished."""
        return self._taken.pop(number)

    def skipping(self, on_error: Callable[[int, InputError], None]) -> Callable[[int, InputError], None]:
        """Return a callback that forgets the item of an index, and reports its error."""

        def skip(number: int, error: InputError) -> None:
            """Skip an item."""
            self.pop(number)
            on_error(number, error)

        return skip
