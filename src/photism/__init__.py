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
    from transformers import Wav2Vec2BertConfig

    from photism.audio.log_mel import log_mel
    from photism.audio.waveform import Waveform, load_waveform
    from photism.audioldm2.pipeline import AudioLDM2Pipeline
    from photism.drawing.pipeline import AudioToImagePipeline
    from photism.encoder.heads import (
        Wav2Vec2BertForAudioFrameClassification,
        Wav2Vec2BertForCTC,
        Wav2Vec2BertForSequenceClassification,
    )
    from photism.encoder.model import Wav2Vec2BertModel
    from photism.encoder.processor import Wav2Vec2BertProcessor
    from photism.encoder.x_vector import Wav2Vec2BertForXVector
    from photism.listening.classification import AudioClassifier
    from photism.listening.diarization import SpeakerTimeline
    from photism.listening.transcription.transcriber import Transcriber
    from photism.listening.verification import SpeakerVerifier
    from photism.listening.zero_shot import CaptionRanker
    from photism.prompts.audio_prompt_encoder import AudioPromptEncoder
    from photism.prompts.prompt_space import PromptSpace
_MODULE_OF = {
    "AudioClassifier": "photism.listening.classification",
    "AudioLDM2Pipeline": "photism.audioldm2.pipeline",
    "AudioPromptEncoder": "photism.prompts.audio_prompt_encoder",
    "AudioToImagePipeline": "photism.drawing.pipeline",
    "CaptionRanker": "photism.listening.zero_shot",
    "PromptSpace": "photism.prompts.prompt_space",
    "SpeakerTimeline": "photism.listening.diarization",
    "SpeakerVerifier": "photism.listening.verification",
    "Transcriber": "photism.listening.transcription.transcriber",
    "Wav2Vec2BertConfig": "photism.encoder.model",
    "Wav2Vec2BertForAudioFrameClassification": "photism.encoder.heads",
    "Wav2Vec2BertForCTC": "photism.encoder.heads",
    "Wav2Vec2BertForSequenceClassification": "photism.encoder.heads",
    "Wav2Vec2BertForXVector": "photism.encoder.x_vector",
    "Wav2Vec2BertModel": "photism.encoder.model",
    "Wav2Vec2BertProcessor": "photism.encoder.processor",
    "Waveform": "photism.audio.waveform",
    "load_waveform": "photism.audio.waveform",
    "log_mel": "photism.audio.log_mel",
}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return __all__
