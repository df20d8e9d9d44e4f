"""Orderly end of a server after SIGINT, SIGTERM or SIGHUP, within eight seconds.

New requests are refused at once. Those that wait for a model or use one may go on for `GRACE_S`, and are then cancelled
at their next step. What does not end by `LIMIT_S`, such as a download that hangs, ends with the process. A second
signal ends the process at once. The private folder is removed in any case.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from photism.server.paths import HEALTH_PATH, route_path
from photism.server.problems import shutting_down_problem

logger = logging.getLogger(__name__)

GRACE_S = 3.0
LIMIT_S = 7.0
"""Time from the first signal to the end of the process, which comes up to a second later on a busy machine;
`docker stop` kills after 10 s."""
POLL_S = 0.05
DONE, INTERRUPTED = 0, 130
"""Exit statuses of a server that a signal has ended, and of one that a second signal has ended before its time."""


class Shutdown:
    """Ends the server when a signal says so.

    As a context manager, it handles the signals: before anything is served, the first one raises SystemExit.

    Args:
        grace_s: seconds for which work items go on after the signal.
        limit_s: seconds after which the process ends in any case.

    Attributes:
        unanswered: number of requests whose answer has not begun, counted by `RefuseWhileStopping`.
    """

    def __init__(self, *, grace_s: float = GRACE_S, limit_s: float = LIMIT_S) -> None:
        self._grace_s, self._limit_s = grace_s, limit_s
        self.unanswered = 0
        self._stopping = threading.Event()
        self._stopped_at = 0.0
        self._stop: Callable[[], object] | None = None
        self._clean_up: Callable[[], object] = lambda: None
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Shutdown:
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores SIGHUP
                self._handlers[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    @property
    def is_stopping(self) -> bool:
        """Whether a signal has come."""
        return self._stopping.is_set()

    @property
    def remaining_s(self) -> float:
        """Seconds until the process ends in any case; `limit_s` before a signal."""
        return max(0.0, self._stopped_at + self._limit_s - time.monotonic()) if self.is_stopping else self._limit_s

    def before_exit(self, clean_up: Callable[[], object]) -> None:
        """Call a function before the process ends without unwinding; it must not raise or hang."""
        self._clean_up = clean_up

    @contextmanager
    def serving(self, is_idle: Callable[[], bool], stop: Callable[[], object]) -> Generator[None]:
        """Let the first signal end what the block serves.

        Args:
            is_idle: returns whether no work item runs or waits.
            stop: cancels all work items and lets the server return. It is called in a thread of its own as soon as the
                server is idle and has answered all requests, or after the time of grace.
        """

        def wait_and_stop() -> None:
            logger.info("stopping")
            until = self._stopped_at + self._grace_s
            while (self.unanswered or not is_idle()) and time.monotonic() < until:
                time.sleep(POLL_S)
            stop()

        self._stop = wait_and_stop
        try:
            yield
        finally:
            self._stop = None

    def exit_now(self, status: int) -> NoReturn:
        """End the process without waiting for its threads."""
        self._clean_up()
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, RuntimeError):  # closed, or in use where the signal came
                stream.flush()
        os._exit(status)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.is_stopping:
            self.exit_now(INTERRUPTED)
        self._stopped_at = time.monotonic()
        self._stopping.set()
        limit = threading.Timer(self._limit_s, self.exit_now, (DONE,))
        limit.daemon = True
        limit.start()
        if self._stop is None:
            raise SystemExit(DONE)
        threading.Thread(target=self._stop, name="photism-shutdown", daemon=True).start()


class RefuseWhileStopping:
    """ASGI middleware that answers new requests 503 while the server is stopping.

    Args:
        app: the application, whose /health is still reached.
        shutdown: knows whether the server is stopping.
    """

    def __init__(self, app: ASGIApp, shutdown: Shutdown) -> None:
        self._app, self._shutdown = app, shutdown

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] not in ("http", "websocket") or route_path(scope) == HEALTH_PATH:
            await self._app(scope, receive, send)
        elif self._shutdown.is_stopping:
            response = shutting_down_problem().response(scope)
            response.headers["Connection"] = "close"
            await response(scope, receive, send)
        else:
            await self._count(scope, receive, send)

    async def _count(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request that is counted until its answer begins."""
        is_counted = True
        self._shutdown.unanswered += 1

        def end() -> None:
            nonlocal is_counted
            self._shutdown.unanswered -= is_counted
            is_counted = False

        async def send_and_end(message: Message) -> None:
            end()
            await send(message)

        try:
            await self._app(scope, receive, send_and_end)
        finally:
            end()
