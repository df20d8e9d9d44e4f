"""Weights of the LoRAs that a diffusers pipeline has, changed for the time of a call."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from photism.locks import lock_of_models
from photism.prompts.lora_layers import lora_layers
from photism.prompts.plain_text import TEXT_ENCODERS
from photism.prompts.settings import PipelineSettings
from photism.settings import SettingError

GENERIC_NAME = "pytorch_lora_weights"
"""File name of diffusers, which says nothing: the LoRA is called by its folder or repository."""
# fmt: off
MODULE_ATTRIBUTES = frozenset(
    {
        "T_destination", "add_module", "apply", "bfloat16", "buffers", "call_super_init", "children", "clear",
        "compile", "copy", "cpu", "cuda", "double", "dump_patches", "eval", "extra_repr", "float", "forward",
        "fromkeys", "get", "get_buffer", "get_extra_state", "get_parameter", "get_submodule", "half", "ipu", "items",
        "keys", "load_state_dict", "modules", "mtia", "named_buffers", "named_children", "named_modules",
        "named_parameters", "parameters", "pop", "popitem", "register_backward_hook", "register_buffer",
        "register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook",
        "register_full_backward_pre_hook", "register_load_state_dict_post_hook", "register_load_state_dict_pre_hook",
        "register_module", "register_parameter", "register_state_dict_post_hook", "register_state_dict_pre_hook",
        "requires_grad_", "set_extra_state", "set_submodule", "setdefault", "share_memory", "smart_apply", "state_dict",
        "to", "to_empty", "train", "training", "type", "update", "values", "xpu", "zero_grad",
    }
)
# fmt: on
"""Public attributes of torch's `ModuleDict` and `ParameterDict`, `smart_apply` of transformers among them, for a server
that has not imported torch yet."""


def name_loras(sources: Iterable[str | Path]) -> dict[str | Path, str]:
    """Return a name for each source of LoRA weights: that of its file, folder or repository, without a suffix.

    PEFT, which keeps the weights under these names in dictionaries of modules, allows no dots and no names of their
    attributes: half.safetensors is called lora-half. The second of a name is called NAME-2.
    """
    names: dict[str | Path, str] = {}
    for source in sources:
        path = Path(source)
        stem = path.name.removesuffix(".safetensors")
        stem = path.parent.name if stem == GENERIC_NAME else stem
        plain, taken = re.sub(r"[^\w+-]+", "-", stem).strip("-") or "lora", names.values()
        if plain in MODULE_ATTRIBUTES or plain.startswith("_"):
            plain = f"lora-{plain}"
        numbered = (plain if number == 1 else f"{plain}-{number}" for number in range(1, len(names) + 2))
        names[source] = next(name for name in numbered if name not in taken)
    return names


def default_weights(settings: PipelineSettings) -> dict[str, float]:
    """Return the weight of each LoRA that a pipeline is loaded with, by its name."""
    weights: dict[str | Path, float] = {}
    for source, weight in settings.loras:
        weights[source] = weights.get(source, 0.0) + weight
    names = name_loras(weights)
    return {names[source]: weight for source, weight in weights.items()}


def check_lora_names(given: Iterable[str], known: Iterable[str]) -> None:
    """Check that a pipeline has the LoRAs of some names.

    Raises:
        SettingError: it has none of a name.
    """
    names = list(dict.fromkeys(known))
    for name in given:
        if name not in names:
            listed = f"it has {', '.join(names)}" if names else "it has none"
            raise SettingError("lora_weights", f"must name LoRAs that the model was loaded with; {listed}, not {name}")


class LoraWeights:
    """Other weights of the LoRAs of a diffusers pipeline, which they have within `applied` only.

    Args:
        diffusion: the pipeline.
        weights: new weight of each LoRA that is changed, by its name; 0 leaves it out.

    Raises:
        SettingError: the pipeline has no LoRA of a name.
    """

    def __init__(self, diffusion: Any, weights: Mapping[str, float] | None) -> None:
        models = [getattr(diffusion, name, None) for name in ("unet", *TEXT_ENCODERS)]
        weights = weights or {}
        check_lora_names(weights, (name for model in models for name in getattr(model, "peft_config", None) or ()))
        self._diffusion = diffusion
        with lock_of_models(diffusion):
            self._scalings = [
                (layer, name, _scaling(layer, name, weight))
                for model in models
                if weights and model is not None
                for layer in lora_layers(model)
                for name, weight in weights.items()
                if name in layer.scaling
            ]

    @contextmanager
    def applied(self) -> Generator[None]:
        """Let the LoRAs have these weights within the block, in which no other thread uses the models."""
        if not self._scalings:  # and no reason to wait for other threads
            yield
            return
        with lock_of_models(self._diffusion), self._swapped():
            yield

    @contextmanager
    def suspended(self) -> Generator[None]:
        """Let the LoRAs have their own weights within a block inside `applied`, where this thread may draw others."""
        with self._swapped():
            yield

    @contextmanager
    def _swapped(self) -> Generator[None]:
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        """Exchange the scaling factors of the layers with those that are kept here."""
        for number, (layer, name, scaling) in enumerate(self._scalings):
            self._scalings[number] = layer, name, layer.scaling[name]
            layer.scaling[name] = scaling


def _scaling(layer: Any, name: str, weight: float) -> float:
    """Return the factor by which a layer scales a LoRA of a weight, and leave the layer as it is."""
    before = layer.scaling[name]
    layer.set_scale(name, weight)
    scaling, layer.scaling[name] = layer.scaling[name], before
    return scaling
