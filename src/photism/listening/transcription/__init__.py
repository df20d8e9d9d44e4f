"""What is said in a recording, and when.

The names below load torch when they are first used, not when this package is imported.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from photism.listening.transcription.decoding import Decoding
    from photism.listening.transcription.formats import write_transcript
    from photism.listening.transcription.language_model import ArpaModel, LanguageModel
    from photism.listening.transcription.streaming import Heard, Streaming, TranscriptStream
    from photism.listening.transcription.transcriber import Transcriber
    from photism.listening.transcription.transcript import Character, Transcript, Word

__all__ = [
    "ArpaModel",
    "Character",
    "Decoding",
    "Heard",
    "LanguageModel",
    "Streaming",
    "Transcriber",
    "Transcript",
    "TranscriptStream",
    "Word",
    "write_transcript",
]

_MODULE_OF = {
    "ArpaModel": "language_model",
    "Character": "transcript",
    "Decoding": "decoding",
    "Heard": "streaming",
    "LanguageModel": "language_model",
    "Streaming": "streaming",
    "Transcriber": "transcriber",
    "Transcript": "transcript",
    "TranscriptStream": "streaming",
    "Word": "transcript",
    "write_transcript": "formats",
}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
