"""Items in flight: taken lazily, and forgotten once they are finished."""

import weakref

from photism.errors import InputError
from photism.jobs.in_flight import InFlight


class Item:
    """An item that can be referred to weakly."""


def test_an_item_is_taken_when_it_is_needed_and_forgotten_when_it_is_finished():
    items = [Item() for _ in range(3)]
    references = [weakref.ref(item) for item in items]
    in_flight = InFlight(items.pop(0) for _ in range(3))
    taken = iter(in_flight)
    next(taken), next(taken)
    assert len(items) == 1
    errors = []
    in_flight.skipping(lambda number, error: errors.append((number, str(error))))(1, InputError("x"))
    assert errors == [(1, "x")]
    assert references[0]() is in_flight.pop(0)
    next(taken)
    assert references[0]() is references[1]() is None
