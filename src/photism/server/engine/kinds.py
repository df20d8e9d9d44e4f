"""Kinds of models that the server has, each with its settings class and how it is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from photism.audioldm2.settings import SoundPipelineSettings
from photism.listening.settings import (
    ClassifierModelSettings,
    DiarizationModelSettings,
    EmbedModelSettings,
    XVectorModelSettings,
)
from photism.listening.transcription.decoding_options import RecognizerModelSettings
from photism.prompts.settings import PipelineSettings

if TYPE_CHECKING:
    from photism.audioldm2.pipeline import AudioLDM2Pipeline
    from photism.drawing.pipeline import AudioToImagePipeline
    from photism.listening.audio_embedder import AudioEmbedder
    from photism.listening.classification import AudioClassifier
    from photism.listening.diarization import SpeakerTimeline
    from photism.listening.transcription.transcriber import Transcriber
    from photism.listening.verification import SpeakerVerifier
    from photism.listening.zero_shot import CaptionRanker


@dataclass(frozen=True, eq=False)
class Drawing:
    """A model that draws and ranks captions.

    Attributes:
        pipeline: generates the images.
        ranker: ranks captions with the same encoder and text encoder; None if the model has no captions, or no text
            encoder to encode them.
    """

    pipeline: AudioToImagePipeline
    ranker: CaptionRanker | None

    @cached_property
    def few_step_pipeline(self) -> AudioToImagePipeline:
        """Pipeline that draws in a few steps, as far as the model has one, and shares its models with `pipeline`."""
        from photism.drawing.few_step_pipeline import few_step_pipeline

        return few_step_pipeline(self.pipeline)


@dataclass(frozen=True)
class Kind:
    """A kind of models.

    Attributes:
        name: the word for it in messages and in a file of models.
        settings: the settings class of its models.
        load: loads a model from its settings.
        example: published checkpoint of this kind; None if a model of this kind is bundled.
    """

    name: str
    settings: type[Any]
    load: Callable[[Any], Any]
    example: str | None = None


def _load_drawing(settings: PipelineSettings) -> Drawing:
    from photism.jobs.drawn_recordings import load_drawing

    return Drawing(*load_drawing(settings))


def _load_classifier(settings: ClassifierModelSettings) -> AudioClassifier:
    from photism.listening.classification import AudioClassifier

    return AudioClassifier.from_pretrained(**vars(settings))


def _load_recognizer(settings: RecognizerModelSettings) -> Transcriber:
    from photism.listening.transcription.transcriber import Transcriber

    return Transcriber.from_pretrained(**vars(settings))


def _load_diarizer(settings: DiarizationModelSettings) -> SpeakerTimeline:
    from photism.listening.diarization import SpeakerTimeline

    return SpeakerTimeline.from_pretrained(**vars(settings))


def _load_verifier(settings: XVectorModelSettings) -> SpeakerVerifier:
    from photism.listening.verification import SpeakerVerifier

    return SpeakerVerifier.from_pretrained(**vars(settings))


def _load_embedder(settings: EmbedModelSettings) -> AudioEmbedder:
    from photism.listening.audio_embedder import AudioEmbedder

    return AudioEmbedder.from_pretrained(**vars(settings))


def _load_sound(settings: SoundPipelineSettings) -> AudioLDM2Pipeline:
    from photism.audioldm2.pipeline import AudioLDM2Pipeline

    pipeline = AudioLDM2Pipeline.from_pretrained(settings=settings)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Kind("drawing", PipelineSettings, _load_drawing),
            Kind("classifier", ClassifierModelSettings, _load_classifier),
            Kind("embedder", EmbedModelSettings, _load_embedder),
            Kind("sound", SoundPipelineSettings, _load_sound),
            Kind("recognizer", RecognizerModelSettings, _load_recognizer, "facebook/wav2vec2-base-960h"),
            Kind("diarizer", DiarizationModelSettings, _load_diarizer, "FOLDER"),
            Kind("xvector", XVectorModelSettings, _load_verifier, "FOLDER"),
        )
    }
)
"""Kinds of models by name."""
