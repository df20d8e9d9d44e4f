"""Run the application on uvicorn until it is interrupted."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import uvicorn

from photism.server.access.connections import BoundedH11Protocol
from photism.server.live_connections import MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    from photism.server.access.certificates import Certificate


class _Server(uvicorn.Server):
    """A server that reports when it accepts connections."""

    def __init__(self, config: uvicorn.Config, on_start: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_start()


def server_config(app: Any, certificate: Certificate | None = None) -> uvicorn.Config:
    """Return uvicorn's settings for an application.

    Args:
        app: ASGI application.
        certificate: for https; None for http.
    """
    return uvicorn.Config(
        app,
        http=BoundedH11Protocol,
        ws="websockets-sansio",  # it stops reading while a message waits to be handled
        ws_max_size=MAX_MESSAGE_BYTES,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=["127.0.0.0/8", "::1", "::ffff:127.0.0.0/104"],  # proxies on this machine
        ssl_certfile=certificate and certificate.path,
        ssl_keyfile=certificate and certificate.key_path,
    )


def run(config: uvicorn.Config, sockets: Sequence[socket.socket], *, on_start: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        config: of `server_config`.
        sockets: bound to the address of the server.
        on_start: called as soon as connections are accepted.
    """
    with suppress(KeyboardInterrupt):  # which uvicorn raises again when it has stopped
        _Server(config, on_start).run(sockets=list(sockets))
