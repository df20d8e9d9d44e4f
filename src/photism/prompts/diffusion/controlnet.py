"""Find, check and load a ControlNet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from photism.errors import InputError, as_input_error
from photism.hub import fetch_file
from photism.json_files import read_json_object
from photism.weights import check_component, default_files

CONTROLNET_CLASS = "ControlNetModel"


def controlnet_config(controlnet: Any) -> Mapping[str, Any]:
    """Return the configuration of a ControlNet.

    Raises:
        InputError: it is not a ControlNet.
    """
    if not isinstance(controlnet, str | Path):
        return controlnet.config
    path = Path(controlnet, "config.json")
    if not Path(controlnet).is_dir():
        _, path = fetch_file("controlnet", str(controlnet), "config.json")
    config = read_json_object(path, f"controlnet {controlnet}")
    if config.get("_class_name") != CONTROLNET_CLASS:
        raise InputError(f"controlnet must be a {CONTROLNET_CLASS}; {controlnet} holds {config.get('_class_name')}")
    return config


def load_controlnet(controlnet: Any, arguments: Mapping[str, Any]) -> Any:
    """Load a ControlNet.

    Args:
        controlnet: folder, hub id, or the model itself.
        arguments: further arguments of `from_pretrained`.

    Raises:
        InputError: it is damaged.
    """
    from diffusers.models.controlnets.controlnet import ControlNetModel

    if not isinstance(controlnet, str | Path):
        return controlnet
    name, folder = f"controlnet {controlnet}", Path(controlnet)
    if files := default_files(folder):
        check_component(ControlNetModel, folder, files, name)
    with as_input_error(f"{name} cannot be loaded"):
        return ControlNetModel.from_pretrained(str(controlnet), **arguments)
