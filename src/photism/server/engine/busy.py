"""The problem of a request that a model has no time for."""

from __future__ import annotations

from http import HTTPStatus

from photism.server.problems import Problem


class Busy(Problem):
    """Too many requests wait for a model, or one has waited for too long.

    Args:
        detail: sentence that says which of the two.
        retry_s: estimated seconds until a request would be accepted.
    """

    def __init__(self, detail: str, retry_s: int) -> None:
        super().__init__(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "busy",
            detail,
            remedy=f"Try again in {retry_s} s.",
            headers={"Retry-After": str(retry_s)},
        )
