"""Model of an alignment: a prompt adapter on a pretrained encoder, saved as an `AudioPromptEncoder`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from photism.prompts.audio_prompt_encoder import AudioPromptEncoder
from photism.prompts.prompt_space import PromptSpace
from photism.training.parameters import merge_lora, prepare_encoder
from photism.training.pretrained import ADAPTER_PREFIX, PretrainedEncoder, select
from photism.training.settings import TRAINABLE_ADAPTERS, AlignSettings

DEFAULT_ADAPTER = "resampler"
POOLED_PREFIX = "pooled_projection."


@dataclass(frozen=True)
class PromptEncoderBuilder:
    """How an `AudioPromptEncoder` for a prompt space is made and saved.

    Attributes:
        space: prompt space of the diffusion model.
        settings: settings of the training.
    """

    space: PromptSpace
    settings: AlignSettings
    encoder_name = "encoder"

    def build(self, pretrained: PretrainedEncoder, *, device: str = "cpu") -> AudioPromptEncoder:
        """Return a model with the weights of the pretrained encoder; on "meta" without weights.

        Of a Photism model the adapter is taken over as well if it has the shape that the prompt space requires.

        Raises:
            InputError: the encoder does not fit its configuration, or more layers are to be frozen than it has.
        """
        settings, space, own = self.settings, self.space, pretrained.prompt_config
        adapter = settings.adapter or (own.adapter if own and own.adapter in TRAINABLE_ADAPTERS else DEFAULT_ADAPTER)
        is_same_adapter = own is not None and own.adapter == adapter
        torch.manual_seed(settings.seed)
        with torch.device(device):
            model = AudioPromptEncoder.for_space(
                space,
                encoder=pretrained.config,
                adapter=adapter,
                adapter_arguments=own.adapter_arguments if own and is_same_adapter else None,
                tokens=settings.tokens or (own.tokens if own and own.tokens < space.length else None),
                num_mel_bins=pretrained.features.num_mel_bins,
                feature_stride=pretrained.features.stride,
                default_diffusion=settings.diffusion,
            )
            if device != "meta":
                pretrained.load_into(model.encoder)
                if is_same_adapter:
                    _load_adapter(model, pretrained)
            model.encoder = prepare_encoder(model.encoder, settings)
        return model

    def min_tokens(self, model: AudioPromptEncoder) -> int:
        """Return the window of a convolutional adapter, or the number of queries of a resampler."""
        return int(getattr(model.adapter, "window", model.config.tokens))

    def save(self, model: AudioPromptEncoder, folder: Path, pretrained: PretrainedEncoder) -> None:
        """Save the model, with LoRA merged."""
        model.encoder = merge_lora(model.encoder)
        model.save_pretrained(folder)


def _load_adapter(model: AudioPromptEncoder, pretrained: PretrainedEncoder) -> None:
    """Copy the adapter of a Photism model, and its pooled projection, if shapes agree."""
    weights = pretrained.read_weights()
    modules: list[tuple[Any, dict[str, Any]]] = [(model.adapter, select(weights, ADAPTER_PREFIX))]
    if model.pooled_projection is not None:
        modules.append((model.pooled_projection, select(weights, POOLED_PREFIX)))
    for module, tensors in modules:
        if {name: tensor.shape for name, tensor in module.state_dict().items()} != {
            name: tensor.shape for name, tensor in tensors.items()
        }:
            return
        module.load_state_dict(tensors)
