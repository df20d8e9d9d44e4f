"""Apply the settings that change a diffusers pipeline after it was loaded."""

from __future__ import annotations

from typing import Any

import torch

from photism.prompts.diffusion.lora import add_loras
from photism.prompts.diffusion.source import DiffusionSource
from photism.schedulers import parse_scheduler


def finish_diffusion(pipeline: Any, source: DiffusionSource, *, device: torch.device) -> None:
    """Apply scheduler, LoRA weights, attention slicing, compilation and offloading to a loaded pipeline.

    Raises:
        InputError: LoRA weights are not for this pipeline.
    """
    settings = source.settings
    add_loras(pipeline, source.loras)
    if settings.scheduler is not None:
        pipeline.scheduler = parse_scheduler(settings.scheduler).apply(pipeline.scheduler.config)
    if settings.attention_slicing:
        pipeline.enable_attention_slicing()
    if settings.compile:
        pipeline.unet.compile()
    if settings.offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    elif settings.offload == "sequential":
        pipeline.enable_sequential_cpu_offload(device=device)
