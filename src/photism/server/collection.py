"""The collection that a server searches: an index of `photism index`, which may grow while the server runs."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from photism.collection.index import Index
from photism.collection.relative_locations import RelativeLocations
from photism.collection.search import Hit
from photism.errors import InputError
from photism.jobs.done_rows import parse_id
from photism.server.engine.entries import ModelEntry
from photism.server.engine.ticket import Ticket
from photism.server.problems import Problem
from photism.server.services import services_of
from photism.server.written_files import WrittenFiles

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from photism.listening.audio_embedder import AudioEmbedder
    from photism.server.engine.registry import ModelRegistry

LOGGER = logging.getLogger(__name__)
EMBEDDER = "embedder"


@dataclass(frozen=True, eq=False)
class OpenCollection:
    """The newest version of a collection.

    Attributes:
        index: the index.
        locations: names of its recordings for visitors.
        entry: model that its vectors were computed with.
    """

    index: Index
    locations: RelativeLocations
    entry: ModelEntry

    def check_model(self, embedder: AudioEmbedder) -> None:
        """Check that a loaded model is the one that the vectors were computed with.

        Raises:
            InputError: it is another one.
        """
        if embedder.fingerprint != self.index.fingerprint:
            raise InputError(
                f"{self.index.table.uri} was computed with another model (fingerprint {self.index.fingerprint}) than "
                f"{self.entry.name} (fingerprint {embedder.fingerprint}); run photism index again"
            )

    def find(self, row_id: str) -> Hit | None:
        """Return the recording, or the segment of one, of a row; None if there is no such row."""
        if parse_id(row_id) is None:  # so that it can stand in a condition
            return None
        columns = ["id", "location", "start_s", "end_s", "version"]
        rows = self.index.dataset.scanner(columns=columns, filter=f"id = '{row_id}'", limit=1).to_table().to_pylist()
        return Hit.of(rows[0], 0.0) if rows else None


class Collection:
    """The collection of a server, which is opened again for each request, so that it is never out of date.

    Args:
        place: folder or URL of the index.
        registry: models of the server. One that the vectors were computed with is used, and not loaded a second time.

    Attributes:
        name: what visitors read.
        written: WAV files of recordings, by their id and version.

    Raises:
        InputError: there is no index.
    """

    def __init__(self, place: str, registry: ModelRegistry) -> None:
        self.name = Path(place.rstrip("/")).stem
        self.written = WrittenFiles()
        self._place, self._registry = place, registry
        self._entries: dict[Any, ModelEntry] = {}
        self._locations: tuple[object, RelativeLocations] | None = None
        self._open()

    def load_model(self) -> None:
        """Load the model of the vectors, and check that it is the one that they were computed with.

        Raises:
            InputError: it cannot be loaded, or is another one.
        """
        opened = self._open()
        work = self._registry.run(opened.entry, lambda embedder, _: opened.check_model(embedder), Ticket("collection"))
        try:
            asyncio.run(work)
        except Problem as problem:
            raise InputError(str(problem.__cause__ or problem)) from problem

    def open(self) -> OpenCollection:
        """Open the newest version.

        Raises:
            Problem: 503, it is gone or damaged; the log says why.
        """
        try:
            return self._open()
        except InputError as error:
            LOGGER.error("the collection cannot be opened: %s", error)
            raise unavailable_problem() from error

    def _open(self) -> OpenCollection:
        index = Index.open(self._place)
        dataset = index.dataset
        version = (index.fingerprint, dataset.version)
        if self._locations is None or self._locations[0] != version:
            self._locations = version, RelativeLocations.of(dataset)
        return OpenCollection(index, self._locations[1], self._entry(index))

    def _entry(self, index: Index) -> ModelEntry:
        """Return the model of the vectors: one that the server has, or else an entry of its own."""
        wanted = index.job.models
        for entry in self._registry.entries:
            if entry.kind == EMBEDDER and replace(entry.settings, kind=wanted.kind, device=None) == wanted:
                return entry
        return self._entries.setdefault(index.fingerprint, ModelEntry(self.name, EMBEDDER, wanted))


def unavailable_problem() -> Problem:
    """Return the problem of a collection that cannot be searched, whose reason only the log says."""
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "collection-unavailable",
        "The collection cannot be searched; the server's log says why.",
    )


def collection_of(connection: HTTPConnection) -> Collection:
    """Return the collection of the server.

    Raises:
        Problem: 404, it has none.
    """
    found = services_of(connection).collection
    if found is None:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            "no-collection",
            "This server has no collection of recordings.",
            remedy="Start it with --collection TABLE, an index of photism index.",
        )
    return found
