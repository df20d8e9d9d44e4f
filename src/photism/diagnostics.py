"""Check what works on this machine, and name the remedy for what does not."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Any, TypeAlias

from photism import __version__
from photism.audioldm2.settings import CHECKPOINTS, LICENCE
from photism.display.markup import block, table, text
from photism.display.short_repr import short_repr
from photism.errors import InputError
from photism.hub import bundled_model
from photism.library_logging import disable_telemetry

Loading: TypeAlias = Callable[[], AbstractContextManager[object]]
"""Context in which models are loaded, such as one that switches off warnings of libraries."""

LIBRARIES = ("torch", "transformers", "diffusers", "av", "soxr")
MODEL, SOUND_MODEL = "bundled model", "bundled sound"
# What each verb needs, in the order in which it has to be installed.
CORE_VERBS = dict.fromkeys(("draw", "film", "hear"), (*LIBRARIES, MODEL))
TRAINING_LIBRARIES = ("accelerate", "tensorboard", "matplotlib")
TRAINING_VERBS = dict.fromkeys(("align", "finetune"), (*LIBRARIES, *TRAINING_LIBRARIES))
EXPORT_LIBRARIES = ("onnx", "onnxruntime", "onnxscript")
SERVER_LIBRARIES = ("fastapi", "uvicorn", "python_multipart", "websockets", "cryptography", "prometheus_client")
COLLECTION_LIBRARIES = ("pyarrow", "lance", "sklearn")
LISTENING_VERBS = dict.fromkeys(("label", "speakers", "transcribe", "embed"), LIBRARIES)
COLLECTION_VERBS = dict.fromkeys(("index", "search"), (*LIBRARIES, MODEL, *COLLECTION_LIBRARIES))
OTHER_VERBS = {
    "live": (*LIBRARIES, MODEL, "pygame"),
    "sound": (*LIBRARIES, SOUND_MODEL),
    "serve": (*LIBRARIES, MODEL, *SERVER_LIBRARIES),
    "export": (*LIBRARIES, *EXPORT_LIBRARIES),
    "--ray": (*LIBRARIES, "ray"),
}
UNBUNDLED_VERBS = ("speakers", "transcribe")
VERBS = CORE_VERBS | LISTENING_VERBS | COLLECTION_VERBS | OTHER_VERBS | TRAINING_VERBS
# Libraries whose package has another name than the module.
PACKAGES = {
    "lance": "pylance",
    "prometheus_client": "prometheus-client",
    "pygame": "pygame-ce",
    "python_multipart": "python-multipart",
    "sklearn": "scikit-learn",
}


@dataclass(frozen=True)
class Check:
    """Result of one check.

    Attributes:
        name: of the library, model or verb.
        works: whether it can be used.
        found: its version, its state, or the error.
        remedy: command that installs what is missing; None if it works.
    """

    name: str
    works: bool
    found: str
    remedy: str | None = None

    def __str__(self) -> str:
        """Return the check as the row of a table."""
        row = f"{'ok' if self.works else 'no'}  {self.name:18}{self.found}"
        return row if self.works else f"{row}: {self.remedy}"


@dataclass(frozen=True)
class Diagnosis:
    """Results of all checks: of the machine, libraries, models and verbs, in this order."""

    checks: tuple[Check, ...]

    @property
    def works(self) -> bool:
        """True if draw, film and hear work."""
        return all(check.works for check in self.checks if check.name in CORE_VERBS)

    def as_dict(self) -> dict[str, Any]:
        """Return the checks for JSON."""
        return {"works": self.works, "checks": [asdict(check) for check in self.checks]}

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
        """Return a table of the checks."""
        return "\n".join(map(str, self.checks))


def diagnose(loading: Loading) -> Diagnosis:
    """Check libraries and bundled models by loading them, and which verbs they are enough for.

    Args:
        loading: context in which models are loaded.
    """
    disable_telemetry()
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # which it would print when it is imported
    found = [_check_library(name, "pip install photism") for name in LIBRARIES]
    found += [_check_library(name, "pip install 'photism[server]'") for name in SERVER_LIBRARIES]
    found += [_check_library("pygame", "pip install 'photism[live]'")]
    found += [_check_library(name, "pip install 'photism[train]'") for name in TRAINING_LIBRARIES]
    found += [_check_library(name, "pip install 'photism[export]'") for name in EXPORT_LIBRARIES]
    found += [_check_library(name, "pip install 'photism[collection]'") for name in COLLECTION_LIBRARIES]
    found += [_check_library("ray", "pip install 'photism[cluster]'")]
    found += [_check_model(MODEL, _load_model, loading), _check_model(SOUND_MODEL, _load_sound_model, loading)]
    parts = {part.name: part for part in found}
    # The licence covers what is generated with them, so that it is shown before they are downloaded.
    found += [Check("AudioLDM 2", True, f"{CHECKPOINTS[0]} is downloaded where `sound` names it; {LICENCE}")]
    machine = [
        Check("photism", True, __version__),
        Check("python", True, platform.python_version()),
        Check("device", True, _device(torch_works=parts["torch"].works)),
    ]
    return Diagnosis((*machine, *found, *(_check_verb(verb, parts) for verb in VERBS)))


def _check_library(name: str, remedy: str) -> Check:
    # Import it: a library that was built for another machine has a version too.
    try:
        import_module(name)
    except Exception as error:  # a broken library can raise anything
        return Check(name, False, _one_line(error), remedy)
    return Check(name, True, version(PACKAGES.get(name, name)))


def _check_model(name: str, load: Callable[[], None], loading: Loading) -> Check:
    # Load it, which finds files that are missing, damaged or of another version.
    try:
        bundled_model()
    except InputError:
        return Check(name, False, "photism-tiny is not installed", "pip install 'photism[tiny]'")
    try:
        with loading():
            load()
    except Exception as error:  # a damaged file can raise anything in the libraries that read it
        return Check(name, False, _one_line(error), "pip install --force-reinstall --no-deps photism-tiny")
    return Check(name, True, "loads")


def _load_model() -> None:
    from photism.drawing.pipeline import AudioToImagePipeline

    AudioToImagePipeline.from_pretrained()


def _load_sound_model() -> None:
    from photism.audioldm2.component_loader import PARTS
    from photism.audioldm2.pipeline import AudioLDM2Pipeline

    parts = AudioLDM2Pipeline.from_pretrained().models
    _ = parts.tokenizers, parts.feature_extractor
    with parts.on_device(*PARTS.keys() - {"vits"}):
        pass


def _check_verb(verb: str, parts: dict[str, Check]) -> Check:
    for need in VERBS[verb]:
        if not parts[need].works:
            return Check(verb, False, f"needs {need}", parts[need].remedy)
    if verb in UNBUNDLED_VERBS:
        return Check(verb, True, "ready with --model: none is bundled")
    return Check(verb, True, "ready")


def _device(*, torch_works: bool) -> str:
    cores = f"cpu ({os.cpu_count()} cores)"
    if not torch_works:
        return cores
    import torch

    if torch.cuda.is_available():
        return f"cuda ({torch.cuda.get_device_name()}), {cores}"
    if torch.backends.mps.is_available():
        return f"mps, {cores}"
    return cores


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
