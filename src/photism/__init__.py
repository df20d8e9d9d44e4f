"""Photism draws what it hears and says what it hears, around the audio encoder Wav2Vec2-BERT."""

from importlib import import_module
from typing import TYPE_CHECKING

from photism.errors import InputError

__version__ = "0.1.0"

__all__ = [
    "AudioClassifier",
    "AudioLDM2Pipeline",
    "AudioPromptEncoder",
    "AudioToImagePipeline",
    "CaptionRanker",
    "InputError",
    "PromptSpace",
    "SpeakerTimeline",
    "SpeakerVerifier",
    "Transcriber",
    "Wav2Vec2BertConfig",
    "Wav2Vec2BertForAudioFrameClassification",
    "Wav2Vec2BertForCTC",
    "Wav2Vec2BertForSequenceClassification",
    "Wav2Vec2BertForXVector",
    "Wav2Vec2BertModel",
    "Wav2Vec2BertProcessor",
    "Waveform",
    "load_waveform",
    "log_mel",
]

if TYPE_CHECKING:
    from photism.alignment import AudioPromptEncoder, PromptSpace
    from photism.audio import Waveform, load_waveform
    from photism.audio.log_mel import log_mel
    from photism.drawing import AudioToImagePipeline
    from photism.encoder import (
        Wav2Vec2BertConfig,
        Wav2Vec2BertForAudioFrameClassification,
        Wav2Vec2BertForCTC,
        Wav2Vec2BertForSequenceClassification,
        Wav2Vec2BertForXVector,
        Wav2Vec2BertModel,
        Wav2Vec2BertProcessor,
    )
    from photism.listening import AudioClassifier, CaptionRanker, SpeakerTimeline, SpeakerVerifier, Transcriber
    from photism.sounding import AudioLDM2Pipeline
# A name is imported when it is first asked for, so that torch, transformers and diffusers load only when needed.
_MODULE_OF = {
    "AudioClassifier": "photism.listening",
    "AudioLDM2Pipeline": "photism.sounding",
    "AudioPromptEncoder": "photism.alignment",
    "AudioToImagePipeline": "photism.drawing",
    "CaptionRanker": "photism.listening",
    "PromptSpace": "photism.alignment",
    "SpeakerTimeline": "photism.listening",
    "SpeakerVerifier": "photism.listening",
    "Transcriber": "photism.listening",
    "Wav2Vec2BertConfig": "photism.encoder",
    "Wav2Vec2BertForAudioFrameClassification": "photism.encoder",
    "Wav2Vec2BertForCTC": "photism.encoder",
    "Wav2Vec2BertForSequenceClassification": "photism.encoder",
    "Wav2Vec2BertForXVector": "photism.encoder",
    "Wav2Vec2BertModel": "photism.encoder",
    "Wav2Vec2BertProcessor": "photism.encoder",
    "Waveform": "photism.audio",
    "load_waveform": "photism.audio",
    "log_mel": "photism.audio.log_mel",
}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return __all__
