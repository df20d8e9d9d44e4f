"""What a diffusion pipeline is called with, checked against what it takes before anything is drawn."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any, TypeAlias

from photism.drawing.conditioning_images import ConditioningImages
from photism.errors import InputError

Parameters: TypeAlias = "Mapping[str, inspect.Parameter]"

OURS = frozenset(
    {
        "prompt",
        "prompt_embeds",
        "pooled_prompt_embeds",
        "negative_prompt",
        "negative_prompt_embeds",
        "negative_pooled_prompt_embeds",
        "num_images_per_prompt",
        "num_inference_steps",
        "guidance_scale",
        "image",
        "mask_image",
        "control_image",
        "strength",
        "height",
        "width",
        "generator",
        "latents",
        "output_type",
        "return_dict",
        "callback_on_step_end",
    }
)
"""Arguments that are decided here, and so not to be had through `diffusion_arguments`."""


def call_parameters(diffusion: Any) -> Parameters:
    """What a diffusion pipeline takes.

    Raises:
        InputError: no prompts.
    """
    parameters = inspect.signature(diffusion.__call__).parameters
    takes_prompts = {"prompt_embeds", "negative_prompt_embeds"} <= parameters.keys()
    if getattr(diffusion, "unet", None) is None or not takes_prompts:
        raise InputError(
            f"diffusion must be a diffusers pipeline with a UNet that takes prompt_embeds; got {_name(diffusion)}"
        )
    return parameters


def control_name(parameters: Parameters) -> str:
    """What a pipeline calls its ControlNet's picture: `image` where it starts from no other one."""
    return "control_image" if "control_image" in parameters else "image"


def call_arguments(
    diffusion: Any,
    parameters: Parameters,
    *,
    num_inference_steps: int,
    given: ConditioningImages,
    strength: float | None,
    size: tuple[int | None, int | None],
    further: Mapping[str, Any],
) -> dict[str, Any]:
    """The arguments that not every pipeline takes; the pictures themselves are only checked, and go in batch by batch.

    Args:
        diffusion: a diffusers pipeline.
        parameters: of its call.
        num_inference_steps: that it is given.
        given: the pictures.
        strength: how far to go from the one to start from.
        size: height and width, in pixels.
        further: arguments to be passed on as they are.

    Raises:
        InputError: one cannot be used, or something is missing.
    """
    _check_pictures(given, diffusion, parameters)
    return {
        **_strength(strength, num_inference_steps, diffusion, parameters),
        **_size(*size, given, diffusion, parameters),
        **_further(further, diffusion, parameters),
    }


def read_guidance_scale(guidance_scale: float | None, *, default: float, without: bool) -> float:
    """How strongly to go from the negative to the sound.

    Args:
        guidance_scale: what was asked for, if anything.
        default: what is taken where nothing was.
        without: there is no negative to go away from.

    Raises:
        InputError: below 0 or not finite, or there is nothing to go away from.
    """
    if without:
        if guidance_scale is not None and guidance_scale > 1:
            raise InputError(
                f"guidance_scale must be left out, or at most 1, with negative 'none'; got {guidance_scale}"
            )
        return 1.0
    scale = default if guidance_scale is None else guidance_scale
    if not (scale >= 0 and math.isfinite(scale)):
        raise InputError(f"guidance_scale must be 0 or more, and a number; got {scale}")
    return scale


def check_count(name: str, count: int) -> None:
    """That there is at least one of what a parameter counts.

    Raises:
        InputError: there is none.
    """
    if count < 1:
        raise InputError(f"{name} must be at least 1; got {count}")


def read_size(height: int | None, width: int | None) -> tuple[int, int] | None:
    """Height and width; None where neither is given. A single one, diffusers would leave out of account.

    Raises:
        InputError: there is one without the other.
    """
    if height is None and width is None:
        return None
    if height is None or width is None:
        raise InputError("height and width must be given together")
    return height, width


def check_strength(strength: float, num_inference_steps: int | None) -> None:
    """That a strength goes away from the picture to start from, in at least one step.

    Args:
        strength: how far.
        num_inference_steps: of which it is the share that is done; None where that is not known yet.

    Raises:
        InputError: it does not.
    """
    if not 0 < strength <= 1:
        raise InputError(f"strength must be above 0, the image itself, and at most 1, nothing of it; got {strength}")
    if num_inference_steps is not None and int(num_inference_steps * strength) < 1:
        raise InputError(
            f"strength {strength} leaves none of num_inference_steps={num_inference_steps}; raise one of them"
        )


def _further(arguments: Mapping[str, Any], diffusion: Any, parameters: Parameters) -> Mapping[str, Any]:
    for name in arguments:
        if name in OURS:
            raise InputError(f"diffusion_arguments must not hold {name}, which Photism decides")
        if name not in parameters:
            raise InputError(f"diffusion_arguments holds {name}, which {_name(diffusion)} does not take")
    return arguments


def _size(
    height: int | None, width: int | None, given: ConditioningImages, diffusion: Any, parameters: Parameters
) -> dict[str, int]:
    """Where no size is given, that of the picture to start from.

    The pipelines that inpaint would squeeze it into the size that their UNet was trained on.
    """
    unit = max(8, diffusion.vae_scale_factor)  # pixels
    size = read_size(height, width)
    if size is None:
        if given.image is None or "height" not in parameters:
            return {}
        size = given.image.height - given.image.height % unit, given.image.width - given.image.width % unit
    for name, side in zip(("height", "width"), size, strict=True):
        if side < unit or side % unit:
            raise InputError(f"{name} must be a multiple of {unit} pixels; got {side}")
        if name not in parameters:
            raise InputError(f"{name} must be left out: {_name(diffusion)} takes that of the image it is given")
    return {"height": size[0], "width": size[1]}


def _check_pictures(given: ConditioningImages, diffusion: Any, parameters: Parameters) -> None:
    """That a pipeline is given the pictures that it draws from, and no others."""
    controlled = getattr(diffusion, "controlnet", None) is not None
    starts = "image" in parameters and not (controlled and control_name(parameters) == "image")
    for name, picture, taken, remedy in (
        ("image", given.image, starts, "task='image-to-image'"),
        ("mask_image", given.mask_image, "mask_image" in parameters, "task='inpainting'"),
        ("control_image", given.control_image, controlled, "a controlnet"),
    ):
        if taken and picture is None:
            raise InputError(f"{name} is missing: {_name(diffusion)} draws from one")
        if picture is not None and not taken:
            raise InputError(f"{name} must be left out: {_name(diffusion)} takes none; load it with {remedy}")
    nets = len(getattr(diffusion.controlnet, "nets", (None,))) if controlled else 1
    pictures = len(given.control_image) if isinstance(given.control_image, list) else 1
    if pictures != nets:
        raise InputError(f"control_image must be a list of {nets} pictures, one for each ControlNet; got {pictures}")


def _strength(strength: float | None, steps: int, diffusion: Any, parameters: Parameters) -> dict[str, float]:
    """How far to go from the picture to start from; the pipelines do that share of the steps, or fail if it is none."""
    if "strength" not in parameters:
        if strength is not None:
            raise InputError(f"strength must be left out: {_name(diffusion)} starts from noise")
        return {}
    chosen: float = parameters["strength"].default if strength is None else strength
    check_strength(chosen, steps)
    return {"strength": chosen}


def _name(diffusion: Any) -> str:
    return type(diffusion).__name__
