"""Generate images from sound and classify, transcribe and retrieve sound, with the speech encoder Wav2Vec2-BERT."""

from importlib import import_module
from typing import TYPE_CHECKING

from photism.display.progress import silence_widget_hints
from photism.library_logging import quiet_libraries

__version__ = "0.2.0"

# The public names of Photism's own. Those of transformers are importable from here as well, but `import *` skips them.
__all__ = [
    "AudioClassifier",
    "AudioEmbedder",
    "AudioLDM2Pipeline",
    "AudioPromptEncoder",
    "AudioToImagePipeline",
    "CaptionRanker",
    "InputError",
    "PromptSpace",
    "SpeakerTimeline",
    "SpeakerVerifier",
    "Transcriber",
    "Waveform",
    "load_waveform",
    "log_mel",
    "pipeline",
]

if TYPE_CHECKING:  # the names below, for type checkers and editors
    from diffusers import AudioLDM2ProjectionModel as AudioLDM2ProjectionModel
    from diffusers import AudioLDM2UNet2DConditionModel as AudioLDM2UNet2DConditionModel
    from diffusers.pipelines.pipeline_utils import AudioPipelineOutput as AudioPipelineOutput
    from transformers import Wav2Vec2BertConfig as Wav2Vec2BertConfig

    from photism.audio.log_mel import log_mel
    from photism.audio.waveform import Waveform, load_waveform
    from photism.audioldm2.pipeline import AudioLDM2Pipeline
    from photism.drawing.pipeline import AudioToImagePipeline
    from photism.encoder.auto_classes import AutoConfig as AutoConfig
    from photism.encoder.auto_classes import AutoFeatureExtractor as AutoFeatureExtractor
    from photism.encoder.auto_classes import AutoModel as AutoModel
    from photism.encoder.auto_classes import AutoModelForAudioClassification as AutoModelForAudioClassification
    from photism.encoder.auto_classes import (
        AutoModelForAudioFrameClassification as AutoModelForAudioFrameClassification,
    )
    from photism.encoder.auto_classes import AutoModelForAudioXVector as AutoModelForAudioXVector
    from photism.encoder.auto_classes import AutoModelForCTC as AutoModelForCTC
    from photism.encoder.auto_classes import AutoProcessor as AutoProcessor
    from photism.encoder.heads import (
        Wav2Vec2BertForAudioFrameClassification as Wav2Vec2BertForAudioFrameClassification,
    )
    from photism.encoder.heads import Wav2Vec2BertForCTC as Wav2Vec2BertForCTC
    from photism.encoder.heads import Wav2Vec2BertForSequenceClassification as Wav2Vec2BertForSequenceClassification
    from photism.encoder.model import Wav2Vec2BertModel as Wav2Vec2BertModel
    from photism.encoder.processor import SeamlessM4TFeatureExtractor as SeamlessM4TFeatureExtractor
    from photism.encoder.processor import Wav2Vec2BertFeatureExtractor as Wav2Vec2BertFeatureExtractor
    from photism.encoder.processor import Wav2Vec2BertProcessor as Wav2Vec2BertProcessor
    from photism.encoder.x_vector import Wav2Vec2BertForXVector as Wav2Vec2BertForXVector
    from photism.errors import InputError
    from photism.listening.audio_embedder import AudioEmbedder
    from photism.listening.classification import AudioClassifier
    from photism.listening.diarization import SpeakerTimeline
    from photism.listening.transcription.transcriber import Transcriber
    from photism.listening.verification import SpeakerVerifier
    from photism.listening.zero_shot import CaptionRanker
    from photism.pipelines.audio_classification import AudioClassificationPipeline as AudioClassificationPipeline
    from photism.pipelines.automatic_speech_recognition import (
        AutomaticSpeechRecognitionPipeline as AutomaticSpeechRecognitionPipeline,
    )
    from photism.pipelines.factory import pipeline
    from photism.pipelines.text_to_audio import TextToAudioPipeline as TextToAudioPipeline
    from photism.pipelines.zero_shot_audio_classification import (
        ZeroShotAudioClassificationPipeline as ZeroShotAudioClassificationPipeline,
    )
    from photism.prompts.audio_prompt_encoder import AudioPromptEncoder
    from photism.prompts.prompt_space import PromptSpace

# The module that defines each public name. It is imported when the name is first used, and torch with it.
_MODULES = {
    "AudioClassifier": "photism.listening.classification",
    "AudioEmbedder": "photism.listening.audio_embedder",
    "AudioLDM2Pipeline": "photism.audioldm2.pipeline",
    "AudioPromptEncoder": "photism.prompts.audio_prompt_encoder",
    "AudioToImagePipeline": "photism.drawing.pipeline",
    "CaptionRanker": "photism.listening.zero_shot",
    "InputError": "photism.errors",
    "PromptSpace": "photism.prompts.prompt_space",
    "SpeakerTimeline": "photism.listening.diarization",
    "SpeakerVerifier": "photism.listening.verification",
    "Transcriber": "photism.listening.transcription.transcriber",
    "Waveform": "photism.audio.waveform",
    "load_waveform": "photism.audio.waveform",
    "log_mel": "photism.audio.log_mel",
    "pipeline": "photism.pipelines.factory",
    # The names that transformers documents for its pipelines.
    "AudioClassificationPipeline": "photism.pipelines.audio_classification",
    "AutomaticSpeechRecognitionPipeline": "photism.pipelines.automatic_speech_recognition",
    "TextToAudioPipeline": "photism.pipelines.text_to_audio",
    "ZeroShotAudioClassificationPipeline": "photism.pipelines.zero_shot_audio_classification",
    # The names that transformers documents for Wav2Vec2-BERT.
    "AutoConfig": "photism.encoder.auto_classes",
    "AutoFeatureExtractor": "photism.encoder.auto_classes",
    "AutoModel": "photism.encoder.auto_classes",
    "AutoModelForAudioClassification": "photism.encoder.auto_classes",
    "AutoModelForAudioFrameClassification": "photism.encoder.auto_classes",
    "AutoModelForAudioXVector": "photism.encoder.auto_classes",
    "AutoModelForCTC": "photism.encoder.auto_classes",
    "AutoProcessor": "photism.encoder.auto_classes",
    "SeamlessM4TFeatureExtractor": "photism.encoder.processor",
    "Wav2Vec2BertConfig": "transformers",
    "Wav2Vec2BertFeatureExtractor": "photism.encoder.processor",
    "Wav2Vec2BertForAudioFrameClassification": "photism.encoder.heads",
    "Wav2Vec2BertForCTC": "photism.encoder.heads",
    "Wav2Vec2BertForSequenceClassification": "photism.encoder.heads",
    "Wav2Vec2BertForXVector": "photism.encoder.x_vector",
    "Wav2Vec2BertModel": "photism.encoder.model",
    "Wav2Vec2BertProcessor": "photism.encoder.processor",
    # The names that diffusers documents for AudioLDM 2.
    "AudioLDM2ProjectionModel": "diffusers",
    "AudioLDM2UNet2DConditionModel": "diffusers",
    "AudioPipelineOutput": "diffusers.pipelines.pipeline_utils",
}

silence_widget_hints()

_LIGHT_MODULES = ("photism.audio.", "photism.errors")
"""Beginnings of the names of modules that import neither transformers nor diffusers."""


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = _MODULES[name]
    if module.startswith(_LIGHT_MODULES):
        return getattr(import_module(module), name)
    with quiet_libraries:
        return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return sorted(_MODULES)
