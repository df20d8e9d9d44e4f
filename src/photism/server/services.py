"""What endpoints need of the server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from starlette.requests import HTTPConnection

from photism.server.engine.registry import ModelRegistry
from photism.server.live_connections import LiveConnections
from photism.server.settings import AccessSettings, AddressSettings, LimitSettings


@dataclass(frozen=True, kw_only=True)
class Services:
    """Settings and shared objects of a server.

    Attributes:
        address: where it listens.
        access: who may use it.
        limits: of requests and of what is kept.
        registry: all models.
        live: the live connections.
    """

    address: AddressSettings
    access: AccessSettings
    limits: LimitSettings
    registry: ModelRegistry
    live: LiveConnections


def services_of(connection: HTTPConnection) -> Services:
    """Return the services of the server that a request or WebSocket reached."""
    return cast("Services", connection.app.state.services)
