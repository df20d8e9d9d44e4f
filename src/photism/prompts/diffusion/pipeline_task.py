"""Diffusers pipelines of several tasks over the same models."""

from __future__ import annotations

from typing import Any

from photism.errors import InputError
from photism.library_logging import quiet_libraries
from photism.prompts.diffusion.source import fitting_channels
from photism.prompts.settings import Task


def share_models(diffusion: Any, task: Task) -> Any:
    """Return a diffusers pipeline for a task that shares all models with another; the same one if it does the task.

    Args:
        diffusion: a diffusers pipeline with a UNet.
        task: the task.

    Raises:
        InputError: the UNet was not trained for the task, or diffusers has no such pipeline.
    """
    with quiet_libraries:
        from diffusers import AutoPipelineForImage2Image, AutoPipelineForInpainting, AutoPipelineForText2Image

    channels, generated = diffusion.unet.config.in_channels, diffusion.unet.config.out_channels
    if channels not in fitting_channels(task, generated):
        raise InputError(f"this diffusion model has a UNet of {channels} input channels, which is not for {task}")
    automatic: dict[Task, Any] = {
        "text-to-image": AutoPipelineForText2Image,
        "image-to-image": AutoPipelineForImage2Image,
        "inpainting": AutoPipelineForInpainting,
    }
    try:
        shared = automatic[task].from_pipe(diffusion)
    except ValueError:
        raise InputError(
            f"diffusers has no pipeline for {task} with the models of {type(diffusion).__name__}"
        ) from None
    return diffusion if type(shared) is type(diffusion) else shared
