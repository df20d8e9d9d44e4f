"""An application with one endpoint behind the middleware of the server."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from fastapi import Request, WebSocket
from fastapi.testclient import TestClient

from photism.server.app import create_app, open_services
from photism.server.engine.registry import ModelRegistry
from photism.server.operations.shutdown import Shutdown
from photism.server.settings import AccessSettings, AddressSettings, LimitSettings

Connect = Callable[..., TestClient]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Return a function that starts an application with some settings, and returns a client of it."""

    def make(
        access: AccessSettings | None = None,
        *,
        host: str = "127.0.0.1",
        root_path: str = "",
        base_url: str = "http://127.0.0.1:7860",
        peer: str = "127.0.0.1",
    ) -> TestClient:
        services = opened.enter_context(
            open_services(
                ModelRegistry((), LimitSettings()),
                address=AddressSettings(host=host, root_path=root_path),
                access=access or AccessSettings(),
                limits=LimitSettings(),
                shutdown=Shutdown(),
            )
        )
        app = create_app(services)

        @app.api_route("/v1/state", methods=["GET", "POST"], include_in_schema=False)
        def state(request: Request) -> dict[str, object]:
            found = {name: getattr(request.state, name) for name in ("id", "client", "is_local")}
            found |= {"scheme": request.url.scheme, "secrets": [each for each in request.headers if "auth" in each]}
            return {**found, "proxy_headers": sorted(each for each in request.headers if "forward" in each)}

        @app.websocket("/v1/live")
        async def live(socket: WebSocket) -> None:
            await socket.accept(subprotocol="photism" if "photism" in socket.scope["subprotocols"] else None)
            await socket.send_json({"subprotocols": socket.scope["subprotocols"], "is_local": socket.state.is_local})

        return TestClient(app, base_url=base_url, client=(peer, 50000), raise_server_exceptions=False)

    with ExitStack() as opened:
        yield make
