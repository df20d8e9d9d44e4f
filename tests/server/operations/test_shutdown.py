"""The end of a server: signals to a process that computes, that hangs, and that does not serve yet."""

import asyncio
import json
import multiprocessing
import os
import signal
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from photism.server.operations.shutdown import RefuseWhileStopping, Shutdown
from tests.server.operations.stoppable_server import serve

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([serve.__module__])
LONG_S = 30.0
"""Time after which a test has failed, on a machine that is busy."""


class Server:
    """A process of `stoppable_server`."""

    def __init__(self, folder: Path, *, grace_s: float, limit_s: float) -> None:
        self.folder = folder
        self.connection, theirs = PROCESSES.Pipe()
        self.process = PROCESSES.Process(target=serve, args=(folder, grace_s, limit_s, theirs))
        self.process.start()

    def start(self, how: str = "serve") -> object:
        """Let it serve, or stop before that, and return what it says then."""
        self.connection.send(how)
        self.port = self.receive()
        return self.port

    def receive(self) -> object:
        """Return its next message."""
        assert self.connection.poll(LONG_S)
        return self.connection.recv()

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def get(self, path: str) -> tuple[int, dict[str, object]]:
        """Return the status and the JSON of an answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=LONG_S) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def work(self, name: str) -> "Answer":
        """Begin a request, and return its answer, which is still to come, when it runs."""
        answer = Answer(self, f"/work/{name}")
        assert self.receive() == "begun"
        return answer

    def end(self) -> int:
        """Return the exit status; there is nothing left in the folder."""
        self.process.join(LONG_S)
        assert list(self.folder.iterdir()) == []
        return self.process.exitcode


class Answer(threading.Thread):
    """Answer to a request that is still running."""

    def __init__(self, server: Server, path: str) -> None:
        super().__init__(daemon=True)
        self.server, self.path, self.status, self.body = server, path, 0, None
        self.start()

    def run(self) -> None:
        try:
            self.status, self.body = self.server.get(self.path)
        except OSError:  # the connection was closed
            self.status = -1

    def result(self) -> tuple[int, dict[str, object]]:
        self.join(LONG_S)
        return self.status, self.body


@pytest.fixture
def make_server(tmp_path) -> Iterator[Callable[..., Server]]:
    with ExitStack() as opened:

        def make(*, grace_s: float, limit_s: float = LONG_S) -> Server:
            server = Server(tmp_path, grace_s=grace_s, limit_s=limit_s)
            opened.callback(server.process.kill)
            return server

        yield make


def test_works_may_end_and_new_requests_are_refused(make_server):
    server = make_server(grace_s=LONG_S)
    server.start()
    assert server.get("/health")[0] == 200
    answer = server.work("line")
    server.signal(signal.SIGTERM)
    while server.get("/health")[0] == 200:
        pass
    assert server.get("/health")[1]["status"] == "stopping"
    refused, problem = server.get("/work/line")
    assert (refused, problem["type"]) == (503, "/problems/shutting-down")
    server.connection.send("the end")
    assert answer.result() == (200, {"line": "the end"})
    assert server.end() == 0


def test_works_that_take_longer_are_cancelled_and_live_connections_closed(make_server):
    server = make_server(grace_s=0.1)
    server.start()
    with connect(f"ws://127.0.0.1:{server.port}/live") as live:
        live.send('{"steps": 1}')
        assert json.loads(live.recv(LONG_S))["type"] == "ready"
        answer = server.work("steps")
        server.signal(signal.SIGINT)
        status, problem = answer.result()
        assert (status, problem["type"]) == (503, "/problems/shutting-down")
        assert json.loads(live.recv(LONG_S))["problem"]["type"] == "/problems/shutting-down"
        with pytest.raises(ConnectionClosed) as closed:
            live.recv(LONG_S)
    assert closed.value.rcvd.code == 1001
    assert server.end() == 0


def test_threads_that_hang_end_with_the_process(make_server):
    server = make_server(grace_s=0.1, limit_s=0.5)
    server.start()
    server.work("hang")
    server.signal(signal.SIGTERM)
    assert server.end() == 0


def test_a_second_signal_ends_the_process_at_once(make_server):
    server = make_server(grace_s=LONG_S)
    server.start()
    server.work("hang")
    server.signal(signal.SIGTERM)
    while server.get("/health")[0] == 200:
        pass
    server.signal(signal.SIGTERM)
    assert server.end() == 130


def test_a_signal_before_it_serves_ends_it(make_server):
    server = make_server(grace_s=0.1)
    assert server.start("load") == "loading"
    server.signal(signal.SIGHUP)
    assert server.end() == 0


def test_ignored_signals_stay_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with Shutdown():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("kind", "path"), [("http", "/v1/draw"), ("websocket", "/v1/live"), ("http", "/v1/models/a/health")]
)
def test_refused_connections_are_closed(kind, path):
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": kind, "path": path, "headers": [], "extensions": {"websocket.http.response": {}}}
    asyncio.run(RefuseWhileStopping(None, SimpleNamespace(is_stopping=True))(scope, None, send))
    assert sent[0]["type"].endswith("http.response.start")
    assert sent[0]["status"] == 503
    assert (b"connection", b"close") in sent[0]["headers"]
    assert dict(sent[0]["headers"])[b"retry-after"] == b"10"
