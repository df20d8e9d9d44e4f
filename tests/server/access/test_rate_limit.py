"""Requests per minute: which count, for whom, and how many clients are remembered."""

import pytest

from photism.server.access import rate_limit
from photism.server.access.rate_limit import RateLimiter
from photism.server.settings import AccessSettings


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_minute_of_requests_at_once_and_then_one_after_another():
    clock = Clock()
    limiter = RateLimiter(4, clock=clock)
    assert [limiter.take("a") for _ in range(4)] == [0, 0, 0, 0]
    assert limiter.take("a") == pytest.approx(15)
    assert limiter.wait_s("a") == pytest.approx(15)
    assert limiter.take("b") == 0
    clock.now += 10
    assert limiter.take("a") == pytest.approx(5)
    clock.now += 5
    assert limiter.take("a") == 0
    assert limiter.take("a") == pytest.approx(15)
    clock.now += 600
    assert [limiter.take("a") for _ in range(5)] == [0, 0, 0, 0, pytest.approx(15)]


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(rate_limit, "MAX_CLIENTS", 3)
    limiter = RateLimiter(1, clock=Clock())
    for client in "abcd":
        assert limiter.take(client) == 0
    assert limiter.take("d") == 60
    assert limiter.take("a") == 0  # forgotten
    assert len(limiter._paid_at) == 3


def test_too_many_requests_are_answered_429(connect):
    client = connect(AccessSettings(rate=2))
    assert [client.post("/v1/state").status_code for _ in range(3)] == [200, 200, 429]
    answer = client.get("/v1/state")
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "30"
    assert answer.json()["type"] == "/problems/too-many-requests"
    assert client.get("/nowhere").status_code == 404  # such as a file of the page


def test_each_client_has_its_own_rate_and_this_machine_none(connect, monkeypatch):
    monkeypatch.setattr(rate_limit, "DEFAULT_RATE", 1)
    local, other = connect(), connect(peer="192.0.2.1")
    assert [local.post("/v1/state").status_code for _ in range(3)] == [200, 200, 200]
    assert [other.post("/v1/state").status_code for _ in range(2)] == [200, 429]
