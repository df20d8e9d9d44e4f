"""Live connections are counted for each client, and their number is bounded."""

from contextlib import ExitStack

import pytest

from photism.server.live_connections import LiveConnections
from photism.server.problems import Problem
from photism.server.settings import LimitSettings


def test_places_are_bounded_and_given_back():
    live = LiveConnections(LimitSettings(max_live=3, max_live_per_client=2))
    with ExitStack() as stack:
        for client in ("ann", "ann", "ben"):
            stack.enter_context(live.place(client))
        for client, status, words in (
            ("ann", 429, "this client has 2 already"),
            ("ben", 503, "there are 3 already"),
            ("eve", 503, "there are 3 already"),
        ):
            with pytest.raises(Problem, match=words) as error_info, live.place(client):
                pass
            assert error_info.value.status == status
            assert error_info.value.headers == {"Retry-After": "10"}
        assert live.count == 3
    assert live.count == len(live._of_client) == 0


def test_all_connections_are_asked_to_close():
    live = LiveConnections(LimitSettings())
    with live.place("ann") as one, live.place("ben") as other:
        live.close_all()
        assert one.is_set()
        assert other.is_set()
