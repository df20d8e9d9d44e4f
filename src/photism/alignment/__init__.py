"""Bring sounds to where a diffusion model expects words: the prompt adapters, how they are trained and measured.

The names below load torch when they are first used, not when this package is imported.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from photism.alignment.audio_prompt_encoder import AudioPrompt, AudioPromptEncoder, AudioPromptEncoderConfig
    from photism.alignment.lexicon import Lexicon
    from photism.alignment.loss import LearnedTemperature, regression_loss, sequence_contrastive_loss
    from photism.alignment.metrics import (
        BothWays,
        RetrievalMetrics,
        cosine_similarity,
        euclidean_distance,
        mean_squared_error,
        retrieval,
        retrieval_both_ways,
        sequence_similarity,
    )
    from photism.alignment.prompt_adapter import ConvPromptAdapter, PhoneticPromptAdapter, ResamplerPromptAdapter
    from photism.alignment.prompt_space import PromptSpace
    from photism.alignment.training.run import align
    from photism.alignment.training.settings import AlignSettings

__all__ = [
    "AlignSettings",
    "AudioPrompt",
    "AudioPromptEncoder",
    "AudioPromptEncoderConfig",
    "BothWays",
    "ConvPromptAdapter",
    "LearnedTemperature",
    "Lexicon",
    "PhoneticPromptAdapter",
    "PromptSpace",
    "ResamplerPromptAdapter",
    "RetrievalMetrics",
    "align",
    "cosine_similarity",
    "euclidean_distance",
    "mean_squared_error",
    "regression_loss",
    "retrieval",
    "retrieval_both_ways",
    "sequence_contrastive_loss",
    "sequence_similarity",
]

_MODULE_OF = {
    "AlignSettings": "training.settings",
    "AudioPrompt": "audio_prompt_encoder",
    "AudioPromptEncoder": "audio_prompt_encoder",
    "AudioPromptEncoderConfig": "audio_prompt_encoder",
    "BothWays": "metrics",
    "ConvPromptAdapter": "prompt_adapter",
    "LearnedTemperature": "loss",
    "Lexicon": "lexicon",
    "PhoneticPromptAdapter": "prompt_adapter",
    "PromptSpace": "prompt_space",
    "ResamplerPromptAdapter": "prompt_adapter",
    "RetrievalMetrics": "metrics",
    "align": "training.run",
    "cosine_similarity": "metrics",
    "euclidean_distance": "metrics",
    "mean_squared_error": "metrics",
    "regression_loss": "loss",
    "retrieval": "metrics",
    "retrieval_both_ways": "metrics",
    "sequence_contrastive_loss": "loss",
    "sequence_similarity": "metrics",
}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
