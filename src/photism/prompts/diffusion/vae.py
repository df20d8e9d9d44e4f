"""Find, check and load a VAE that replaces that of a diffusion model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from photism.errors import InputError, as_input_error
from photism.hub import fetch_file
from photism.json_files import read_json_object
from photism.prompts.diffusion.conversion import check_accelerate, convert
from photism.prompts.diffusion.file_kinds import VAE, recognise, refuse
from photism.prompts.diffusion.pickled import weights_file
from photism.prompts.diffusion.single_file_configs import Config, vae_sizes
from photism.prompts.diffusion.variants import choose_variant
from photism.weights import check_component, default_files, read_headers

CLASSES = ("AutoencoderKL", "AutoencoderTiny")
CONFIG = "config.json"
PARTS = ("", "vae")
"""Where a VAE is in a folder or hub repository: in itself, or in that part of a diffusers pipeline."""
FORMER_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""Names of the layers of attention in older versions of diffusers, and the present ones."""


def vae_config(vae: Any, own: Mapping[str, Any], *, latent_channels: int | None) -> Config:
    """Return the configuration of a VAE.

    Args:
        vae: file, folder, hub id, or the model itself.
        own: configuration of the VAE that it replaces, from which a file takes what its tensors do not show.
        latent_channels: channels of the latents that the UNet denoises.

    Raises:
        InputError: it is not a VAE of such latents, or cannot be found.
    """
    if not isinstance(vae, str | Path):
        config, source = _model_config(vae), type(vae).__name__
    else:
        file, source = weights_file("vae", str(vae)), str(vae)
        config = _folder_config(source) if file is None else _file_config(file, own)
    if config.get("latent_channels", 4) != latent_channels:
        raise InputError(
            f"vae must have latents of {latent_channels} channels, as the UNet of diffusion has; those of {source} "
            f"have {config.get('latent_channels', 4)}"
        )
    return config


def load_vae(vae: Any, config: Config, *, variant: str | None, dtype: torch.dtype, arguments: Mapping[str, Any]) -> Any:
    """Load a VAE.

    Args:
        vae: file, folder, hub id, or the model itself, which is returned as it is.
        config: from `vae_config`.
        variant: of the weights in a folder, if it has that one.
        dtype: of the loaded weights.
        arguments: further arguments of `from_pretrained`.

    Raises:
        InputError: it is damaged.
    """
    if not isinstance(vae, str | Path):
        return vae
    import diffusers

    name, file = f"vae {vae}", weights_file("vae", str(vae))
    if file is not None:
        return convert(diffusers.AutoencoderKL, _current_names(file), config, name, dtype=dtype)
    part, path = _config_path(str(vae))
    model_class = getattr(diffusers, config["_class_name"])
    variant = choose_variant(name, str(vae), path, parts=[part], asked=variant)
    if files := default_files(path.parent, variant):
        check_component(model_class, path.parent, files, name)
    with as_input_error(f"{name} cannot be loaded"):
        return model_class.from_pretrained(str(vae), subfolder=part, variant=variant, dtype=dtype, **arguments)


def _model_config(vae: Any) -> Config:
    import diffusers

    if not isinstance(vae, tuple(getattr(diffusers, name) for name in CLASSES)):
        raise InputError(f"vae must be a VAE of diffusers, {' or '.join(CLASSES)}; got a {type(vae).__name__}")
    return dict(vae.config)


def _folder_config(vae: str) -> Config:
    config = read_json_object(_config_path(vae)[1], f"vae {vae}")
    if config.get("_class_name") not in CLASSES:
        found = config.get("_class_name")
        raise InputError(f"vae must be a VAE of diffusers, {' or '.join(CLASSES)}; {vae} holds {found}")
    return config


def _file_config(file: Path, own: Mapping[str, Any]) -> Config:
    name = f"vae {file}"
    headers = read_headers([file], name)
    kind = recognise(headers)
    if kind != VAE:
        raise refuse("vae", file, kind)
    check_accelerate()
    with as_input_error(f"{name} lacks tensors of a VAE"):
        return {**own, **vae_sizes({key: header.shape for key, header in headers.items()})}


def _config_path(vae: str) -> tuple[str, Path]:
    """Return in which part of a folder or hub repository a VAE is, and its configuration on this machine."""
    if Path(vae).is_dir():
        part = next((part for part in PARTS if Path(vae, part, CONFIG).exists()), "")
        return part, Path(vae, part, CONFIG)
    alone, within = PARTS
    try:
        return alone, fetch_file("vae", vae, CONFIG)[1]
    except InputError as error:
        try:
            return within, fetch_file("vae", vae, f"{within}/{CONFIG}")[1]
        except InputError:
            raise error from None


def _current_names(file: Path) -> Any:
    """Return a file of weights by diffusers' present names with those alone, and any other file as its path.

    diffusers takes a file for its own layout only if it has exactly the tensors of the model.
    """
    from safetensors.torch import load_file

    weights = load_file(file)
    if "encoder.conv_norm_out.weight" not in weights:
        return str(file)
    current: dict[str, torch.Tensor] = {}
    for name, tensor in weights.items():
        *parents, layer, kind = name.split(".")
        if (parents and parents[0] in ("encoder", "decoder")) or layer.endswith("quant_conv"):
            current[".".join([*parents, FORMER_ATTENTION.get(layer, layer), kind])] = tensor
    return current
