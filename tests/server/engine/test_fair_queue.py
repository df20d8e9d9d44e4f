"""Clients take turns in a queue."""

from photism.server.engine.fair_queue import FairQueue


def filled():
    queue = FairQueue()
    for client, item in (("anna", 1), ("anna", 2), ("anna", 3), ("ben", 4), ("carl", 5), ("ben", 6)):
        queue.put(client, item)
    return queue


def test_clients_take_turns():
    queue = filled()
    expected = [1, 4, 5, 2, 6, 3]
    assert list(queue) == expected
    assert [queue.take() for _ in range(len(queue))] == expected
    assert len(queue) == 0


def test_a_new_client_comes_before_the_second_item_of_another():
    queue = filled()
    queue.take()
    queue.put("dora", 7)
    assert list(queue) == [4, 5, 2, 7, 6, 3]


def test_an_item_is_removed_once():
    queue = filled()
    assert queue.remove("carl", 5)
    assert not queue.remove("carl", 5)
    assert not queue.remove("dora", 1)
    assert list(queue) == [1, 4, 2, 6, 3]
