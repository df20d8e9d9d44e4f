"""Live connections: what they do when there are too many, and how they share a model with requests."""

import asyncio
import threading
import time
from types import SimpleNamespace

import pytest

from photism.cancellation import check_cancelled
from photism.listening.settings import ClassifierModelSettings
from photism.server.endpoints import live_session
from photism.server.endpoints.live_session import LiveSession
from photism.server.engine.entries import ModelEntry
from photism.server.engine.kinds import Kind
from photism.server.engine.registry import ModelRegistry
from photism.server.engine.ticket import Ticket
from photism.server.live_connections import LiveConnections
from photism.server.settings import LimitSettings
from tests.server.endpoints.live import open_socket, received

LONG_S = 5.0
"""Time after which a test has failed."""


@pytest.fixture
def registry():
    kind = Kind("classifier", ClassifierModelSettings, lambda settings: [])
    entry = ModelEntry("a", "classifier", ClassifierModelSettings())
    registry = ModelRegistry((entry,), LimitSettings(), kinds={"classifier": kind})
    yield registry
    assert registry.close(LONG_S)


@pytest.fixture
def session(registry):
    services = SimpleNamespace(registry=registry)
    app = SimpleNamespace(state=SimpleNamespace(services=services))
    return LiveSession(SimpleNamespace(app=app, state=SimpleNamespace(client="ann")))


@pytest.fixture
def pauses(monkeypatch):
    """Return the times for which sessions wait before their works."""
    pauses = []

    async def sleep(seconds):
        pauses.append(seconds)

    monkeypatch.setattr(live_session.asyncio, "sleep", sleep)
    return pauses


def test_others_give_way_to_quick_works_and_get_half_of_the_time(registry, session, pauses):
    entry = registry.find("classifier")
    begun, go_on = threading.Event(), threading.Event()

    def long_work(model, ticket):
        """Take three steps, the second of which begins when a quick work waits."""
        for step in range(3):
            check_cancelled()
            model.append(step)
            begun.set()
            go_on.wait(LONG_S)
        return tuple(model)

    async def run():
        running = asyncio.ensure_future(registry.run(entry, long_work, Ticket("ben")))
        await asyncio.to_thread(begun.wait, LONG_S)
        quick = asyncio.ensure_future(session.compute_quickly(entry, lambda model, _: model.append("quick")))
        while not registry.lanes[entry].queued:
            await asyncio.to_thread(begun.wait, LONG_S)
        await asyncio.to_thread(time.sleep, 2 * live_session.WAITED_S)
        go_on.set()
        await quick
        result = await running
        await session.compute_quickly(entry, lambda model, _: None)
        return result

    assert asyncio.run(run()) == (0, "quick", 1, 2)
    first, second = pauses
    assert first == 0 < second  # the first work had to wait, and the second left time to others


def test_too_many_connections_are_said_in_a_message_to_scripts_of_browsers(make_client, server_registry):
    client = make_client(server_registry, max_live_per_client=1)
    path = "/v1/live/drawing"
    with open_socket(client, path) as first:
        with open_socket(client, path, subprotocols=["photism"]) as second:
            ((error,), code) = received(second)
        assert (error["type"], code) == ("error", 4429)
        assert error["problem"]["type"] == "/problems/too-many-live-connections"
        first.send_text("[]")
        received(first)
    assert client.app.state.services.live.count == 0


@pytest.mark.parametrize("send", [lambda session: session.send("ready"), lambda session: session.send_bytes(b"")])
def test_a_message_after_uvicorn_closed_the_connection_is_no_error_of_the_server(send, caplog):
    async def accept(subprotocol):
        pass

    async def refuse(*_):
        raise RuntimeError("Unexpected ASGI message 'websocket.send', after sending 'websocket.close'.")

    async def receive():
        return {"type": "websocket.receive", "text": "{}"}

    async def serve(session, given):
        await send(session)

    services = SimpleNamespace(live=LiveConnections(LimitSettings()))
    websocket = SimpleNamespace(
        **{"app": SimpleNamespace(state=SimpleNamespace(services=services)), "scope": {"subprotocols": []}},
        **{"state": SimpleNamespace(client="ann"), "accept": accept, "receive": receive},
        **dict.fromkeys(("send_text", "send_bytes", "close"), refuse),
    )
    body = SimpleNamespace(check=lambda websocket, given: given)
    asyncio.run(live_session.serve_live(websocket, body, serve))
    assert services.live.count == 0
    assert not caplog.records
