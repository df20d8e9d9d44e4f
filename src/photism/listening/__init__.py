"""What is heard, in words.

The names below load torch when they are first used, not when this package is imported.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from photism.listening.diarization import SpeakerTimeline, Timeline, TurnRules
    from photism.listening.hear import CaptionRanker, HeardCaption
    from photism.listening.label import AudioClassifier
    from photism.listening.scores import ClassScore, Labels, ScoredWindow
    from photism.listening.transcription import Transcriber
    from photism.listening.verification import Calibration, SpeakerVerifier, Verification
    from photism.listening.windows import Segment, Windows

__all__ = [
    "AudioClassifier",
    "Calibration",
    "CaptionRanker",
    "ClassScore",
    "HeardCaption",
    "Labels",
    "ScoredWindow",
    "Segment",
    "SpeakerTimeline",
    "SpeakerVerifier",
    "Timeline",
    "Transcriber",
    "TurnRules",
    "Verification",
    "Windows",
]
_MODULE_OF = {
    "AudioClassifier": "label",
    "Calibration": "verification",
    "CaptionRanker": "hear",
    "ClassScore": "scores",
    "HeardCaption": "hear",
    "Labels": "scores",
    "ScoredWindow": "scores",
    "Segment": "windows",
    "SpeakerTimeline": "diarization",
    "SpeakerVerifier": "verification",
    "Timeline": "diarization",
    "TurnRules": "diarization",
    "Verification": "verification",
    "Transcriber": "transcription",
    "Windows": "windows",
}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
