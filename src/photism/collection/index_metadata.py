"""What an index says about itself in its metadata: the models and settings that its rows are computed with."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from photism.errors import InputError
from photism.jobs.provenance import Provenance, determining
from photism.lance_table import LanceTable

if TYPE_CHECKING:
    from photism.collection.index_job import IndexJob
    from photism.collection.index_worker import IndexWorker

METADATA = "photism"
"""Name of the metadata, a JSON object: the models and settings of the rows."""
COMPUTED = ("vector", "captions", "known", "labels", "loudness_lufs")
"""Columns that a model or a measurement fills, and no person."""


def index_metadata(job: IndexJob, worker: IndexWorker, provenance: Provenance) -> dict[str, Any]:
    """Return what an index says about its rows: enough to compute more of them, and to search them."""
    models = {name: _absolute(getattr(job.models, name)) for name in ("model", "diffusion")}
    return {
        "models": {**models, "kind": worker.embedder.kind, "layer": job.models.layer},
        "rows": {name: _absolute(getattr(job.rows, name)) for name in ("window_s", "hop_s", "label_model")},
        "reading": determining(job.reading),
        "fingerprint": worker.embedder.fingerprint,
        "computed": COMPUTED,
        "provenance": provenance.as_dict(),
    }


def _absolute(model: Any) -> Any:
    """Return the absolute path of a folder of a model, so that it is found from other folders; a hub id as it is."""
    return os.path.abspath(model) if isinstance(model, str) and os.path.isdir(model) else model


def read_metadata(table: LanceTable) -> dict[str, Any]:
    """Return what an index says about its rows.

    Raises:
        InputError: the table is no index.
    """
    try:
        found = json.loads(table.metadata[METADATA])
        Provenance.from_dict(found["provenance"])
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{table.uri} is a Lance data set, but was not made by photism index") from None
    return found
