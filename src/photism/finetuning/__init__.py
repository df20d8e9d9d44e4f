"""Fine-tuning: a head on any Wav2Vec2-BERT, from your own labelled sounds.

The names below load torch when they are first used, not when this package is imported.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from photism.finetuning.run import finetune
    from photism.finetuning.settings import ClassifySettings, CtcSettings, FramesSettings, SpeakerSettings

__all__ = ["ClassifySettings", "CtcSettings", "FramesSettings", "SpeakerSettings", "finetune"]

_MODULE_OF = {
    "ClassifySettings": "settings",
    "CtcSettings": "settings",
    "FramesSettings": "settings",
    "SpeakerSettings": "settings",
    "finetune": "run",
}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
