"""A pipeline that draws in a few steps next to one that takes its time, for pictures that follow a sound.

Both share all models but the UNet, which for the one is the other's with the LCM-LoRA of the model folder added.
"""

from __future__ import annotations

from copy import copy, deepcopy
from pathlib import Path
from typing import TYPE_CHECKING

from photism.prompts.settings import PipelineSettings

if TYPE_CHECKING:
    from photism.drawing.pipeline import AudioToImagePipeline

LCM = "lcm"
"""Scheduler of the few steps."""


def allows_lcm(settings: PipelineSettings) -> bool:
    """Return whether an LCM-LoRA of the model folder may be added to a copy of the UNet.

    It is for the folder's own diffusion model. A scheduler that is given stays; a compiled or offloaded UNet is not
    copied.
    """
    is_plain = settings.scheduler is None and settings.diffusion is None
    return is_plain and not settings.compile and settings.offload is None


def has_lcm(settings: PipelineSettings) -> bool:
    """Return whether `few_step_pipeline` will use an LCM-LoRA, as far as the files on this machine show.

    Nothing is loaded and nothing is fetched.
    """
    from huggingface_hub import try_to_load_from_cache

    from photism.hub import bundled_model
    from photism.prompts.diffusion.lcm import FILE

    if not allows_lcm(settings):
        return False
    folder = bundled_model() if settings.model is None else Path(settings.model)
    if folder.is_dir():
        return (folder / FILE).is_file()
    return isinstance(try_to_load_from_cache(str(settings.model), FILE.as_posix()), str)


def few_step_pipeline(pipeline: AudioToImagePipeline) -> AudioToImagePipeline:
    """Return a pipeline that draws in a few steps; the same one if it does already, or if its model has no LCM-LoRA.

    Args:
        pipeline: a pipeline that was loaded with `from_pretrained`. It stays as it is.

    Raises:
        InputError: the LCM-LoRA is damaged or for another UNet.
    """
    from photism.drawing.pipeline import AudioToImagePipeline
    from photism.prompts.diffusion.lcm import GUIDANCE_SCALE, merge_lcm, read_lcm
    from photism.prompts.diffusion.sampling_defaults import sampling_defaults
    from photism.prompts.model_folder import find_model
    from photism.schedulers import parse_scheduler

    settings, diffusion = pipeline.settings, pipeline.diffusion
    is_distilled = sampling_defaults(diffusion).num_inference_steps is not None
    if settings is None or not allows_lcm(settings) or is_distilled:
        return pipeline
    lcm = read_lcm(find_model(settings.model))
    if lcm is None:
        return pipeline
    unet = deepcopy(diffusion.unet)
    merge_lcm(unet, lcm)
    few_step = copy(diffusion)
    scheduler = parse_scheduler(LCM).apply(diffusion.scheduler.config)
    vars(few_step).update(unet=unet, scheduler=scheduler)  # setting attributes would change the shared configuration
    return AudioToImagePipeline(
        pipeline.encoder,
        few_step,
        num_inference_steps=lcm.num_inference_steps,
        guidance_scale=GUIDANCE_SCALE,
        captions=pipeline.captions,
        settings=settings,
    )
