"""The log of requests: one line of JSON for each, without anything that visitors wrote."""

import asyncio
import io
import json
import logging
import sys
from types import SimpleNamespace

import pytest
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import PlainTextResponse, StreamingResponse
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from photism.server.access.client import ClientMiddleware
from photism.server.operations.log_lines import JsonLine, log_to_stderr
from photism.server.operations.metrics import Metrics
from photism.server.operations.request_log import RequestLog
from photism.server.problems import Problem, install_handlers
from tests.server.serving import served

KEYS = (
    "time level id client method route status duration_s waited_s computed_s model audio_s bytes_in bytes_out cancelled"
)


@pytest.fixture
def metrics():
    return Metrics(SimpleNamespace(lanes={}))


@pytest.fixture
def client(metrics):
    app = FastAPI()
    install_handlers(app)
    app.add_middleware(RequestLog, metrics=metrics)
    app.add_middleware(ClientMiddleware)

    @app.post("/v1/things/{name}")
    async def thing(name: str, request: Request) -> PlainTextResponse:
        body = await request.body()
        request.state.model, request.state.audio_s = "tiny", 2.5
        request.state.ticket = SimpleNamespace(waited_s=0.25, computed_s=1.23456)
        return PlainTextResponse("x" * 2 * len(body))

    @app.get("/problem")
    async def problem() -> None:
        raise Problem(404, "film-not-found", "There is no film.")

    @app.get("/bug")
    async def bug() -> None:
        raise RuntimeError("a bug\nwith two lines")

    @app.get("/late-bug")
    async def late_bug() -> StreamingResponse:
        def body():
            yield b"abc"
            raise RuntimeError("too late")

        return StreamingResponse(body())

    @app.websocket("/live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        text = await socket.receive_text()
        if text == "bug":
            raise RuntimeError("a bug")
        await socket.send_bytes(await socket.receive_bytes() * 2)
        await socket.close(1001)

    @app.websocket("/refused")
    async def refused(socket: WebSocket) -> None:
        await socket.close(1008)

    return TestClient(app, client=("192.0.2.7", 50000))


@pytest.fixture
def lines(monkeypatch):
    """Return a function that returns the logged lines."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with log_to_stderr():
        yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_request_is_one_line(client, lines):
    answer = client.post("/v1/things/secret-name?token=secret", content=b"secret", headers={"X-Request-ID": "an-id"})
    assert answer.status_code == 200
    (line,) = lines()
    assert list(line) == KEYS.split()
    assert line["time"].endswith("+00:00")
    assert line["duration_s"] >= 0
    del line["time"], line["duration_s"], line["client"]
    assert line == {
        "level": "info",
        "id": "an-id",
        "method": "POST",
        "route": "/v1/things/{name}",
        "status": 200,
        "waited_s": 0.25,
        "computed_s": 1.235,
        "model": "tiny",
        "audio_s": 2.5,
        "bytes_in": 6,
        "bytes_out": 12,
        "cancelled": False,
    }
    assert "secret" not in json.dumps(lines())


def test_a_client_is_known_by_a_digest_that_no_other_server_has(client, lines, metrics):
    for _ in range(2):
        client.get("/problem")
    client.app.user_middleware.clear()
    other = FastAPI()
    other.add_middleware(RequestLog, metrics=metrics)
    other.add_middleware(ClientMiddleware)
    TestClient(other, client=("192.0.2.7", 50000)).get("/")
    first, second, third = (line["client"] for line in lines())
    assert first == second != third
    assert "192.0.2.7" not in json.dumps(lines())


def test_requests_without_an_endpoint_share_a_route(client, lines):
    client.get("/no/such/path")
    client.delete("/problem")
    assert [(line["route"], line["status"]) for line in lines()] == [("unknown", 404), ("/problem", 405)]


def test_line_breaks_cannot_be_injected(client, lines):
    client.get("/x%0a%7b%22level%22:1%7d", headers={"X-Request-ID": "a\tb"})
    client.request("GET%0a{", "/problem")
    assert len(lines()) == 2
    record = logging.makeLogRecord({"msg": "one\ntwo\r\u2028\x1b[31m", "name": "n"})
    line = JsonLine().format(record)
    assert line.isascii()
    assert line.isprintable()


def test_an_unexpected_error_is_logged_once_with_its_traceback_and_answered(client, lines):
    answer = client.get("/bug", headers={"X-Request-ID": "an-id"})
    assert answer.status_code == 500
    assert answer.headers["X-Request-ID"] == "an-id"
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "two lines" not in answer.text
    error, line = lines()
    assert error["level"] == "error"
    assert error["message"] == "request an-id failed"
    assert "RuntimeError: a bug\nwith two lines" in error["traceback"]
    assert (line["id"], line["status"]) == ("an-id", 500)


def test_an_error_after_the_answer_has_begun_is_logged(client, lines):
    client.get("/late-bug")
    error, line = lines()
    assert "RuntimeError: too late" in error["traceback"]
    assert (line["status"], line["bytes_out"]) == (200, 3)


def test_a_websocket_is_one_line_at_its_end(client, lines):
    with client.websocket_connect("/live") as socket:
        socket.send_text("four")
        socket.send_bytes(b"12345")
        assert socket.receive_bytes() == b"1234512345"
        with pytest.raises(WebSocketDisconnect):
            socket.receive_text()
    (line,) = lines()
    about = {name: line[name] for name in ("method", "route", "status", "bytes_in", "bytes_out", "close_code")}
    assert about == {
        "method": "WEBSOCKET",
        "route": "/live",
        "status": 101,
        "bytes_in": 9,
        "bytes_out": 10,
        "close_code": 1001,
    }


def test_a_websocket_that_fails_is_closed(client, lines):
    with client.websocket_connect("/live") as socket:
        socket.send_text("bug")
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()
    assert closed.value.code == 1011
    assert [line.get("close_code") for line in lines()] == [None, 1011]


def test_a_websocket_that_is_refused_has_a_status(client, lines):
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/refused"):
        pass
    (line,) = lines()
    assert (line["status"], line["close_code"]) == (403, 1008)


def test_a_client_that_leaves_is_noted(metrics, lines):
    async def app(scope, receive, send):
        await receive()
        await receive()

    messages = iter([{"type": "http.request", "body": b"abc", "more_body": False}, {"type": "http.disconnect"}])

    async def receive():
        return next(messages)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "state": {"id": "i", "client": "c"}}
    asyncio.run(RequestLog(app, metrics)(scope, receive, None))
    (line,) = lines()
    assert (line["status"], line["cancelled"], line["bytes_in"]) == (499, True, 3)
    assert b'photism_requests_cancelled_total{route="unknown"} 1.0' in metrics.as_text()


def test_a_stream_that_the_server_cuts_off_ends_and_is_logged(metrics, lines):
    sent = []

    async def app(scope, receive, send):
        scope["route"] = SimpleNamespace(path="/v1/endpoint")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    async def cut_off():
        scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "state": {}}
        task = asyncio.create_task(RequestLog(app, metrics)(scope, None, send))
        while not sent:
            await asyncio.sleep(0)
        task.cancel()
        await task

    asyncio.run(cut_off())
    assert sent[-1] == {"type": "http.response.body"}
    (line,) = lines()
    assert (line["route"], line["status"]) == ("/v1/endpoint", 200)


def test_a_request_that_the_server_cuts_off_before_its_answer_gets_a_problem(metrics, lines):
    sent = []

    async def app(scope, receive, send):
        await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    async def cut_off():
        scope = {"type": "http", "method": "POST", "path": "/v1/hear", "headers": [], "state": {}}
        task = asyncio.create_task(RequestLog(app, metrics)(scope, None, send))
        await asyncio.sleep(0)
        task.cancel()
        await task

    asyncio.run(cut_off())
    assert sent[0]["status"] == 503
    assert json.loads(sent[1]["body"])["type"] == "/problems/shutting-down"
    (line,) = lines()
    assert line["status"] == 503


def test_a_websocket_that_is_refused_is_no_error_of_the_server(make_client, server_registry, lines):
    app = make_client(server_registry, max_live_per_client=1).app
    with served(app) as url, app.state.services.live.place("127.0.0.1"):
        address = f"{url.replace('http', 'ws')}/v1/live/transcription"
        with pytest.raises(InvalidStatus, match="HTTP 429"), connect(address):
            pass
    assert [(line["level"], line["status"]) for line in lines()] == [("info", 429)]
