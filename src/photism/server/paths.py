"""Paths of requests, below the path that a proxy publishes the server under, and what they mean."""

from __future__ import annotations

from starlette.types import Scope

HEALTH_PATH = "/health"
"""Path that is answered without a secret, and while the server is stopping."""
METRICS_PATH = "/metrics"
API_PREFIX = "/v1/"
OPENAI_PREFIXES = ("/v1/audio/", "/v1/models")
"""Beginnings of OpenAI's paths, whose problems also have the error object that OpenAI's clients show."""


def route_path(scope: Scope) -> str:
    """Return the path of a request below the root path."""
    return scope["path"].removeprefix(scope.get("root_path", ""))


def is_api(scope: Scope) -> bool:
    """Return whether a request is for an endpoint of the interface, and not for the page or the server's state."""
    return route_path(scope).startswith(API_PREFIX)


def is_openai(scope: Scope) -> bool:
    """Return whether a request is for an endpoint with one of OpenAI's paths."""
    return route_path(scope).startswith(OPENAI_PREFIXES)
