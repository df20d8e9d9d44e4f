"""Default steps and guidance of models that were distilled to a few steps, recognised by their configurations.

| model | recognised by | steps | guidance scale |
|---|---|---|---|
| latent consistency model (arXiv 2310.04378) | UNet with `time_cond_proj_dim` | 4 | 8.5, embedded in the UNet |
| LCM-LoRA, TCD and models merged with them | scheduler LCM or TCD | 4 | 1, off |
| Turbo (arXiv 2311.17042) | Euler scheduler, trailing timesteps, noise prediction, "turbo" in the name | 1 | 1, off |
| Lightning (arXiv 2402.13929) | the same, without the name | 4 | 1, off |

The published pipelines of Turbo and Lightning differ in nothing but the name; Turbo also takes four steps.
LoRA weights may declare their own values in the metadata of their safetensors file: `num_inference_steps`,
`guidance_scale` and `scheduler`, as the settings of these names are written.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, NamedTuple

from photism.errors import InputError
from photism.prompts.diffusion.lora import Lora
from photism.schedulers import DISTILLED_STEPS, SCHEDULERS, is_distilled, parse_scheduler
from photism.settings import SettingError

EMBEDDED_GUIDANCE_SCALE = 8.5
"""Default of diffusers' LatentConsistencyModelPipeline."""
EULER_CLASSES = (SCHEDULERS["euler"], SCHEDULERS["euler-a"])
TURBO_STEPS = 1


class SamplingDefaults(NamedTuple):
    """Default steps and guidance of a pipeline, and the scheduler that they are for; None where nothing declares it."""

    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    scheduler: str | None = None


def sampling_defaults(pipeline: Any) -> SamplingDefaults:
    """Return the steps and guidance scale of a diffusers pipeline that was distilled to a few steps, by its scheduler.

    Args:
        pipeline: a diffusers pipeline with a UNet.
    """
    scheduler = pipeline.scheduler.config
    if has_embedded_guidance(pipeline):
        return SamplingDefaults(DISTILLED_STEPS, EMBEDDED_GUIDANCE_SCALE)
    if is_distilled(pipeline.scheduler):
        return SamplingDefaults(DISTILLED_STEPS, 1.0)
    if (
        type(pipeline.scheduler).__name__ in EULER_CLASSES
        and scheduler.timestep_spacing == "trailing"
        and scheduler.prediction_type == "epsilon"
        and not scheduler.get("rescale_betas_zero_snr")
    ):
        name = PurePath(str(pipeline.config.get("_name_or_path") or "")).name.lower()
        return SamplingDefaults(TURBO_STEPS if "turbo" in name else DISTILLED_STEPS, 1.0)
    return SamplingDefaults()


def has_embedded_guidance(pipeline: Any) -> bool:
    """Return whether the UNet takes the guidance scale as an input, so that there is no negative prompt."""
    return pipeline.unet.config.get("time_cond_proj_dim") is not None


def declared_sampling(loras: tuple[Lora, ...]) -> SamplingDefaults:
    """Return the steps, guidance scale and scheduler that LoRA files declare; of several, the last that declares them.

    Raises:
        InputError: a declared value cannot be used.
    """
    declared = SamplingDefaults()
    for lora in loras:
        try:
            declared = _update(declared, lora.metadata)
        except (SettingError, ValueError) as error:
            raise InputError(f"lora {lora.path} declares sampling that cannot be used: {error}") from error
    return declared


def _update(declared: SamplingDefaults, metadata: Mapping[str, str]) -> SamplingDefaults:
    steps, scale, scheduler = (metadata.get(name) for name in SamplingDefaults._fields)
    if scheduler is not None:
        parse_scheduler(scheduler)
    if steps is not None and int(steps) < 1:
        raise ValueError(f"num_inference_steps must be at least 1; got {steps}")
    return SamplingDefaults(
        declared.num_inference_steps if steps is None else int(steps),
        declared.guidance_scale if scale is None else float(scale),
        scheduler or declared.scheduler,
    )
