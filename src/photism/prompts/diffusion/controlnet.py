"""Find, check and load a ControlNet."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from pathlib import Path
from typing import Any

import torch

from photism.errors import InputError, as_input_error
from photism.hub import fetch_file
from photism.json_files import read_json_object
from photism.prompts.diffusion.conversion import check_accelerate, convert
from photism.prompts.diffusion.file_kinds import CONTROLNET, recognise, refuse
from photism.prompts.diffusion.pickled import weights_file
from photism.prompts.diffusion.single_file_configs import Config, controlnet_sizes
from photism.prompts.diffusion.variants import choose_variant
from photism.weights import check_component, default_files, read_headers

CONTROLNET_CLASS = "ControlNetModel"
XL_ORIGINAL = "label_emb.0.0.weight"
"""End of the name of a tensor that only ControlNets for SD XL have, in the layout of the original implementation."""


def controlnet_config(controlnet: Any, unet: Mapping[str, Any]) -> Config:
    """Return the configuration of a ControlNet.

    Args:
        controlnet: file, folder, hub id, or the model itself.
        unet: configuration of the UNet, whose encoder a ControlNet copies; a file has no configuration of its own.

    Raises:
        InputError: it is not a ControlNet, or cannot be found.
    """
    if not isinstance(controlnet, str | Path):
        return _model_config(controlnet)
    name, file = f"controlnet {controlnet}", weights_file("controlnet", str(controlnet))
    if file is not None:
        return _file_config(file, name, unet)
    config = read_json_object(_config_path(str(controlnet)), name)
    if config.get("_class_name") != CONTROLNET_CLASS:
        raise InputError(f"controlnet must be a {CONTROLNET_CLASS}; {controlnet} holds {config.get('_class_name')}")
    return config


def load_controlnet(
    controlnet: Any, config: Config, *, variant: str | None, dtype: torch.dtype, arguments: Mapping[str, Any]
) -> Any:
    """Load a ControlNet.

    Args:
        controlnet: file, folder, hub id, or the model itself, which is returned as it is.
        config: from `controlnet_config`.
        variant: of the weights in a folder, if it has that one.
        dtype: of the loaded weights.
        arguments: further arguments of `from_pretrained`.

    Raises:
        InputError: it is damaged.
    """
    from diffusers.models.controlnets.controlnet import ControlNetModel

    if not isinstance(controlnet, str | Path):
        return controlnet
    name, folder, file = f"controlnet {controlnet}", Path(controlnet), weights_file("controlnet", str(controlnet))
    if file is not None:
        return convert(ControlNetModel, str(file), config, name, dtype=dtype)
    variant = choose_variant(name, str(controlnet), _config_path(str(controlnet)), parts=[""], asked=variant)
    if files := default_files(folder, variant):
        check_component(ControlNetModel, folder, files, name)
    with as_input_error(f"{name} cannot be loaded"):
        return ControlNetModel.from_pretrained(str(controlnet), variant=variant, dtype=dtype, **arguments)


def _model_config(controlnet: Any) -> Config:
    from diffusers.models.controlnets.controlnet import ControlNetModel

    if not isinstance(controlnet, ControlNetModel):
        raise InputError(f"controlnet must be a {CONTROLNET_CLASS}; got a {type(controlnet).__name__}")
    return dict(controlnet.config)


def _config_path(controlnet: str) -> Path:
    """Return the configuration of a ControlNet in a folder or hub repository, on this machine."""
    if Path(controlnet).is_dir():
        return Path(controlnet, "config.json")
    return fetch_file("controlnet", controlnet, "config.json")[1]


def _file_config(file: Path, name: str, unet: Mapping[str, Any]) -> Config:
    """Return the configuration of the ControlNet in a file: that of its UNet, but for what the file's tensors show."""
    from diffusers.models.controlnets.controlnet import ControlNetModel

    headers = read_headers([file], name)
    kind = recognise(headers)
    if kind != CONTROLNET:
        raise refuse("controlnet", file, kind)
    if any(key.endswith(XL_ORIGINAL) for key in headers):
        raise InputError(
            f"{name} is for Stable Diffusion XL in the original layout, which diffusers does not convert; give it in "
            "the layout of diffusers"
        )
    check_accelerate()
    shared = {key: unet[key] for key in signature(ControlNetModel.__init__).parameters if key in unet}
    with as_input_error(f"{name} lacks tensors of a ControlNet"):
        return {**shared, **controlnet_sizes({key: header.shape for key, header in headers.items()})}
