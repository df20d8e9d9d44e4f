"""Which weights of a model with an encoder are trained, and how fast each of its layers."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from photism.errors import InputError

LORA_ALPHA = 2  # times the rank, as is usual
LORA_LAYERS = ["intermediate_dense", "output_dense", "linear_q", "linear_k", "linear_v", "linear_out"]


def freeze(encoder: nn.Module, layers: int) -> None:
    """Keeps the lowest layers of a Wav2Vec2-BERT as they are, and what lies before them; -1: all of it.

    Raises:
        InputError: there are fewer layers.
    """
    model: Any = encoder
    count = len(model.encoder.layers)
    if layers > count:
        raise InputError(f"frozen_layers must be at most the encoder's {count}; got {layers}")
    frozen: list[nn.Module] = [encoder] if layers == -1 else list(model.encoder.layers[:layers])
    if layers > 0:
        frozen.append(model.feature_projection)
    for module in frozen:
        module.requires_grad_(False)


def add_lora(encoder: nn.Module, rank: int) -> Any:
    """The encoder, of whose linear layers only products of this rank are trained beside what they are."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=rank, lora_alpha=LORA_ALPHA * rank, target_modules=LORA_LAYERS)
    model: Any = encoder
    return get_peft_model(model, config)


def without_lora(encoder: Any) -> Any:
    """The encoder with LoRA's products, where it has them, added to the weights."""
    return encoder.merge_and_unload() if hasattr(encoder, "merge_and_unload") else encoder


def layer_depths(model: nn.Module, *, encoder: str, layers: int) -> dict[str, int]:
    """How many layers each trained parameter is below the top: 0 is the head, 1 the encoder's last layer.

    Args:
        model: whose names these are.
        encoder: its name within the model.
        layers: of it.
    """
    depths: dict[str, int] = {}
    for name in trained_tensors(model):
        _, is_layer, rest = name.partition("encoder.layers.")
        below = layers + 1 if name.startswith(f"{encoder}.") else 0
        depths[name] = layers - int(rest.partition(".")[0]) if is_layer else below
    return depths


def learning_rates(depths: dict[str, int], *, highest: float, layer_decay: float) -> dict[str, float]:
    """Of each parameter: `highest` at the top, and less for each layer below (1801.06146, section 3.2)."""
    return {name: highest * layer_decay**depth for name, depth in depths.items()}


def trained_tensors(model: nn.Module) -> dict[str, Tensor]:
    """The parameters that are trained, by name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
