"""All models of the server by kind and name, and the lanes in which they run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from http import HTTPStatus
from os.path import isdir
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, TypeVar

from photism.cancellation import Cancelled
from photism.server.engine.entries import ModelEntry, bundled_entries
from photism.server.engine.kinds import KINDS, Kind
from photism.server.engine.lane import Lane
from photism.server.engine.memory import is_memory_short
from photism.server.engine.ticket import Ticket
from photism.server.problems import Problem
from photism.server.settings import LimitSettings
from photism.settings import SettingError

Result = TypeVar("Result")

WATCH_S = 15.0
"""Time after which it is checked again whether memory is short."""
UNUSED_S = 60.0
"""Time without a work item after which a model is unloaded while memory is short, also if no other model is loaded. One
that is used now and then is not loaded each time."""


class ModelRegistry:
    """All models of the server, each used by a thread of its own only.

    Args:
        entries: models given at the start. The bundled ones follow them, unless a model of the same kind has the name.
        limits: limits of the queues and of the time that an unused model stays in memory.
        kinds: kinds of models by name.

    Attributes:
        entries: all models that requests can name; the first one of a kind is its default.

    Raises:
        SettingError: two given models of a kind have the same name.
    """

    def __init__(
        self, entries: Sequence[ModelEntry], limits: LimitSettings, *, kinds: Mapping[str, Kind] = KINDS
    ) -> None:
        found = {(entry.kind, entry.name): entry for entry in (*bundled_entries(), *entries)}
        given: set[tuple[str, str]] = set()
        for entry in entries:
            if (entry.kind, entry.name) in given:
                raise SettingError("add", f"must have names that no other model has; got {entry.name} twice")
            given.add((entry.kind, entry.name))
        self.entries = (
            *(found[key] for key in found if key in given),
            *(found[key] for key in found if key not in given),
        )
        self._found, self._limits, self._kinds = found, limits, kinds
        self._lanes: dict[ModelEntry, Lane] = {}
        self._folders: dict[tuple[str, Path], ModelEntry] = {}
        self._lock = Lock()
        self._closing = Event()
        self._watch: Thread | None = None

    @property
    def lanes(self) -> Mapping[ModelEntry, Lane]:
        """The lanes of the models that were used, for metrics: their counts, queues and whether they are loaded."""
        return dict(self._lanes)

    def find(self, kind: str, name: str | None = None, *, is_local: bool = False) -> ModelEntry:
        """Return the model that a request names.

        Args:
            kind: kind of the model, one of `kinds`.
            name: name, or for a request on this machine a folder; None for the first model of the kind.
            is_local: whether the request comes from this machine.

        Raises:
            Problem: there is no such model.
        """
        names = [entry.name for entry in self.entries if entry.kind == kind]
        if name is None and names:
            name = names[0]
        if name is not None and (kind, name) in self._found:
            return self._found[kind, name]
        if name is not None and is_local and isdir(name):  # Path.is_dir raises for names that are too long
            return self._folder_entry(kind, name)
        if names:
            detail = f"This server has no {kind} model {name!r}."
            remedy = f"Name one of {', '.join(names)}."
        else:
            detail = f"This server has no {kind} model."
            remedy = f"Start it with --add NAME={self._kinds[kind].example}."
        allowed = f"one of {', '.join(names)}" if names else None
        raise Problem(HTTPStatus.NOT_FOUND, "model-not-found", detail, field="model", allowed=allowed, remedy=remedy)

    async def run(self, entry: ModelEntry, work: Callable[[Any, Ticket], Result], ticket: Ticket) -> Result:
        """Run a work item with a model in the thread that owns it, when its turn has come.

        Args:
            entry: the model.
            work: called with the model and the ticket. It should report its steps to the ticket, so that it ends soon
                after it is cancelled, and must not keep the model.
            ticket: a new ticket. If the awaiting task is cancelled, the ticket is as well.

        Raises:
            Busy: too many work items wait, or it has waited for too long.
            Cancelled: the ticket was cancelled, or the registry is closed.
            Problem: the model cannot be loaded.
        """
        try:
            lane = self._lane(entry)
            submitted = lane.submit(work, ticket)
        except BaseException:
            ticket.end()
            raise
        loop = asyncio.get_running_loop()
        expiry = None if ticket.is_job else loop.call_later(self._limits.max_wait_s, lane.expire, submitted)
        try:
            return await asyncio.wrap_future(submitted.future)
        except asyncio.CancelledError:
            ticket.cancel()
            raise
        finally:
            if expiry is not None:
                expiry.cancel()

    def preload(self, kind: str) -> None:
        """Begin to load the first model of a kind, if there is one, before a request needs it.

        That it cannot be loaded is reported to the request that needs it. Call it in a running event loop.
        """
        entry = next((entry for entry in self.entries if entry.kind == kind), None)
        if entry is None or self._closing.is_set() or self._lane(entry).is_needed:
            return
        loading = asyncio.ensure_future(self.run(entry, _nothing, Ticket("page", is_job=True)))
        loading.add_done_callback(lambda done: done.cancelled() or done.exception())  # or asyncio would log its error

    def hold(self, entry: ModelEntry) -> AbstractContextManager[None]:
        """Keep a model in memory, once it is loaded, until the end of the block: a client refers to its state."""
        return self._lane(entry).hold()

    def close(self, timeout_s: float = 0.0) -> bool:
        """Cancel all work items and end the threads; return whether they ended in time."""
        with self._lock:
            self._closing.set()
            lanes = tuple(self._lanes.values())
        for lane in lanes:
            lane.close()
        until = time.monotonic() + timeout_s
        return all(lane.join(max(0.0, until - time.monotonic())) for lane in lanes)

    def _folder_entry(self, kind: str, name: str) -> ModelEntry:
        key = kind, Path(name).resolve()
        with self._lock:
            if key not in self._folders:
                self._folders[key] = ModelEntry(
                    name, kind, self._kinds[kind].settings(model=str(key[1])), is_folder=True
                )
            return self._folders[key]

    def _lane(self, entry: ModelEntry) -> Lane:
        with self._lock:
            if self._closing.is_set():
                raise Cancelled
            if self._watch is None:
                self._watch = Thread(target=self._watch_memory, name="photism-memory", daemon=True)
                self._watch.start()
            if entry not in self._lanes:
                self._lanes[entry] = Lane(
                    entry.name,
                    partial(self._kinds[entry.kind].load, entry.settings),
                    max_queue=self._limits.max_queue,
                    idle_s=60 * self._limits.idle,
                    make_room=self._make_room,
                    shows_errors=entry.is_folder,
                )
            return self._lanes[entry]

    def _watch_memory(self) -> None:
        """Unload models that were not used for some time whenever memory is short, until the registry is closed."""
        while not self._closing.wait(WATCH_S):
            self._make_room(False, unused_s=UNUSED_S)

    def _make_room(self, is_out: bool, unused_s: float = 0.0) -> None:
        """Unload models that are not used, the least recently used first, while memory is short.

        Args:
            is_out: whether memory has run out, so that all of them are unloaded.
            unused_s: seconds for which they must not have been used.
        """
        with self._lock:
            lanes = sorted(self._lanes.values(), key=lambda lane: lane.used_at)
        for lane in lanes:
            if time.monotonic() - lane.used_at < unused_s or not (is_out or is_memory_short()):
                return  # the others were used later
            lane.unload()


def _nothing(*_: object) -> None:
    """Do nothing with a model, which has been loaded."""
