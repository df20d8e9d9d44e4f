"""Run the application on uvicorn until it is interrupted."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import uvicorn

from photism.server.settings import AddressSettings


class _Server(uvicorn.Server):
    """A server that reports when it accepts connections."""

    def __init__(self, config: uvicorn.Config, on_start: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_start()


def run(
    app: Any, address: AddressSettings, sockets: Sequence[socket.socket], *, on_start: Callable[[], None] = lambda: None
) -> None:
    """Serve an application until SIGINT or SIGTERM.

    Args:
        app: ASGI application.
        address: where it is served.
        sockets: bound to that address.
        on_start: called as soon as connections are accepted.
    """
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ssl_certfile=address.tls_cert,
        ssl_keyfile=address.tls_key,
    )
    with suppress(KeyboardInterrupt):  # which uvicorn raises again when it has stopped
        _Server(config, on_start).run(sockets=list(sockets))
