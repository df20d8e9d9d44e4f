"""Load the weights of a diffusers pipeline whose configurations were checked."""

from __future__ import annotations

from collections.abc import Container, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from photism.errors import as_input_error
from photism.hub import fetch_file
from photism.json_files import check_library_files, read_json_object
from photism.library_logging import quiet_libraries, without_onnxruntime
from photism.locks import loading_lock
from photism.prompts.diffusion.controlnet import load_controlnet
from photism.prompts.diffusion.single_file import load_single_file
from photism.prompts.diffusion.source import DiffusionSource, find_diffusion
from photism.prompts.diffusion.vae import load_vae
from photism.prompts.diffusion.variants import choose_variant
from photism.prompts.settings import PipelineSettings
from photism.weights import check_component, check_values, default_files

INDEX = "model_index.json"
FROM_PRETRAINED = {
    "use_safetensors": True,
    "low_cpu_mem_usage": False,  # the only way without accelerate; diffusers would warn
}
"""Arguments of diffusers' `from_pretrained`."""


def load_diffusion(diffusion: str | Path, *, device: torch.device, dtype: torch.dtype, text_only: bool = False) -> Any:
    """Load a diffusers pipeline as it was saved.

    Args:
        diffusion: file, folder or hub id.
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
    with quiet_libraries:
        import_module("diffusers")  # it warns of what is not installed
    settings = source.settings
    given: dict[str, Any] = {"unet": None, "vae": None} if text_only else {}
    arguments: dict[str, Any] = {"variant": settings.variant, "dtype": dtype, "arguments": FROM_PRETRAINED}
    if source.controlnets:
        pairs = zip(settings.controlnets, source.controlnets, strict=True)
        loaded = [load_controlnet(controlnet, config, **arguments) for controlnet, config in pairs]
        given["controlnet"] = loaded if len(loaded) > 1 else loaded[0]
    if source.vae is not None and not text_only:
        given["vae"] = load_vae(settings.vae, source.vae, **arguments)
    if source.single_file is not None:
        pipeline = load_single_file(source.single_file, settings, dtype=dtype, given=given)
    else:
        pipeline = _load_folder(source, dtype=dtype, given=given)
    for name, component in pipeline.components.items():
        if isinstance(component, torch.nn.Module):
            check_values(component, f"{name} of diffusion {source.location}")
    if settings.offload:
        return pipeline
    with quiet_libraries:  # diffusers would warn of float16 on a CPU, which works
        return pipeline.to(device)


def _load_folder(source: DiffusionSource, *, dtype: torch.dtype, given: Mapping[str, Any]) -> Any:
    """Load the pipeline in a folder or hub repository, with given models instead of its own."""
    variant = _variant(source)
    _check_components(source.location, variant, skipped=given)
    with (
        as_input_error(f"diffusion {source.location} cannot be loaded"),
        quiet_libraries,
        without_onnxruntime(),
        loading_lock,
    ):
        pipeline = _pipeline_class(source.settings).from_pretrained(
            source.location, **FROM_PRETRAINED, variant=variant, dtype=dtype, **given
        )
    if source.settings.prediction_type is not None:
        pipeline.scheduler.register_to_config(prediction_type=source.settings.prediction_type)
    return pipeline


def _variant(source: DiffusionSource) -> str | None:
    """Return the variant of the weights in a folder or hub repository."""
    location, name = source.location, f"diffusion {source.location}"
    index = Path(location, INDEX) if Path(location).is_dir() else fetch_file("diffusion", location, INDEX)[1]
    entries = read_json_object(index, name)
    parts = [part for part, entry in entries.items() if isinstance(entry, list) and None not in entry]
    return choose_variant(name, location, index, parts=parts, asked=source.settings.variant, is_required=True)


def _check_components(location: str, variant: str | None, *, skipped: Container[str]) -> None:
    """Check that the configurations in a local folder describe its weights, before memory is allocated for these.

    Args:
        location: folder of a diffusers pipeline; nothing is checked for a hub id, whose weights are not fetched yet.
        variant: of the weights; a component that lacks it has weights without one.
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
    for component, entry in read_json_object(folder / INDEX, name).items():
        files = default_files(folder / component, variant) or default_files(folder / component)
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


def _pipeline_class(settings: PipelineSettings) -> Any:
    """Return the class to load with: the one that the folder names, or diffusers' choice for a task."""
    if settings.task is None and not settings.controlnets:
        from diffusers.pipelines.pipeline_utils import DiffusionPipeline

        return DiffusionPipeline
    from diffusers.pipelines import auto_pipeline

    return {
        None: auto_pipeline.AutoPipelineForText2Image,
        "text-to-image": auto_pipeline.AutoPipelineForText2Image,
        "image-to-image": auto_pipeline.AutoPipelineForImage2Image,
        "inpainting": auto_pipeline.AutoPipelineForInpainting,
    }[settings.task]
