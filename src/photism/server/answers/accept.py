"""Choose the media type of an answer by the Accept header (RFC 9110, section 12.5.1)."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import Request

from photism.server.problems import Problem

VARY = {"Vary": "Accept"}
"""Header of an answer whose media type was chosen: caches must not give it to a client that accepts another one."""
NOT_ACCEPTABLE: dict[int | str, dict[str, Any]] = {
    406: {"description": "There is no answer of an accepted media type."}
}
"""OpenAPI description of the problem of `choose`."""


def choose(request: Request, offered: Sequence[str], *, remedy: str | None = None) -> str:
    """Return the media type that a client prefers among those that an endpoint offers.

    Args:
        request: request, whose Accept headers rank media types; without one, anything is accepted.
        offered: media types, such as "image/png", the first of which answers a client without a preference.
        remedy: what a client can do to be sent another media type than those; by default, to accept one of them.

    Raises:
        Problem: 406, nothing of what is offered is accepted.
    """
    ranges = _ranges(request.headers.getlist("accept"))
    qualities = [_quality(media_type, ranges) for media_type in offered]
    best = max(qualities)
    if best <= 0:
        raise Problem(
            HTTPStatus.NOT_ACCEPTABLE,
            "not-acceptable",
            f"The answer can be sent as {', '.join(offered)}, and the Accept header allows none of them.",
            allowed=", ".join(offered),
            remedy=remedy or f"Send Accept: {offered[0]}.",
            headers=VARY,
        )
    return offered[qualities.index(best)]


def _ranges(headers: Sequence[str]) -> dict[str, float]:
    """Return the quality of each media range of Accept headers; anything is accepted if there are none."""
    ranges: dict[str, float] = {}
    for each in ",".join(headers).split(","):
        media_range, *parameters = (part.strip() for part in each.lower().split(";"))
        if media_range:
            weights = [value for name, _, value in (part.partition("=") for part in parameters) if name.strip() == "q"]
            ranges[media_range] = _weight(weights[0]) if weights else 1.0
    return ranges or {"*/*": 1.0}


def _weight(text: str) -> float:
    """Return a quality value from 0 to 1; 0 for one that is none."""
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0


def _quality(media_type: str, ranges: dict[str, float]) -> float:
    """Return the quality of a media type, by the most specific range that holds it."""
    family = media_type.partition("/")[0]
    return next((ranges[each] for each in (media_type, f"{family}/*", "*/*") if each in ranges), 0.0)
