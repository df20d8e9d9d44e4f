"""A server for `test_shutdown.py`, with a model that computes what the test says."""

import asyncio
import signal
import tempfile
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

from fastapi import Request, WebSocket

from photism.server.answers.run import run_for
from photism.server.app import create_app, open_services
from photism.server.endpoints import live_drawing
from photism.server.endpoints.live_session import LiveSession, serve_live
from photism.server.engine.kinds import KINDS, Kind
from photism.server.engine.registry import ModelRegistry
from photism.server.operations.log_lines import log_to_stderr
from photism.server.operations.shutdown import Shutdown
from photism.server.run import run, server_config
from photism.server.settings import AccessSettings, AddressSettings, LimitSettings

FOREVER_S = 60.0
STEP_S = 0.02


def step_forever(model: object, ticket: object) -> None:
    while True:
        ticket.report(0, 1)
        time.sleep(STEP_S)


def hang(model: object, ticket: object) -> None:
    time.sleep(FOREVER_S)


async def wait(session: LiveSession, given: object) -> None:
    """Keep a live connection open."""
    await session.send("ready")
    await asyncio.Event().wait()


def serve(folder: Path, grace_s: float, limit_s: float, test: Connection) -> None:
    """Serve until a signal, as soon as the test says "serve", and tell it the port when connections are accepted.

    Args:
        folder: where the private folder is made.
        grace_s: seconds for which works go on after the signal.
        limit_s: seconds after which the process ends in any case.
        test: connection to the test.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets its background jobs ignore it
    tempfile.tempdir = str(folder)
    address, access, limits = AddressSettings(), AccessSettings(), LimitSettings()
    registry = ModelRegistry((), limits, kinds={**KINDS, "drawing": Kind("drawing", object, lambda _: object())})
    entry = registry.find("drawing")
    works = {"line": lambda model, ticket: {"line": test.recv()}, "steps": step_forever, "hang": hang}
    with (
        log_to_stderr(),
        Shutdown(grace_s=grace_s, limit_s=limit_s) as shutdown,
        open_services(registry, address=address, access=access, limits=limits, shutdown=shutdown) as services,
    ):
        if test.recv() == "load":  # before it serves
            test.send("loading")
            time.sleep(FOREVER_S)
        app = create_app(services)

        @app.get("/work/{name}")
        async def compute(request: Request, name: str) -> object:
            services.storage.new_upload().write_bytes(b"private")
            if name == "hang":  # such as a download in a thread that nobody can end
                threading.Thread(target=time.sleep, args=(FOREVER_S,)).start()
            test.send("begun")
            return await run_for(request, entry, works[name])

        @app.websocket("/live")
        async def connect(websocket: WebSocket) -> None:
            await serve_live(websocket, live_drawing.BODY, wait)

        object.__setattr__(address, "port", 0)
        sockets = address.bind()
        run(server_config(app), services, sockets, on_start=lambda: test.send(sockets[0].getsockname()[1]))
