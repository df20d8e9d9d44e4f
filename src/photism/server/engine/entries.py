"""Models that requests name."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from photism.server.engine.kinds import KINDS

BUNDLED = {"drawing": "tiny", "classifier": "tiny-languages", "embedder": "tiny", "sound": "tiny-sound"}
"""Names of the bundled models by their kind."""


@dataclass(frozen=True, eq=False)
class ModelEntry:
    """A model that requests name.

    Attributes:
        name: name in requests; several kinds of models may have the same.
        kind: name of its kind, one of `KINDS`.
        settings: what it is loaded with, an instance of the kind's settings class.
        is_folder: whether a request on this machine named a folder, in place of a model given at the start.
        created: time at which the entry was made, in seconds since 1970.
    """

    name: str
    kind: str
    settings: Any
    is_folder: bool = False
    created: int = field(default_factory=lambda: int(time.time()))


def bundled_entries() -> tuple[ModelEntry, ...]:
    """Return the bundled models, which every server has."""
    return tuple(ModelEntry(name, kind, KINDS[kind].settings()) for kind, name in BUNDLED.items())
