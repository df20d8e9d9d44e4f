"""Run the application on uvicorn until a signal ends it."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import uvicorn

from photism.server.access.connections import BoundedH11Protocol
from photism.server.access.proxies import Proxies
from photism.server.live_connections import MAX_MESSAGE_BYTES, LiveConnections
from photism.server.operations.shutdown import DONE, POLL_S

if TYPE_CHECKING:
    from photism.server.access.certificates import Certificate
    from photism.server.services import Services

LEAVING_S = 1
"""Seconds that live connections have to say that they are closed."""
CLOSING_S = 2
"""Seconds that connections have, after their requests were cancelled, to send the rest of their answers."""


class _Server(uvicorn.Server):
    """A server that reports when it accepts connections, and leaves signals to `Shutdown`."""

    def __init__(self, config: uvicorn.Config, live: LiveConnections, on_start: Callable[[], None]) -> None:
        super().__init__(config)
        self._live, self._on_start = live, on_start

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._live.close_all()
        until = time.monotonic() + LEAVING_S
        while self._live.count and time.monotonic() < until:
            await asyncio.sleep(POLL_S)
        await super().shutdown(sockets)


def server_config(app: Any, certificate: Certificate | None = None, *, proxies: Sequence[str] = ()) -> uvicorn.Config:
    """Return uvicorn's settings for an application.

    Args:
        app: ASGI application.
        certificate: for https; None for http.
        proxies: addresses and networks of proxies on other machines.
    """
    protocol: Any = partial(BoundedH11Protocol, proxies=Proxies(proxies))
    return uvicorn.Config(
        app,
        http=protocol,
        ws="websockets-sansio",  # it stops reading while a message waits to be handled
        ws_max_size=MAX_MESSAGE_BYTES,
        log_config=None,  # the log of the server has uvicorn's warnings, and a line for each request
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=CLOSING_S,
        proxy_headers=False,  # ClientMiddleware reads them
        ssl_certfile=certificate and certificate.path,
        ssl_keyfile=certificate and certificate.key_path,
    )


def run(
    config: uvicorn.Config, services: Services, sockets: Sequence[socket.socket], *, on_start: Callable[[], None]
) -> None:
    """Serve until a signal ends the server.

    Args:
        config: of `server_config`.
        services: of the application; its `shutdown` handles the signals.
        sockets: bound to the address of the server.
        on_start: called as soon as connections are accepted.
    """
    server, registry, shutdown = _Server(config, services.live, on_start), services.registry, services.shutdown

    def is_idle() -> bool:
        return not any(lane.queued or lane.running for lane in registry.lanes.values())

    def stop() -> None:
        registry.close()
        services.reader.close()
        server.should_exit = True

    _raise_file_limit()
    with shutdown.serving(is_idle, stop):
        server.run(sockets=list(sockets))
    if not registry.close(shutdown.remaining_s):
        shutdown.exit_now(DONE)  # a thread that computes would make the end of the interpreter fail


def _raise_file_limit() -> None:
    """Allow as many open files as the process may have: `MAX_CONNECTIONS` and their uploads need more than usual."""
    if sys.platform != "win32":
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        with suppress(OSError, ValueError):  # macOS has a lower limit of its own
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
