"""Serve below the path that a proxy publishes the server under."""

from __future__ import annotations

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class RootPathMiddleware:
    """ASGI middleware that sets the root path, which the path of a request then begins with, as ASGI demands.

    Some proxies remove it from the path of a request, and others leave it there.
    """

    def __init__(self, app: ASGIApp, *, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        root = self._root_path
        if root and scope["type"] in ("http", "websocket"):
            if scope["path"] == root:
                await RedirectResponse(f"{root}/")(scope, receive, send)
                return
            if not scope["path"].startswith(f"{root}/"):
                scope["path"] = root + scope["path"]
                scope["raw_path"] = root.encode() + scope["raw_path"]
            scope["root_path"] = root
        await self._app(scope, receive, send)
