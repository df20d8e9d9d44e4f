"""What is heard, in words.

The names below load torch when they are first used, not when this package is imported.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from photism.listening.hear import CaptionRanker, HeardCaption

__all__ = ["CaptionRanker", "HeardCaption"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.hear"), name)


def __dir__() -> list[str]:
    return __all__
