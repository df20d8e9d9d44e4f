"""A real server for tests, in a thread."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import uvicorn

from photism.server.run import server_config

START_S = 20


@contextmanager
def served(app) -> Iterator[str]:
    """Serve an application on a free port, and return its URL."""
    started = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets=None):
            await super().startup(sockets)
            started.set()

    config = server_config(app)
    config.host, config.port = "127.0.0.1", 0
    server = Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    with ExitStack() as stack:
        stack.callback(thread.join, START_S)
        stack.callback(setattr, server, "should_exit", True)
        assert started.wait(START_S)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
