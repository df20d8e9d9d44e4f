"""Check what works on this machine, and name the remedy for what does not."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from photism.audioldm2.settings import CHECKPOINTS, LICENCE
from photism.diagnostics.check import Check, one_line
from photism.diagnostics.libraries import LibraryChecks
from photism.diagnostics.machine import HubCheck, describe_machine
from photism.diagnostics.verbs import CORE_VERBS, MODEL, NEEDS, SOUND_MODEL, check_verb
from photism.display.markup import block, table, text
from photism.display.short_repr import short_repr
from photism.errors import InputError
from photism.extras import install_command, reinstall_command
from photism.hub import bundled_model
from photism.library_logging import disable_telemetry

Loading: TypeAlias = Callable[[], AbstractContextManager[object]]
"""Context in which models are loaded, such as one that switches off warnings of libraries."""


@dataclass(frozen=True)
class Diagnosis:
    """Results of all checks: of the machine, libraries, models and verbs, in this order.

    Attributes:
        checks: the results.
        duration_s: how long the checks took.
    """

    checks: tuple[Check, ...]
    duration_s: float = 0.0

    @property
    def works(self) -> bool:
        """True if draw, film and hear work."""
        return all(check.works for check in self.checks if check.name in CORE_VERBS)

    def as_dict(self) -> dict[str, Any]:
        """Return the checks for JSON."""
        checks = [asdict(check) for check in self.checks]
        return {"works": self.works, "checks": checks, "duration_s": round(self.duration_s, 2)}

    def __repr__(self) -> str:
        works = sum(check.works for check in self.checks)
        return short_repr(self, works=self.works, checks=f"{works} of {len(self.checks)} work")

    def _repr_html_(self) -> str:
        rows = [
            ["ok" if each.works else "<b>no</b>", text(each.name), text(each.found), text(each.remedy or "")]
            for each in self.checks
        ]
        return block(table(["", "check", "found", "remedy"], rows, limit=len(rows)))

    def __str__(self) -> str:
        """Return a table of the checks, and how long they took."""
        return "\n".join([*map(str, self.checks), f"checked in {self.duration_s:.1f} s"])


def diagnose(loading: Loading) -> Diagnosis:
    """Check libraries and bundled models by loading them, and which verbs they are enough for.

    Args:
        loading: context in which models are loaded.
    """
    started = time.monotonic()
    disable_telemetry()
    libraries, hub = LibraryChecks(), HubCheck()
    models = [_check_model(MODEL, _load_model, loading), _check_model(SOUND_MODEL, _load_sound_model, loading)]
    parts = {part.name: part for part in (*libraries.results(), *models)}
    # The licence covers what is generated with them, so that it is shown before they are downloaded.
    audioldm2 = Check("AudioLDM 2", True, f"{CHECKPOINTS[0]} is downloaded where `sound` names it; {LICENCE}")
    verbs = [check_verb(verb, parts) for verb in NEEDS]
    checks = (*describe_machine(), hub.result(), *parts.values(), audioldm2, *verbs)
    return Diagnosis(checks, time.monotonic() - started)


def _check_model(name: str, load: Callable[[], None], loading: Loading) -> Check:
    # Load it, which finds files that are missing, damaged or of another version.
    try:
        bundled_model()
    except InputError:
        return Check(name, False, "photism-tiny is not installed", install_command("tiny"))
    try:
        with loading():
            load()
    except Exception as error:  # a damaged file can raise anything in the libraries that read it
        return Check(name, False, one_line(error), reinstall_command())
    return Check(name, True, "loads")


def _load_model() -> None:
    from photism.drawing.pipeline import AudioToImagePipeline

    AudioToImagePipeline.from_pretrained()


def _load_sound_model() -> None:
    from photism.audioldm2.component_loader import PARTS
    from photism.audioldm2.pipeline import AudioLDM2Pipeline

    parts = AudioLDM2Pipeline.from_pretrained().models
    _ = parts.tokenizers, parts.feature_extractor
    # The audio tower is in the file of the text tower, and building it would import SymPy, which takes a while.
    with parts.on_device(*PARTS.keys() - {"audio_tower", "vits"}):
        pass
