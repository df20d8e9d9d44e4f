"""The application: endpoints and page, behind the middleware that decides who has access."""

from __future__ import annotations

from fastapi import FastAPI

from photism import __version__
from photism.server.access.client import ClientMiddleware
from photism.server.services import Services


def create_app(services: Services) -> FastAPI:
    """Create the application of a server.

    Args:
        services: what its endpoints need.
    """
    app = FastAPI(title="Photism", version=__version__, root_path=services.address.root_path)
    app.state.services = services
    app.add_middleware(ClientMiddleware)
    return app
