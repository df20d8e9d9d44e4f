"""What endpoints need of the server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from starlette.requests import HTTPConnection

if TYPE_CHECKING:
    from photism.server.collection import Collection
    from photism.server.decodings import Decodings
    from photism.server.engine.registry import ModelRegistry
    from photism.server.fields.reader import RequestReader
    from photism.server.film_jobs import FilmJobs
    from photism.server.live_connections import LiveConnections
    from photism.server.operations.metrics import Metrics
    from photism.server.operations.shutdown import Shutdown
    from photism.server.settings import AccessSettings, AddressSettings, LimitSettings
    from photism.server.storage import Storage


@dataclass(frozen=True, kw_only=True)
class Services:
    """Settings and shared objects of a server.

    Attributes:
        address: where it listens.
        access: who may use it.
        limits: of requests and of what is kept.
        registry: all models.
        live: the live connections.
        storage: private folder of uploads and results.
        reader: reads and decodes what requests carry.
        decodings: recordings that are decoded while they are sent.
        films: films that are drawn in the background.
        metrics: counts of requests.
        shutdown: knows whether the server is stopping.
        collection: the recordings that can be searched; None if there are none.
    """

    address: AddressSettings
    access: AccessSettings
    limits: LimitSettings
    registry: ModelRegistry
    live: LiveConnections
    storage: Storage
    reader: RequestReader
    decodings: Decodings
    films: FilmJobs
    metrics: Metrics
    shutdown: Shutdown
    collection: Collection | None


def services_of(connection: HTTPConnection) -> Services:
    """Return the services of the server that a request or WebSocket reached."""
    return cast("Services", connection.app.state.services)
