"""Sound from text with AudioLDM 2: what is made meets the rest of Photism at the waveform.

The names below load torch when they are first used, not when this package is imported.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from photism.sounding.audioldm2 import AudioLDM2Pipeline, SoundOutput
    from photism.sounding.options import SoundOptions
    from photism.sounding.prompt import SoundPrompt

__all__ = ["AudioLDM2Pipeline", "SoundOptions", "SoundOutput", "SoundPrompt"]

_MODULE_OF = {
    "AudioLDM2Pipeline": "audioldm2",
    "SoundOptions": "options",
    "SoundOutput": "audioldm2",
    "SoundPrompt": "prompt",
}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
