"""The model that is trained, from the checkpoints that it starts from to the one that comes out."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn
from transformers import Wav2Vec2BertConfig

from photism.encoder.model import Wav2Vec2BertModel
from photism.prompts.audio_prompt_encoder import AudioPromptEncoder
from photism.prompts.prompt_space import PromptSpace
from photism.training.align.settings import TRAINED_ADAPTERS, AlignSettings
from photism.training.pretrained import feature_settings
from photism.training.trainable import add_lora, freeze


def build_model(
    start: AudioPromptEncoder | Wav2Vec2BertModel, space: PromptSpace, settings: AlignSettings
) -> AudioPromptEncoder:
    """A model for a prompt space, with the weights that it starts from.

    Args:
        start: a bare encoder, or a model whose adapter is taken too, where it fits the space.
        space: where the prompts are to go.
        settings: `adapter`, `tokens`, `seed`, and what is trained of the encoder.

    Raises:
        InputError: more layers are to be frozen than there are.
    """
    own = start.config if isinstance(start, AudioPromptEncoder) else None
    encoder = start.encoder if isinstance(start, AudioPromptEncoder) else start
    adapter = settings.adapter or (own.adapter if own and own.adapter in TRAINED_ADAPTERS else "resampler")
    tokens = settings.tokens or (own.tokens if own and own.tokens < space.length else None)
    features = feature_settings(start)
    torch.manual_seed(settings.seed)
    with torch.device("cpu"):
        model = AudioPromptEncoder.for_space(
            space,
            encoder=cast("Wav2Vec2BertConfig", encoder.config),
            adapter=adapter,
            adapter_arguments=own.adapter_arguments if own and own.adapter == adapter else None,
            tokens=tokens,
            num_mel_bins=features.num_mel_bins,
            feature_stride=features.stride,
            default_diffusion=settings.diffusion,
        )
    model.encoder.load_state_dict(encoder.state_dict())
    if isinstance(start, AudioPromptEncoder) and _same_shapes(start.adapter, model.adapter):
        model.adapter.load_state_dict(start.adapter.state_dict())
        if start.pooled_projection is not None and model.pooled_projection is not None:
            model.pooled_projection.load_state_dict(start.pooled_projection.state_dict())
    freeze(model.encoder, settings.frozen_layers)
    if settings.lora_rank:
        model.encoder = add_lora(model.encoder, settings.lora_rank)
    if settings.gradient_checkpointing:
        model.encoder.gradient_checkpointing_enable({"use_reentrant": False})
    return model


def _same_shapes(one: nn.Module, other: nn.Module) -> bool:
    shapes = [{name: tensor.shape for name, tensor in each.state_dict().items()} for each in (one, other)]
    return type(one) is type(other) and shapes[0] == shapes[1]
