"""Clients of a real server that close their connection: their work ends, and the next one is computed."""

import socket
import threading
from types import SimpleNamespace

import httpx
import pytest

from photism.cancellation import check_cancelled
from photism.server.answers.run import run_for
from photism.server.answers.sse import event_stream
from photism.server.engine.entries import ModelEntry
from photism.server.engine.kinds import KINDS, Kind
from photism.server.engine.registry import ModelRegistry
from photism.server.settings import LimitSettings
from photism.settings import settings
from tests.server.serving import served

CLIENTS = 3


@settings
class NoSettings:
    """Settings of a model that needs none."""


class Works:
    """What the endpoint computes: a work for each request, which goes on until it is cancelled, or until `finish`."""

    def __init__(self):
        self.begun, self.ended, self.finish = threading.Semaphore(0), threading.Semaphore(0), threading.Event()

    def compute(self, model, ticket):
        self.begun.release()
        try:
            while not self.finish.wait(0.001):
                check_cancelled()
        finally:
            self.ended.release()
        return {"result": "whole"}


@pytest.fixture(scope="module")
def server(make_client):
    from fastapi import Request
    from fastapi.responses import JSONResponse

    kinds = {**KINDS, "waiting": Kind("waiting", NoSettings, lambda _: SimpleNamespace())}
    registry = ModelRegistry([ModelEntry("waiting", "waiting", NoSettings())], LimitSettings(), kinds=kinds)
    app, works = make_client(registry).app, Works()
    app.state.works = works

    @app.post("/v1/wait")
    async def wait(request: Request):
        await request.body()
        entry = registry.find("waiting")
        if request.headers["accept"] == "text/event-stream":
            return await event_stream(request, entry, request.app.state.works.compute, dict)
        return JSONResponse(await run_for(request, entry, request.app.state.works.compute))

    with served(app) as url:
        yield app, url
    registry.close(5)


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_work_of_clients_that_leave_ends_and_the_next_is_computed(server, accept):
    app, url = server
    works = app.state.works = Works()
    host, port = url.removeprefix("http://").split(":")
    for _ in range(CLIENTS):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            head = f"POST /v1/wait HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: {accept}\r\nContent-Length: 4\r\n\r\nbody"
            connection.sendall(head.encode())
            assert works.begun.acquire(timeout=10)
        assert works.ended.acquire(timeout=10)  # the connection is closed here
    works.finish.set()
    answer = httpx.post(f"{url}/v1/wait", headers={"Accept": accept}, content=b"body", timeout=10)
    assert "whole" in answer.text
