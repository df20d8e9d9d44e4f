"""Apply the settings that change a diffusers pipeline after it was loaded."""

from __future__ import annotations

from typing import Any

import torch

from photism.prompts.diffusion.ip_adapter import add_ip_adapter
from photism.prompts.diffusion.lora import add_loras
from photism.prompts.diffusion.sampling_defaults import SamplingDefaults, declared_sampling, sampling_defaults
from photism.prompts.diffusion.source import DiffusionSource
from photism.prompts.diffusion.textual_inversion import add_embeddings
from photism.schedulers import is_distilled, parse_scheduler


def finish_diffusion(pipeline: Any, source: DiffusionSource, *, device: torch.device) -> SamplingDefaults:
    """Apply scheduler, LoRA weights, attention slicing, compilation and offloading to a loaded pipeline.

    Returns:
        The steps and guidance scale that the pipeline is to be used with, as far as it or a LoRA declares them.

    Raises:
        InputError: LoRA weights are not for this pipeline.
    """
    settings = source.settings
    add_loras(pipeline, source.loras)
    add_embeddings(pipeline, source.embeddings)
    add_ip_adapter(pipeline, source.ip_adapter)
    defaults = _apply_scheduler(pipeline, source)
    if settings.attention_slicing:
        pipeline.enable_attention_slicing()
    if settings.compile:
        pipeline.unet.compile()
    if settings.offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    elif settings.offload == "sequential":
        pipeline.enable_sequential_cpu_offload(device=device)
    return defaults


def _apply_scheduler(pipeline: Any, source: DiffusionSource) -> SamplingDefaults:
    """Replace the scheduler by the one that is set or that a LoRA declares; return the resulting defaults."""
    if getattr(pipeline, "unet", None) is None:  # loaded for its text encoder alone
        return SamplingDefaults()
    declared, own = declared_sampling(source.loras), sampling_defaults(pipeline)
    chosen = source.settings.scheduler or declared.scheduler
    if chosen is not None:
        pipeline.scheduler = parse_scheduler(chosen).apply(pipeline.scheduler.config)
        if own.num_inference_steps is None:  # what was distilled stays so with any scheduler
            own = sampling_defaults(pipeline) if is_distilled(pipeline.scheduler) else own
    steps, scale, _ = declared
    return SamplingDefaults(
        own.num_inference_steps if steps is None else steps, own.guidance_scale if scale is None else scale, chosen
    )
