"""The application: endpoints and page, behind the middleware that decides who has access."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import FastAPI

from photism import __version__
from photism.server.access.answer_headers import AnswerHeadersMiddleware
from photism.server.access.auth import AuthMiddleware
from photism.server.access.client import ClientMiddleware
from photism.server.access.hosts import own_hosts
from photism.server.access.origin import OriginMiddleware
from photism.server.access.rate_limit import RateLimitMiddleware
from photism.server.access.root_path import RootPathMiddleware
from photism.server.endpoints import draw, embed, hear, label, live_drawing, live_transcription
from photism.server.problems import install_handlers
from photism.server.services import Services


def create_app(services: Services, *, certificate_names: Iterable[str] = ()) -> FastAPI:
    """Create the application of a server.

    Args:
        services: what its endpoints need.
        certificate_names: names in the certificate of the server, under which visitors reach it.
    """
    app = FastAPI(title="Photism", version=__version__)
    app.state.services = services
    install_handlers(app)
    for endpoints in (draw, hear, label, embed, live_transcription, live_drawing):
        app.include_router(endpoints.ROUTER)
    hosts = own_hosts(services.address, services.access, certificate_names=certificate_names)
    # Each stands around those above it.
    app.add_middleware(RateLimitMiddleware, rate=services.access.rate)
    app.add_middleware(AuthMiddleware, access=services.access)
    app.add_middleware(OriginMiddleware, hosts=hosts)
    app.add_middleware(AnswerHeadersMiddleware)
    app.add_middleware(ClientMiddleware, is_behind_proxy=bool(services.address.root_path))
    app.add_middleware(RootPathMiddleware, root_path=services.address.root_path)
    return app
