"""The model that is trained: a head on the encoder that it starts from."""

from __future__ import annotations

import copy
from typing import Any

import torch

from photism.encoder.model import Wav2Vec2BertModel
from photism.encoder.processor import Wav2Vec2BertFeatureExtractor
from photism.errors import InputError
from photism.prompts.audio_prompt_encoder import AudioPromptEncoder
from photism.training.data.feature_dataset import FeatureSettings
from photism.training.heads.settings import FinetuneSettings
from photism.training.heads.task import Task
from photism.training.trainable import add_lora, freeze

ENCODER = "wav2vec2_bert"
"""Its name within the model."""
ADAPTER = ".adapter."
"""In the names of what lies between the layers and a head, where there is such."""


def build_model(start: AudioPromptEncoder | Wav2Vec2BertModel, task: Task, settings: FinetuneSettings) -> Any:
    """A model of `task.kind`, with a new head.

    Args:
        start: whose encoder it has.
        task: says which head.
        settings: `seed`, and what is trained of the encoder.

    Raises:
        InputError: more layers are to be frozen than there are.
    """
    encoder: Any = start.encoder if isinstance(start, AudioPromptEncoder) else start
    config = copy.deepcopy(encoder.config)
    changes = {
        **task.config,
        "use_weighted_layer_sum": settings.weighted_layer_sum,
        "layerdrop": settings.layerdrop,
        "apply_spec_augment": False,  # the features are augmented, see `hide`
    }
    if settings.dropout is not None:
        changes |= dict.fromkeys(
            ("hidden_dropout", "attention_dropout", "activation_dropout", "final_dropout"), settings.dropout
        )
    for name, value in changes.items():
        setattr(config, name, value)
    torch.manual_seed(settings.seed)
    with torch.device("cpu"):
        model: Any = task.kind(config)
    found = model.wav2vec2_bert.load_state_dict(encoder.state_dict(), strict=False)
    missing = [name for name in found.missing_keys if not name.startswith("adapter.")]  # a new one is part of the head
    if missing or found.unexpected_keys:
        raise InputError(
            f"encoder must be of the layout of its configuration; missing: {missing}, more: {found.unexpected_keys}"
        )
    freeze(model.wav2vec2_bert, settings.frozen_layers)
    if settings.lora_rank:
        model.wav2vec2_bert = add_lora(model.wav2vec2_bert, settings.lora_rank)
    for name, parameter in model.named_parameters():
        if ADAPTER in name:
            parameter.requires_grad_(True)  # it is new, whatever else is frozen
    if settings.gradient_checkpointing:
        model.wav2vec2_bert.gradient_checkpointing_enable({"use_reentrant": False})
    return model


def feature_extractor(
    start: AudioPromptEncoder | Wav2Vec2BertModel, features: FeatureSettings
) -> Wav2Vec2BertFeatureExtractor:
    """That makes of sounds what the model was trained on."""
    padding_value = start.config.padding_value if isinstance(start, AudioPromptEncoder) else 0.0
    return Wav2Vec2BertFeatureExtractor(
        feature_size=features.num_mel_bins,
        num_mel_bins=features.num_mel_bins,
        stride=features.stride,
        padding_value=padding_value,
    )
