"""Which parameters of a model with an encoder are trained, and how fast: freezing, LoRA, layer-wise learning rates."""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor, nn
from transformers import Wav2Vec2BertConfig

from photism.settings import SettingError
from photism.training.settings import TrainingSettings

LORA_ALPHA_PER_RANK = 2
DROPOUTS = ("hidden_dropout", "attention_dropout", "activation_dropout", "final_dropout")
LORA_LAYERS = ["intermediate_dense", "output_dense", "linear_q", "linear_k", "linear_v", "linear_out"]


def configure_dropout(config: Wav2Vec2BertConfig, settings: TrainingSettings) -> Wav2Vec2BertConfig:
    """Return a copy of an encoder's configuration with the dropout and layerdrop of the settings, if they have any."""
    changed = copy.deepcopy(config)
    if settings.dropout is not None:
        for name in DROPOUTS:
            setattr(changed, name, settings.dropout)
    if settings.layerdrop is not None:
        changed.layerdrop = settings.layerdrop
    return changed


def prepare_encoder(encoder: Any, settings: TrainingSettings) -> Any:
    """Return an encoder with frozen layers, LoRA and gradient checkpointing as the settings say.

    Raises:
        SettingError: more layers are to be frozen than there are.
    """
    freeze(encoder, settings.frozen_layers)
    if settings.lora_rank:
        encoder = add_lora(encoder, settings.lora_rank)
    if settings.gradient_checkpointing:
        # Older versions of transformers have the second only, which newer ones warn about.
        enable = getattr(encoder, "activation_checkpointing_enable", None) or encoder.gradient_checkpointing_enable
        enable({"use_reentrant": False})
    return encoder


def freeze(encoder: nn.Module, layers: int) -> None:
    """Freeze the bottom layers of a Wav2Vec2-BERT and what precedes them; -1 freezes all of it.

    Raises:
        SettingError: there are fewer layers.
    """
    model: Any = encoder
    count = len(model.encoder.layers)
    if layers > count:
        raise SettingError("frozen_layers", f"must be at most the encoder's {count} layers; got {layers}")
    frozen: list[nn.Module] = [encoder] if layers == -1 else list(model.encoder.layers[:layers])
    if layers > 0:
        frozen.append(model.feature_projection)
    for module in frozen:
        module.requires_grad_(False)


def add_lora(encoder: nn.Module, rank: int) -> Any:
    """Return the encoder with LoRA adapters on its linear layers, which alone are trained."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=rank, lora_alpha=LORA_ALPHA_PER_RANK * rank, target_modules=LORA_LAYERS)
    model: Any = encoder
    return get_peft_model(model, config)


def merge_lora(encoder: Any) -> Any:
    """Return the encoder with LoRA adapters, if it has any, merged into its weights."""
    return encoder.merge_and_unload() if hasattr(encoder, "merge_and_unload") else encoder


def layer_depths(model: nn.Module, *, encoder: str, layers: int) -> dict[str, int]:
    """Return how many layers each trained parameter is below the top: 0 is the head, 1 the encoder's last layer.

    Args:
        model: model with an encoder.
        encoder: attribute of the model that holds the encoder. An adapter in it counts as the head.
        layers: number of the encoder's layers.
    """
    depths: dict[str, int] = {}
    for name in trained_parameters(model):
        _, is_layer, rest = name.partition("encoder.layers.")
        below = layers + 1 if name.startswith(f"{encoder}.") and ".adapter." not in name else 0
        depths[name] = layers - int(rest.partition(".")[0]) if is_layer else below
    return depths


def layer_learning_rates(
    depths: dict[str, int], *, peak: float, layer_decay: float, encoder_rate: float | None = None
) -> dict[str, float]:
    """Return the peak learning rate of each parameter, which decays with the depth of its layer.

    Args:
        depths: depths of `layer_depths`.
        peak: learning rate at depth 0.
        layer_decay: factor from each layer to the one below.
        encoder_rate: learning rate of the encoder's last layer, as a fraction of `peak`; by default `layer_decay`.

    Source: discriminative fine-tuning, https://arxiv.org/abs/1801.06146, section 3.2.
    """
    fraction = 1.0 if encoder_rate is None else encoder_rate / layer_decay
    return {name: peak * layer_decay**depth * (fraction if depth else 1) for name, depth in depths.items()}


def trained_parameters(model: nn.Module) -> dict[str, Tensor]:
    """Return the parameters that are trained, by name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
