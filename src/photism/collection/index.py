"""A collection of recordings as a table that can be searched by words and by sound."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from photism.audio.reading_settings import ReadingSettings
from photism.collection.gone import GoneRecordings, ListedRecordings, find_gone
from photism.collection.index_job import IndexJob
from photism.collection.index_metadata import METADATA, index_metadata, read_metadata
from photism.collection.index_rows import IndexRows, index_schema, stored_location
from photism.collection.index_summary import IndexSummary
from photism.collection.search import Hit
from photism.collection.search_index import Sound, search_index
from photism.collection.search_settings import SearchSettings
from photism.collection.settings import IndexSettings
from photism.collection.vector_index import refresh_vector_index
from photism.errors import InputError
from photism.hub import did_you_mean
from photism.jobs.outputs.journal import check_same
from photism.jobs.provenance import BUNDLED, Provenance
from photism.jobs.run import run
from photism.lance_table import LanceTable, is_table, sql_in
from photism.listening.settings import EmbedModelSettings
from photism.manifest.in_memory import Recordings, as_manifest
from photism.settings import accepts

if TYPE_CHECKING:
    import lance
    import pandas as pd

    from photism.collection.index_worker import IndexWorker
    from photism.jobs.job import Worker
    from photism.jobs.progress import Progress
    from photism.listening.audio_embedder import AudioEmbedder

MAX_CONDITION = 10_000
"""Number of recordings that are deleted with one condition."""


class Index:
    """A table of recordings, or of their windows, with vectors, captions, labels and loudness.

        index = Index.create("sounds.lance")
        index.add("sounds")                      # again: what is new, has changed or is gone
        index.search(text="an owl at night")

    The table is a Lance data set. LanceDB opens it as a table of the database that is its parent folder. Several
    processes may add to it at the same time.

    Args:
        table: the table.
        job: models and settings that its rows are computed with.
        worker: the models, if they are loaded already.
    """

    def __init__(self, table: LanceTable, job: IndexJob, *, worker: IndexWorker | None = None) -> None:
        self.table, self.job = table, job
        self._worker = worker
        self._embedder: AudioEmbedder | None = None
        self._metadata = read_metadata(table)

    @classmethod
    def open(cls, path: str | Path, *, device: str | None = None, dtype: str = "float32") -> Index:
        """Open an index.

        Args:
            path: its folder, or its URL in object storage.
            device: device of the models, which are loaded when they are needed.
            dtype: dtype of their weights.

        Raises:
            InputError: there is no index.
        """
        if "://" not in str(path) and not Path(path).exists():
            near = did_you_mean(str(path))
            raise InputError(f"{path}: no such index{near}; make one with `photism index SOUNDS -o {path}`")
        table = LanceTable.open(str(path))
        values = read_metadata(table)
        models = EmbedModelSettings(**values["models"], device=device, dtype=dtype)
        reading = ReadingSettings(**values["reading"])
        return cls(table, IndexJob(models=models, rows=IndexSettings(**values["rows"]), reading=reading))

    @classmethod
    @accepts(IndexSettings)
    def create(
        cls,
        path: str | Path,
        *,
        models: EmbedModelSettings | None = None,
        reading: ReadingSettings | None = None,
        force: bool = False,
        **settings: Any,
    ) -> Index:
        """Create an index without rows.

        Args:
            path: folder, whose name must end in .lance, or a URL of object storage.
            models: model of the vectors; by default the bundled one.
            reading: how recordings are read.
            force: replace an index that is there.
            settings: settings of `IndexSettings`.

        Raises:
            InputError: there is an index already, the place cannot be written, or a model cannot be loaded.
            SettingError: a setting is out of range.
        """
        job = IndexJob(models or EmbedModelSettings(), IndexSettings(**settings), reading or ReadingSettings())
        if is_table(str(path)) and not force:
            raise InputError(f"{path} exists; open it with Index.open, or give another name")
        return cls._create(path, job, job.load(), overwrite=force)

    @classmethod
    def for_job(cls, path: str | Path, job: IndexJob, worker: IndexWorker, *, force: bool = False) -> Index:
        """Open the index whose rows a job computes, or create it.

        Args:
            path: folder or URL.
            job: the job.
            worker: its models.
            force: replace an index of other models or settings.

        Raises:
            InputError: the rows were computed with other models or settings, or the place cannot be written.
        """
        provenance = Provenance.of(job, worker)
        if is_table(str(path)):
            found = cls(LanceTable.open(str(path)), job, worker=worker)
            if found.provenance.run == provenance.run:
                return found
            if not force:
                check_same(path, found.provenance, provenance)
        return cls._create(path, job, worker, overwrite=force)

    @classmethod
    def _create(cls, path: str | Path, job: IndexJob, worker: IndexWorker, *, overwrite: bool) -> Index:
        """Create an index without rows; where another process is first, open its index if it is of the same models.

        Raises:
            InputError: it is of other models or settings, or the place cannot be written.
        """
        provenance = Provenance.of(job, worker)
        metadata = {METADATA: json.dumps(index_metadata(job, worker, provenance))}
        table = LanceTable.create(str(path), index_schema(worker.embedder.width), metadata, overwrite=overwrite)
        created = cls(table, job, worker=worker)
        check_same(path, created.provenance, provenance)
        return created

    @property
    def provenance(self) -> Provenance:
        """The models and settings of the rows, as jobs compare them."""
        return Provenance.from_dict(self._metadata["provenance"])

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the model of the vectors: those of another one cannot be compared with them."""
        return self._metadata["fingerprint"]

    @property
    def kind(self) -> str:
        """Kind of the vectors: "prompt", "mean" or "xvector"."""
        return self._metadata["models"]["kind"]

    @property
    def dataset(self) -> lance.LanceDataset:
        """The newest version of the Lance data set."""
        return self.table.dataset

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.table)

    def add(
        self,
        recordings: Recordings,
        *,
        force: bool = False,
        prune: bool = False,
        max_errors: int | None = None,
        worker: Worker | None = None,
        progress: Progress | None = None,
    ) -> IndexSummary:
        """Add recordings that are new, process those that changed again, and remove those that are gone.

        A recording is gone if it was found in one of the given folders before, and is there no more. If that is so of
        more than ten recordings, and of more than half of a folder or of all that an empty folder had, a disk may be
        missing: they stay unless `prune` is true.

        Args:
            recordings: files, URLs, folders, patterns and lists, as the command line takes them, or anything else that
                `photism.jobs.run` takes.
            force: process all recordings again.
            prune: remove recordings that are gone without any doubt.
            max_errors: number of unreadable recordings above which this ends; None for no limit.
            worker: models of the job on other machines (`photism.jobs.ray_worker`); by default they are loaded here.
            progress: shows the progress.

        Raises:
            InputError: there are no recordings, or a model is not the one that the rows were computed with.
        """
        manifest = as_manifest(recordings)
        worker = worker or self._load()
        listed = ListedRecordings(manifest)
        rows: list[IndexRows] = []

        def open_rows(provenance: Provenance) -> IndexRows:
            """Open the table for writing, with whatever worker computes its rows."""
            check_same(self.table.uri, self.provenance, provenance)
            rows.append(IndexRows(self.table, provenance.run, self.fingerprint, force=force))
            return rows[0]

        summary = run(self.job, listed, open_rows, worker=worker, force=force, max_errors=max_errors, progress=progress)
        gone = GoneRecordings()
        if listed.is_complete and manifest.folders:
            gone = find_gone(self.table.column("location"), listed, manifest.folders)
        removable = [*gone.removable, *(gone.doubtful if prune else ())]
        self._delete(removable)
        self.table.compact()
        refresh_vector_index(self.dataset)
        doubtful = 0 if prune else len(gone.doubtful)
        return IndexSummary(summary, len(self), rows[0].changed, rows[0].repeated, len(removable), doubtful)

    def remove(self, location: str | Path) -> int:
        """Remove a recording, or all recordings in a folder, and return the number of rows that were removed.

        Args:
            location: path or URL of a recording or folder.
        """
        absolute = str(location) if "://" in str(location) else os.path.abspath(location)
        stored = stored_location(absolute)
        prefix = f"{stored.rstrip('/')}/"
        locations = {each for each in self.table.column("location") if each == stored or each.startswith(prefix)}
        return self._delete(locations)

    @accepts(SearchSettings)
    def search(
        self,
        text: str | Sequence[str] = (),
        *,
        sound: Sound | Sequence[Sound] = (),
        vector: NDArray[np.floating[Any]] | None = None,
        not_: str | Sequence[str] = (),
        not_sound: Sound | Sequence[Sound] = (),
        model: str | None = None,
        **settings: Any,
    ) -> list[Hit]:
        """Return the recordings that are the most similar to a query, the most similar first.

        Args:
            text: texts that describe what is wanted, with a model that compares recordings with texts.
            sound: recordings that are similar to what is wanted.
            vector: (D,) vector of the index's model.
            not_: texts of what is not wanted.
            not_sound: recordings of what is not wanted.
            model: folder or hub id of the index's model, if it is not where it was.
            settings: settings of `SearchSettings`.

        Raises:
            InputError: nothing is searched for, or something that is given cannot be used.
            SettingError: a setting is out of range.
        """
        return search_index(
            self,
            SearchSettings(**settings),
            text=text,
            sound=sound,
            vector=vector,
            not_=not_,
            not_sound=not_sound,
            model=model,
        )

    def to_pandas(self) -> pd.DataFrame:
        """Return the rows as a DataFrame; vectors are NumPy arrays."""
        return self.dataset.to_table().to_pandas()

    def load_embedder(self, model: str | None = None) -> AudioEmbedder:
        """Return the model of the vectors, to which queries are given.

        Args:
            model: folder or hub id where it is now; by default where it was.

        Raises:
            InputError: it cannot be loaded, or is not the one that the vectors were computed with.
        """
        if self._worker is not None:
            return self._worker.embedder
        if self._embedder is not None and model is None:
            return self._embedder
        models = self.job.models if model is None else replace(self.job.models, model=model)
        embedder = replace(self.job, models=models, rows=IndexSettings()).load().embedder
        if embedder.fingerprint != self.fingerprint:
            name, named = models.model or BUNDLED, self.job.models.model or BUNDLED
            raise InputError(
                f"{self.table.uri} was computed with {named} (fingerprint {self.fingerprint}), not with {name} "
                f"(fingerprint {embedder.fingerprint}); give --model the folder of {named} as it was then"
            )
        self._embedder = embedder
        return embedder

    def _load(self) -> IndexWorker:
        """Return the models of the rows.

        Raises:
            InputError: they are not those that the rows were computed with.
        """
        if self._worker is None:
            worker = self.job.load()
            check_same(self.table.uri, self.provenance, Provenance.of(self.job, worker))
            self._worker = worker
        return self._worker

    def _delete(self, locations: Iterable[str]) -> int:
        """Delete the rows of recordings by their stored locations, and return how many rows there were."""
        rest, count = iter(locations), 0
        while block := list(islice(rest, MAX_CONDITION)):
            count += self.table.delete(sql_in("location", block))
        return count
