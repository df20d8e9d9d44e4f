"""Check that what a user adds to a diffusion model fits its UNet, by the configuration of the UNet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from photism.errors import InputError
from photism.library_logging import quiet_libraries

MODELS = {
    768: "Stable Diffusion 1.x",
    1024: "Stable Diffusion 2.x",
    1280: "the refiner of Stable Diffusion XL",
    2048: "Stable Diffusion XL",
}
"""Diffusion models by the width of their prompts."""


def check_prompt_width(width: int, unet_config: Mapping[str, Any], name: str) -> None:
    """Check that a UNet takes prompts of a width.

    Args:
        width: of the prompts that the weights expect.
        unet_config: configuration of the UNet.
        name: the weights in error messages, with their kind: "lora FILE is a LoRA".

    Raises:
        InputError: it takes prompts of another width.
    """
    expected = unet_config.get("cross_attention_dim")
    if width != expected:
        described = f"prompts of width {width}"
        model = f"{MODELS[width]} ({described})" if width in MODELS else described
        raise InputError(f"{name} for {model}; diffusion takes prompts of width {expected}")


def unet_without_weights(unet_config: Mapping[str, Any]) -> Any:
    """Return a UNet on the meta device, whose layers have shapes but no values."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    with torch.device("meta"), quiet_libraries:
        return UNet2DConditionModel.from_config(dict(unet_config))
