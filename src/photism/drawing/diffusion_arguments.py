"""Further arguments of a diffusers pipeline: those that it would ignore in silence are refused before it is called."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sized
from typing import Any, TypeAlias

from photism.errors import InputError
from photism.schedulers import set_timesteps
from photism.settings import SettingError

Parameters: TypeAlias = "Mapping[str, inspect.Parameter]"

RESERVED = frozenset(
    {
        "prompt",
        "prompt_2",
        "prompt_embeds",
        "pooled_prompt_embeds",
        "negative_prompt",
        "negative_prompt_2",
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
        "callback_on_step_end_tensor_inputs",
    }
)
"""Arguments of a diffusers pipeline that Photism sets, and that `diffusion_arguments` must not contain."""

CUSTOM_STEPS = ("timesteps", "sigmas")
"""Arguments that list the steps, in place of their number."""

IP_ADAPTER_ARGUMENTS = ("ip_adapter_image", "ip_adapter_image_embeds")


def count_steps(arguments: Mapping[str, Any], given: int | None, default: int) -> int:
    """Return the number of denoising steps: that of `timesteps` or `sigmas`, if they are given.

    Args:
        arguments: further arguments of the diffusers pipeline.
        given: number of steps, or None.
        default: number of steps if nothing else gives it.

    Raises:
        InputError: timesteps and sigmas are given together, are no list, or are not as many as the number of steps.
    """
    lists = {name: arguments[name] for name in CUSTOM_STEPS if arguments.get(name) is not None}
    if not lists:
        return given or default
    if len(lists) > 1:
        raise InputError("diffusion_arguments must contain either timesteps or sigmas, not both")
    ((name, values),) = lists.items()
    count = len(values) if isinstance(values, Sized) else 0
    if not count:
        raise InputError(f"diffusion_arguments must contain {name} as a list of numbers; got {values!r}")
    if given not in (None, count):
        raise SettingError(
            "num_inference_steps",
            f"must be {count}, the number of {name} in diffusion_arguments, or omitted; got {given}",
        )
    return count


def check_diffusion_arguments(
    arguments: Mapping[str, Any], diffusion: Any, parameters: Parameters, *, is_guided: bool
) -> None:
    """Check further arguments of a diffusers pipeline.

    Args:
        arguments: the arguments by name.
        diffusion: the pipeline.
        parameters: of its call.
        is_guided: whether images are generated with classifier-free guidance.

    Raises:
        InputError: Photism sets one itself, the pipeline does not take it, or it would have no effect.
    """
    name = type(diffusion).__name__
    taken = {each.name for each in parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD}
    for argument, value in arguments.items():
        if argument in RESERVED:
            raise InputError(f"diffusion_arguments must not contain {argument}, which Photism sets")
        if argument not in taken:
            raise InputError(f"diffusion_arguments contains {argument}, which {name} does not take")
        is_default = value is None or (isinstance(value, int | float) and value == parameters[argument].default)
        reason = None if is_default else _no_effect(argument, arguments, diffusion, taken, is_guided=is_guided)
        if reason is not None:
            raise InputError(f"diffusion_arguments must not contain {argument}, which has no effect: {reason}")
    custom = {each: arguments[each] for each in CUSTOM_STEPS if arguments.get(each) is not None}
    try:
        set_timesteps(diffusion.scheduler, **custom)
    except SettingError as error:
        raise InputError(f"diffusion_arguments: {error}") from error
    _check_attention_arguments(arguments.get("cross_attention_kwargs") or {}, diffusion)


def _no_effect(
    argument: str, arguments: Mapping[str, Any], diffusion: Any, taken: set[str], *, is_guided: bool
) -> str | None:
    """Return why a pipeline would ignore an argument, or None if it does not."""
    scheduler = diffusion.scheduler
    if argument == "clip_skip":
        return "the prompt comes from the audio encoder, not from layers of the text encoder"
    if argument == "eta" and "eta" not in inspect.signature(scheduler.step).parameters:
        return f"{type(scheduler).__name__} takes none; the schedulers ddim and tcd do"
    if argument in IP_ADAPTER_ARGUMENTS and not has_ip_adapter(diffusion):
        return "no IP-Adapter is loaded"
    if (argument == "guidance_rescale" or argument.startswith("negative_")) and not is_guided:
        return "images are generated without guidance"
    if argument in ("aesthetic_score", "negative_aesthetic_score") and not diffusion.config.requires_aesthetics_score:
        return "the model was not trained with it (requires_aesthetics_score)"
    # Pipelines that have no aesthetic score take the negative sizes only together.
    pair = ("negative_original_size", "negative_target_size")
    is_negative_size = argument in (*pair, "negative_crops_coords_top_left")
    if is_negative_size and "aesthetic_score" not in taken and any(arguments.get(each) is None for each in pair):
        return f"{' and '.join(pair)} must be given together"
    return None


def has_ip_adapter(diffusion: Any) -> bool:
    """Return whether a pipeline has an IP-Adapter, which needs an image or its embedding for each call."""
    return hasattr(getattr(diffusion.unet, "encoder_hid_proj", None), "image_projection_layers")


def _check_attention_arguments(arguments: Mapping[str, Any], diffusion: Any) -> None:
    """Check arguments of attention processors, of which diffusers ignores the unknown ones with a logged warning.

    Raises:
        InputError: no processor of the UNet takes one of them.
    """
    processors = getattr(diffusion.unet, "attn_processors", {}).values()
    taken = {name for each in processors for name in inspect.signature(each.__call__).parameters}
    taken -= {"attn", "hidden_states", "encoder_hidden_states", "attention_mask", "temb", "args", "kwargs", "scale"}
    if getattr(diffusion.unet, "peft_config", None):
        taken.add("scale")
    if has_ip_adapter(diffusion):
        taken.add("ip_adapter_masks")
    for name in arguments:
        if name not in taken:
            known = f"they take {', '.join(sorted(taken))}" if taken else "they take none"
            raise InputError(f"cross_attention_kwargs contains {name}, which the UNet's processors ignore: {known}")
