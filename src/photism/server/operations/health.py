"""GET /health, for load balancers and containers, and GET /metrics, for Prometheus."""

from __future__ import annotations

from http import HTTPStatus
from typing import Literal

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field

from photism import __version__
from photism.server.media_types import TEXT
from photism.server.paths import HEALTH_PATH, METRICS_PATH
from photism.server.services import services_of

ROUTER = APIRouter(tags=["operations"])


class Health(BaseModel):
    """State of the server."""

    status: Literal["ok", "stopping"] = Field(description="Whether the server accepts requests.")
    version: str = Field(description="Version of Photism.")
    models_loaded: int = Field(description="Number of models in memory; the others load when they are first used.")


@ROUTER.get(
    HEALTH_PATH,
    summary="Whether the server accepts requests",
    responses={HTTPStatus.SERVICE_UNAVAILABLE: {"model": Health, "description": "The server is shutting down."}},
)
async def health(request: Request, response: Response) -> Health:
    """Return 200 while the server accepts requests, and 503 while it shuts down."""
    services = services_of(request)
    is_stopping = services.shutdown.is_stopping
    if is_stopping:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    response.headers["Cache-Control"] = "no-store"
    return Health(
        status="stopping" if is_stopping else "ok",
        version=__version__,
        models_loaded=sum(lane.is_loaded for lane in services.registry.lanes.values()),
    )


@ROUTER.get(
    METRICS_PATH,
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={HTTPStatus.OK: {"content": {TEXT: {"schema": {"type": "string"}}}}},
)
def metrics(request: Request) -> Response:
    """Return counts, durations, queues and memory in the text format of Prometheus; names begin with photism_."""
    return Response(services_of(request).metrics.as_text(), headers={"Content-Type": CONTENT_TYPE_LATEST})
