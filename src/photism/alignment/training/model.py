"""The model that is trained, from the checkpoints that it starts from to the one that comes out."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from photism.alignment.audio_prompt_encoder import AudioPromptEncoder
from photism.alignment.prompt_space import PromptSpace
from photism.alignment.training.settings import TRAINED_ADAPTERS, AlignSettings
from photism.encoder import Wav2Vec2BertConfig, Wav2Vec2BertModel
from photism.errors import InputError
from photism.training.corpus import FeatureSettings

LORA_ALPHA = 2  # times the rank, as is usual
LORA_LAYERS = ["intermediate_dense", "output_dense", "linear_q", "linear_k", "linear_v", "linear_out"]


def feature_settings(start: AudioPromptEncoder | Wav2Vec2BertModel) -> FeatureSettings:
    """Of the log-mel features that an encoder was made for.

    Raises:
        InputError: the width of its input is no multiple of 80 mel bins.
    """
    if isinstance(start, AudioPromptEncoder):
        return FeatureSettings(start.config.num_mel_bins, start.config.feature_stride)
    bins = FeatureSettings().num_mel_bins
    width: int = start.config.feature_projection_input_dim
    stride, rest = divmod(width, bins)
    if rest or not stride:
        raise InputError(
            f"encoder must take {bins} mel bins, or those of several frames; its feature_projection_input_dim is "
            f"{width}"
        )
    return FeatureSettings(bins, stride)


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
    _freeze(model, settings.frozen_layers)
    if settings.lora_rank:
        _add_lora(model, settings.lora_rank)
    if settings.gradient_checkpointing:
        model.encoder.gradient_checkpointing_enable({"use_reentrant": False})
    return model


def layer_depths(model: AudioPromptEncoder) -> dict[str, int]:
    """How many layers each trained parameter is below the top: 0 is the adapter, 1 the encoder's last layer."""
    layers = model.encoder.config.num_hidden_layers
    depths: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            _, is_layer, rest = name.partition("encoder.layers.")
            below = layers + 1 if name.startswith("encoder.") else 0
            depths[name] = layers - int(rest.partition(".")[0]) if is_layer else below
    return depths


def trained_tensors(model: nn.Module) -> dict[str, Tensor]:
    """The parameters that are trained, by name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def without_lora(model: AudioPromptEncoder) -> AudioPromptEncoder:
    """The model with LoRA's products added to the weights, in place."""
    encoder: Any = model.encoder
    if hasattr(encoder, "merge_and_unload"):
        model.encoder = encoder.merge_and_unload()
    return model


def _freeze(model: AudioPromptEncoder, layers: int) -> None:
    count = len(model.encoder.encoder.layers)
    if layers > count:
        raise InputError(f"frozen_layers must be at most the encoder's {count}; got {layers}")
    frozen: list[nn.Module] = [model.encoder] if layers == -1 else list(model.encoder.encoder.layers[:layers])
    if layers > 0:
        frozen.append(model.encoder.feature_projection)
    for module in frozen:
        module.requires_grad_(False)


def _add_lora(model: AudioPromptEncoder, rank: int) -> None:
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError:
        raise InputError("lora_rank needs peft: pip install 'photism[train]'") from None
    encoder: Any = model.encoder
    config = LoraConfig(r=rank, lora_alpha=LORA_ALPHA * rank, target_modules=LORA_LAYERS)
    model.encoder = cast("Any", get_peft_model(encoder, config))


def _same_shapes(one: nn.Module, other: nn.Module) -> bool:
    shapes = [{name: tensor.shape for name, tensor in each.state_dict().items()} for each in (one, other)]
    return type(one) is type(other) and shapes[0] == shapes[1]
