"""Sounds in where a prompt would go: pictures and films out.

The names below load torch when they are first used, not when this package is imported.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from photism.drawing.audio_to_image import AudioToImageOutput, AudioToImagePipeline
    from photism.drawing.filming.contact_sheet import storyboard
    from photism.drawing.filming.file import write_film
    from photism.drawing.filming.film import Film
    from photism.drawing.filming.motion import MeasuredSound, measure_sound
    from photism.drawing.filming.settings import FilmSettings
    from photism.drawing.mixing import blend, interpolate, place
    from photism.drawing.negative import Negative, TextPrompt
    from photism.drawing.text_place import TextPlace

__all__ = [
    "AudioToImageOutput",
    "AudioToImagePipeline",
    "Film",
    "FilmSettings",
    "MeasuredSound",
    "Negative",
    "TextPlace",
    "TextPrompt",
    "blend",
    "interpolate",
    "measure_sound",
    "place",
    "storyboard",
    "write_film",
]

_MODULE_OF = {
    "AudioToImageOutput": "audio_to_image",
    "AudioToImagePipeline": "audio_to_image",
    "Film": "filming.film",
    "FilmSettings": "filming.settings",
    "MeasuredSound": "filming.motion",
    "Negative": "negative",
    "TextPlace": "text_place",
    "TextPrompt": "negative",
    "blend": "mixing",
    "interpolate": "mixing",
    "measure_sound": "filming.motion",
    "place": "mixing",
    "storyboard": "filming.contact_sheet",
    "write_film": "filming.file",
}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
