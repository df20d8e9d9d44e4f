"""Provenance of rows: the verb, the model and the settings that they were computed with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from photism.jobs.job import Job, ModelChoice, Worker

RUN_DIGITS = 8
BUNDLED = "the bundled one"
"""The model, in a message, where none was given."""
NOT_DETERMINING = frozenset({"batch_size", "num_workers", "allow_private_urls"})
"""Settings that change no row."""
SHOWN_CHARACTERS = 40
"""Length of a setting in a message."""


@dataclass(frozen=True)
class Provenance:
    """Everything apart from the recordings that determines rows.

    Attributes:
        verb: the command, such as "hear".
        model: folder or id of the model, and of vectors the kind and layer, for messages; None for the bundled one.
        fingerprint: fingerprint of the model.
        settings: settings as JSON values; those that are None are omitted.
    """

    verb: str
    model: str | None
    fingerprint: str
    settings: Mapping[str, Any]

    @classmethod
    def of(cls, job: Job, worker: Worker) -> Provenance:
        """Return the provenance of the rows of a job."""
        settings = {name: value for name, value in job.settings.items() if value is not None}
        plain = json.loads(json.dumps(settings, sort_keys=True, default=str))  # as they are read again: without tuples
        return cls(job.verb, _name(job.models), worker.fingerprint, plain)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Provenance:
        """Return the provenance that `as_dict` described.

        Raises:
            KeyError, TypeError: it is not one.
        """
        return cls(values["verb"], values["model"], values["fingerprint"], dict(values["settings"]))

    def as_dict(self) -> dict[str, Any]:
        """Return the provenance as JSON values."""
        return asdict(self)

    @property
    def run(self) -> str:
        """Eight hex digits that rows of the same provenance have in common; the name of the model is no part of it."""
        digest = hashlib.sha256(json.dumps([self.verb, self.fingerprint, self.settings], sort_keys=True).encode())
        return digest.hexdigest()[:RUN_DIGITS]

    def differences(self, other: Provenance) -> str:
        """Return what another provenance has in place of what this one has: "top_k 3 instead of 5"."""
        if other.verb != self.verb:
            return f"{other.verb} instead of {self.verb}"
        found: list[str] = []
        if other.fingerprint != self.fingerprint:
            names = [each.model or BUNDLED for each in (other, self)]
            same = " (other weights of that name)" if names[0] == names[1] else ""
            found.append(f"model {names[0]} instead of {names[1]}{same}")
        for name in sorted({*self.settings, *other.settings}):
            mine, theirs = self.settings.get(name), other.settings.get(name)
            if mine != theirs:
                found.append(f"{name} {_shown(theirs)} instead of {_shown(mine)}")
        return ", ".join(found)


def determining(settings: object) -> dict[str, Any]:
    """Return the settings that determine rows, by name."""
    return {name: value for name, value in vars(settings).items() if name not in NOT_DETERMINING}


def _name(models: ModelChoice) -> str | None:
    """Return the folder or id of a model, and of vectors the kind and the layer that were chosen."""
    name = None if models.model is None else str(models.model)
    further = {each: getattr(models, each, None) for each in ("kind", "layer")}
    chosen = [f"{each} {value}" for each, value in further.items() if value is not None]
    return ", ".join([name or BUNDLED, *chosen]) if chosen else name


def _shown(value: Any) -> str:
    if value is None:
        return "by default"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 1]}…"
