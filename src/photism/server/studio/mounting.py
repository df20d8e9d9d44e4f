"""Serve the page on the application."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from photism.errors import InputError
from photism.hub import bundled_model
from photism.server.engine.ticket import Ticket
from photism.server.paths import route_path
from photism.server.problems import Problem
from photism.server.studio.files import PageFiles
from photism.server.studio.gate import Gate, is_page_path
from photism.server.studio.visitors import Visitors

if TYPE_CHECKING:
    from pathlib import Path

    from fastapi import FastAPI
    from starlette.types import ASGIApp, Receive, Scope, Send

    from photism.server.engine.registry import ModelRegistry
    from photism.server.services import Services


def load_model(registry: ModelRegistry) -> None:
    """Load the model of the page, so that a mistake in its settings ends the start of the server.

    Raises:
        InputError: it cannot be loaded.
    """
    try:
        asyncio.run(registry.run(registry.find("drawing"), _nothing, Ticket("page")))
    except Problem as problem:
        raise problem.__cause__ or problem from None


def mount(app: FastAPI, services: Services) -> None:
    """Let an application answer the paths of the page, where no endpoint has them.

    Args:
        app: the application, with all its endpoints.
        services: what the page needs. Gradio and the model are loaded with the first request of the page.
    """
    app.router.default = Mounted(services, app.router.default)


def build_at_start(app: FastAPI) -> None:
    """Let an application with a page build it when it starts, so that the first visitor need not wait for it."""
    started, mounted = app.router.lifespan_context, cast("Mounted", app.router.default)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[Any]:
        async with started(app) as state:
            await mounted.gate()
            yield state

    app.router.lifespan_context = lifespan


class Mounted:
    """ASGI application of the page.

    Args:
        services: what the page needs.
        fallback: answers all other paths.

    Attributes:
        path: name of the route in the server's log.
    """

    path = "page"

    def __init__(self, services: Services, fallback: ASGIApp) -> None:
        self._services, self._fallback = services, fallback
        self._gate: Gate | None = None
        self._building = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request.

        Raises:
            Problem: the request cannot be answered, or the model cannot be loaded.
        """
        path = route_path(scope)
        if scope["type"] != "http" or not is_page_path(scope["method"], path):
            await self._fallback(scope, receive, send)
            return
        scope["route"] = self
        gate = await self.gate()
        scope["state"]["route"] = "page"  # for the log: the page's own paths have names of files
        await gate(scope, path, receive, send)

    async def gate(self) -> Gate:
        """Return the gate in front of the page, which is built once.

        Raises:
            Problem: the model cannot be loaded.
        """
        async with self._building:
            if self._gate is None:
                self._gate = await self._build()
            return self._gate

    async def _build(self) -> Gate:
        """Build the page for the default model."""
        services, visitors = self._services, Visitors()
        # Gradio takes the folder of its files from the environment alone.
        os.environ["GRADIO_TEMP_DIR"] = str(services.storage.page)
        await asyncio.to_thread(import_module, "gradio")  # which takes seconds

        from photism.server.studio.drawing import Studio
        from photism.server.studio.page import ModelDefaults, build_page, start_page

        entry = services.registry.find("drawing")
        defaults = await services.registry.run(entry, lambda drawing, _: ModelDefaults.of(drawing), Ticket("page"))
        files = PageFiles(services.storage.page.resolve(), examples_folder())
        draw = Studio(services, visitors, entry).draw
        page = build_page(draw, defaults, files, services.limits)
        gradio = await start_page(page, root_path=services.address.root_path)
        return Gate(
            gradio,
            services,
            files=files,
            visitors=visitors,
            functions=frozenset(page.fns),
            is_session=page.has_messages,
        )


def examples_folder() -> Path | None:
    """Return the folder of the bundled examples; None if they are not installed."""
    try:
        return bundled_model() / "examples"
    except InputError:
        return None


def _nothing(*_: object) -> None:
    """Do nothing with a model, which has been loaded."""
