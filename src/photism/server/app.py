"""The application: endpoints and page, behind the middleware that decides who has access."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from photism import __version__
from photism.server import docs_page
from photism.server.access.answer_headers import AnswerHeadersMiddleware
from photism.server.access.auth import AuthMiddleware
from photism.server.access.client import ClientMiddleware
from photism.server.access.hosts import own_hosts
from photism.server.access.origin import OriginMiddleware
from photism.server.access.rate_limit import RateLimitMiddleware
from photism.server.access.root_path import RootPathMiddleware
from photism.server.decodings import Decodings
from photism.server.endpoints import (
    captions,
    decode,
    draw,
    embed,
    film,
    format,
    hear,
    label,
    live_drawing,
    live_transcription,
    models,
    search,
    search_recordings,
    sound,
    speakers,
    speech,
    transcribe,
    transcriptions,
)
from photism.server.engine.registry import ModelRegistry
from photism.server.fields.reader import RequestReader
from photism.server.film_jobs import FilmJobs
from photism.server.live_connections import LiveConnections
from photism.server.openapi import install_openapi
from photism.server.operations import health
from photism.server.operations.metrics import Metrics
from photism.server.operations.request_log import RequestLog
from photism.server.operations.shutdown import RefuseWhileStopping, Shutdown
from photism.server.problems import install_handlers, not_found_problem
from photism.server.services import Services
from photism.server.settings import AccessSettings, AddressSettings, LimitSettings
from photism.server.storage import Storage
from photism.server.studio import pages

if TYPE_CHECKING:
    from photism.server.collection import Collection


@contextmanager
def open_services(
    registry: ModelRegistry,
    *,
    address: AddressSettings,
    access: AccessSettings,
    limits: LimitSettings,
    shutdown: Shutdown,
    collection: Collection | None = None,
) -> Generator[Services]:
    """Create what a server needs besides its models, and remove its private folder at the end of the block.

    Args:
        registry: all models.
        address: where the server listens.
        access: who may use it.
        limits: of requests and of what is kept.
        shutdown: ends the server.
        collection: the recordings that can be searched, if there are any.
    """
    with Storage(keep_s=60 * limits.keep) as storage:
        shutdown.before_exit(storage.close)
        live = LiveConnections(limits)
        reader = RequestReader(
            storage.new_upload,
            max_upload_mb=limits.max_upload_mb,
            max_seconds=limits.max_seconds,
            max_long_seconds=limits.max_long_seconds,
            max_queue=limits.max_queue,
            max_wait_s=limits.max_wait_s,
            allow_urls=access.allow_urls,
        )
        try:
            yield Services(
                address=address,
                access=access,
                limits=limits,
                registry=registry,
                live=live,
                storage=storage,
                reader=reader,
                decodings=Decodings(),
                films=FilmJobs(registry, storage, limits),
                metrics=Metrics(registry, lambda: live.count),
                shutdown=shutdown,
                collection=collection,
            )
        finally:
            reader.close()


def create_app(services: Services, *, certificate_names: Iterable[str] = ()) -> FastAPI:
    """Create the application of a server.

    Args:
        services: what its endpoints need.
        certificate_names: names in the certificate of the server, under which visitors reach it.
    """
    app = FastAPI(
        title="Photism",
        version=__version__,
        docs_url=None,  # its pages load scripts from another server; ours are in docs_page
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.services = services
    install_handlers(app)
    for endpoints in (
        models,
        captions,
        transcribe,
        transcriptions,
        speech,
        sound,
        decode,
        draw,
        film,
        hear,
        label,
        embed,
        search,
        search_recordings,
        speakers,
        format,
        live_transcription,
        live_drawing,
        health,
        docs_page,
        pages,
    ):
        app.include_router(endpoints.ROUTER)
        _answer_head(app, endpoints.ROUTER)
    app.router.default = _refuse_websockets(app.router.default)
    install_openapi(app, services.access)
    hosts = own_hosts(services.address, services.access, certificate_names=certificate_names)
    # Each stands around those above it.
    app.add_middleware(RefuseWhileStopping, shutdown=services.shutdown)
    app.add_middleware(RateLimitMiddleware, rate=services.access.rate)
    app.add_middleware(AuthMiddleware, access=services.access)
    app.add_middleware(OriginMiddleware, hosts=hosts)
    app.add_middleware(AnswerHeadersMiddleware)
    app.add_middleware(RequestLog, metrics=services.metrics)
    app.add_middleware(
        ClientMiddleware, proxies=services.access.proxy, is_behind_proxy=bool(services.address.root_path)
    )
    app.add_middleware(RootPathMiddleware, root_path=services.address.root_path)
    return app


def _answer_head(app: FastAPI, router: APIRouter) -> None:
    """Let each endpoint of a router that answers GET answer HEAD too, of which uvicorn sends the headers alone."""
    for route in [route for route in router.routes if isinstance(route, APIRoute) and "GET" in (route.methods or ())]:
        app.add_api_route(
            route.path,
            route.endpoint,
            methods=["HEAD"],
            name=route.name,
            response_class=route.response_class,
            response_model=route.response_model,
            include_in_schema=False,
        )


def _refuse_websockets(fallback: ASGIApp) -> ASGIApp:
    """Return an application that answers WebSockets of unknown paths with a problem, and others as `fallback` does."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            response = not_found_problem().response(scope)
            await WebSocket(scope, receive, send).send_denial_response(response)
        else:
            await fallback(scope, receive, send)

    return answer
