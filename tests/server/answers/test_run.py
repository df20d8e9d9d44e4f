"""Work of a model for a request, which ends when the client leaves."""

import asyncio
import threading
from types import SimpleNamespace

import pytest
from fastapi import Request

from photism.errors import InputError
from photism.server.answers.run import run_for
from photism.server.answers.sse import event_stream
from photism.server.engine.entries import ModelEntry
from photism.server.engine.kinds import Kind
from photism.server.engine.registry import ModelRegistry
from photism.server.problems import Problem
from photism.server.settings import LimitSettings
from photism.settings import settings

STEPS = 3
MAX_QUEUE = 2


@settings
class NoSettings:
    """Settings of a model that needs none."""


@pytest.fixture
def registry():
    kinds = {"counter": Kind("counter", NoSettings, lambda _: SimpleNamespace(works=[]))}
    made = ModelRegistry(
        [ModelEntry("counter", "counter", NoSettings())], LimitSettings(max_queue=MAX_QUEUE), kinds=kinds
    )
    yield made
    made.close(5)


@pytest.fixture
def entry(registry):
    return registry.find("counter", is_local=False)


def request_of(registry, receive):
    app = SimpleNamespace(state=SimpleNamespace(services=SimpleNamespace(registry=registry)))
    scope = {"type": "http", "headers": [], "state": {"client": "one", "id": "7"}, "app": app}
    return Request(scope, receive)


async def stay():
    await asyncio.Event().wait()


async def leave():
    return {"type": "http.disconnect"}


def count(model, ticket):
    for step in range(STEPS):
        ticket.report(step + 1, STEPS)
    return {"steps": STEPS}


def leaving_at(step, steps):
    """Return a client that leaves at a step of the work, and that work, which appends its steps to `steps`."""
    reached, left = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    async def receive():
        await reached.wait()
        left.set()
        return {"type": "http.disconnect"}

    def work(model, ticket):
        for each in range(100):
            steps.append(each)
            ticket.report(each, 100)
            if each == step:
                loop.call_soon_threadsafe(reached.set)
                left.wait(5)
                while not ticket.is_cancelled:  # the loop has yet to see that the client left
                    threading.Event().wait(0.001)
        return "finished"

    return receive, work


def test_the_result_comes_back(registry, entry):
    assert asyncio.run(run_for(request_of(registry, stay), entry, count)) == {"steps": STEPS}


def test_work_ends_at_its_next_step_when_the_client_leaves(registry, entry):
    steps = []

    async def run():
        receive, work = leaving_at(4, steps)
        with pytest.raises(Problem) as caught:
            await run_for(request_of(registry, receive), entry, work)
        return caught.value.status

    assert asyncio.run(run()) == 499
    assert steps[-1] == 5
    assert asyncio.run(run_for(request_of(registry, stay), entry, count)) == {"steps": STEPS}  # the slot is free


def test_queued_work_of_a_client_that_left_never_begins(registry, entry):
    begun = []

    async def run():
        release = threading.Event()
        first = asyncio.ensure_future(run_for(request_of(registry, stay), entry, lambda *_: release.wait(5)))
        await asyncio.sleep(0.01)
        with pytest.raises(Problem) as caught:
            await run_for(request_of(registry, leave), entry, lambda *_: begun.append(1))
        release.set()
        await first
        return caught.value.status

    assert asyncio.run(run()) == 499
    assert not begun


def test_the_end_of_the_server_is_a_problem_of_its_own(registry, entry):
    async def run():
        running = threading.Event()

        def work(model, ticket):
            running.set()
            while True:
                ticket.check()

        task = asyncio.ensure_future(run_for(request_of(registry, stay), entry, work))
        await asyncio.to_thread(running.wait, 5)
        registry.close()
        with pytest.raises(Problem) as caught:
            await task
        return caught.value

    problem = asyncio.run(run())
    assert (problem.status, problem.name) == (503, "shutting-down")
    assert "Retry-After" in problem.headers


def test_an_error_of_the_work_reaches_the_endpoint(registry, entry):
    def work(model, ticket):
        raise InputError("too loud")

    with pytest.raises(InputError, match="too loud"):
        asyncio.run(run_for(request_of(registry, stay), entry, work))


async def sent_events(registry, entry, work, receive=stay):
    """Return the events that a stream sends."""
    request, sent = request_of(registry, receive), []
    request.scope["asgi"] = {"spec_version": "2.3"}

    async def send(message):
        if message["type"] == "http.response.body":
            sent.append(message["body"].decode())

    response = await event_stream(request, entry, work, dict)
    await response(request.scope, receive, send)
    assert response.headers["content-type"].startswith("text/event-stream")
    return [each for each in sent if each]


def test_events_are_the_progress_and_the_result(registry, entry):
    def work(model, ticket):
        seen.wait(5)
        return count(model, ticket)

    seen = threading.Event()
    seen.set()
    events = asyncio.run(sent_events(registry, entry, work))
    assert events[-1] == 'event: result\ndata: {"steps": 3}\n\n'
    assert all(each.startswith(("event: queued", "event: loading", "event: progress")) for each in events[:-1])


def test_partial_results_are_events_of_their_names(registry, entry):
    def work(model, ticket):
        ticket.emit("words", {"words": ["one"]})
        return count(model, ticket)

    events = asyncio.run(sent_events(registry, entry, work))
    assert 'event: words\ndata: {"words": ["one"]}\n\n' in events
    assert events[-1].startswith("event: result")


def test_the_last_event_of_work_that_fails_is_its_problem(registry, entry):
    async def run():
        release = threading.Event()

        def work(model, ticket):
            release.wait(5)
            raise InputError("too loud")

        asyncio.get_running_loop().call_later(0.05, release.set)
        return await sent_events(registry, entry, work)

    last = asyncio.run(run())[-1]
    assert last.startswith("event: error\ndata: ")
    assert '"status": 422' in last
    assert "too loud" in last


def test_work_ends_at_its_next_step_when_the_client_closes_the_stream(registry, entry):
    steps = []

    async def run():
        receive, work = leaving_at(4, steps)
        return await sent_events(registry, entry, work, receive)

    events = asyncio.run(run())
    asyncio.run(run_for(request_of(registry, stay), entry, count))  # after the other one has ended
    assert steps[-1] == 5
    assert not any(each.startswith("event: result") for each in events)


def test_a_silent_stream_is_kept_open(registry, entry, monkeypatch):
    monkeypatch.setattr("photism.server.answers.sse.KEEPALIVE_S", 0.01)

    async def run():
        release = threading.Event()
        asyncio.get_running_loop().call_later(0.1, release.set)
        return await sent_events(registry, entry, lambda *_: {"waited": release.wait(5)})

    events = asyncio.run(run())
    assert ": ping\n\n" in events
    assert events[-1] == 'event: result\ndata: {"waited": true}\n\n'


def test_a_refused_work_is_a_problem_before_the_stream_begins(registry, entry):
    async def run():
        begun, release = threading.Event(), threading.Event()

        def work(model, ticket):
            begun.set()
            release.wait(5)

        waiting = [asyncio.ensure_future(run_for(request_of(registry, stay), entry, work))]
        await asyncio.to_thread(begun.wait, 5)
        waiting += [asyncio.ensure_future(run_for(request_of(registry, stay), entry, work)) for _ in range(MAX_QUEUE)]
        await asyncio.sleep(0.01)
        with pytest.raises(Problem) as caught:
            await sent_events(registry, entry, count)
        release.set()
        await asyncio.gather(*waiting)
        return caught.value.status

    assert asyncio.run(run()) == 503
