"""Find LoRA weights and load them into a diffusers pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from photism.errors import as_input_error
from photism.library_logging import quiet_libraries
from photism.prompts.diffusion.adapter_file import adapter_file
from photism.prompts.diffusion.lora_check import check_lora
from photism.prompts.diffusion.lora_weights import name_loras
from photism.prompts.plain_text import TEXT_ENCODERS
from photism.prompts.settings import PipelineSettings
from photism.weights import check_values


@dataclass(frozen=True)
class Lora:
    """LoRA weights that were checked and fit a UNet.

    Attributes:
        name: by which the weights can be changed later, as `name_loras` says.
        path: their file.
        weight: factor that they are scaled by.
        metadata: texts that the file carries.
    """

    name: str
    path: Path
    weight: float
    metadata: Mapping[str, str]


def find_loras(settings: PipelineSettings, unet_config: Mapping[str, Any]) -> tuple[Lora, ...]:
    """Find LoRA files and check that they fit a UNet.

    A file that is given several times has the sum of its weights.

    Args:
        settings: of the pipeline.
        unet_config: configuration of the UNet.

    Raises:
        InputError: a file cannot be found or read, is for another model or of another kind, or changes no image.
    """
    weights: dict[Path, float] = {}
    names: dict[Path, str] = {}
    by_source = name_loras(source for source, _ in settings.loras)
    for source, weight in settings.loras:
        path = adapter_file("lora", str(source)).resolve()
        weights[path] = weights.get(path, 0.0) + weight
        names.setdefault(path, by_source[source])
    return tuple(Lora(names[path], path, weight, check_lora(path, unet_config)) for path, weight in weights.items())


def add_loras(pipeline: Any, loras: tuple[Lora, ...]) -> None:
    """Load LoRA weights into the UNet and the text encoders of a pipeline, and scale each.

    Raises:
        InputError: they cannot be loaded.
    """
    if not loras:
        return
    for lora in loras:
        with as_input_error(f"lora {lora.path} cannot be loaded"), quiet_libraries:
            pipeline.load_lora_weights(str(lora.path), adapter_name=lora.name, use_safetensors=True)
    for component in ("unet", *TEXT_ENCODERS):
        if getattr(pipeline, component, None) is not None:
            sources = ", ".join(str(lora.path) for lora in loras)
            check_values(getattr(pipeline, component), f"{component} with lora {sources}")
    pipeline.set_adapters([lora.name for lora in loras], [lora.weight for lora in loras])
