"""Queue that takes the items of several clients in turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import zip_longest
from typing import Generic, TypeVar

Item = TypeVar("Item")


class FairQueue(Generic[Item]):
    """Queue that takes one item of each client in turn, so that a client with many does not delay the others.

    It is not safe for threads.
    """

    def __init__(self) -> None:
        self._items: dict[str, deque[Item]] = {}  # in the order of turns; no client without items

    def put(self, client: str, item: Item) -> None:
        """Add an item of a client."""
        self._items.setdefault(client, deque()).append(item)

    def take(self) -> Item:
        """Remove and return the next item.

        Raises:
            StopIteration: the queue is empty.
        """
        client = next(iter(self._items))
        items = self._items.pop(client)
        item = items.popleft()
        if items:
            self._items[client] = items
        return item

    def remove(self, client: str, item: Item) -> bool:
        """Remove an item of a client, and return whether it was there."""
        items = self._items.get(client, deque())
        if item not in items:
            return False
        items.remove(item)
        if not items:
            del self._items[client]
        return True

    def __len__(self) -> int:
        return sum(map(len, self._items.values()))

    def __iter__(self) -> Iterator[Item]:
        """Iterate over the items in the order in which they will be taken."""
        for turn in zip_longest(*self._items.values()):
            yield from (item for item in turn if item is not None)
