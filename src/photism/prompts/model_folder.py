"""Load a Photism model from a folder or the Hugging Face hub; weights are read from safetensors only.

config.json, model.safetensors    the AudioPromptEncoder, or a checkpoint of audio2img
diffusion/                        a diffusers pipeline of the same prompt space; may be elsewhere
captions.json                     list of the captions that the model recognises; may be missing
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch

from photism.device import choose_device, choose_dtype
from photism.errors import InputError, as_input_error
from photism.hub import bundled_model, fetch_files
from photism.prompts.audio2img import audio2img_config, is_audio2img, load_audio2img
from photism.prompts.audio_prompt_encoder import AudioPromptEncoder, AudioPromptEncoderConfig
from photism.prompts.diffusion import UNET_CONFIG, find_diffusion, finish_diffusion, load_weights, suggestion
from photism.prompts.prompt_space import check_widths
from photism.prompts.settings import PipelineSettings

PARTS = ("*.json", "*.safetensors", "*.txt")
"""Files of a model on the hub that are fetched: no pickled weights, no images."""
CONFIGS = ("config.json", "preprocessor_config.json", f"diffusion/{UNET_CONFIG}")
"""Files that are fetched first, to check whether the model fits the diffusion model."""


class LoadedModels(NamedTuple):
    """The models of an audio-to-image pipeline."""

    encoder: AudioPromptEncoder
    diffusion: Any
    captions: tuple[str, ...]


def find_model(model: str | Path | None, *, configs_only: bool = False) -> Path:
    """Return the folder of a model; a model on the hub is fetched into the hub's cache.

    Args:
        model: folder or hub id; None for the bundled model.
        configs_only: fetch only the configurations.

    Raises:
        InputError: the model does not exist, or it is not one of Photism's.
    """
    folder = bundled_model() if model is None else Path(model)
    if not folder.is_dir():
        folder = fetch_files("model", str(model), CONFIGS if configs_only else PARTS)
    if not (folder / "config.json").is_file():
        raise InputError(f"model must be a folder with a Photism model, but {folder} has no config.json")
    return folder


def load_models(settings: PipelineSettings, *, text_only: bool = False) -> LoadedModels:
    """Load the audio prompt encoder of a model and the diffusers pipeline of its prompt space.

    Args:
        settings: which models, and how they run.
        text_only: load neither UNet nor VAE of the diffusers pipeline.

    Raises:
        InputError: a model is missing, of another kind or damaged; or they do not fit together, which their
            configurations show before any weights are fetched or loaded.
    """
    device, dtype = choose_device(settings.device), choose_dtype(settings.dtype)
    folder = find_model(settings.model, configs_only=True)
    config = _encoder_config(folder)
    location = _diffusion_location(folder, settings.diffusion, config)
    source = find_diffusion(location, settings, device=device)
    check_widths(source.unet, space=config.space_name, width=config.space_width, pooled_width=config.space_pooled_width)
    folder = find_model(settings.model)
    pipeline = load_weights(source, device=device, dtype=dtype, text_only=text_only)
    encoder = _load_encoder(folder, pipeline, device=device, dtype=dtype)
    finish_diffusion(pipeline, source, device=device)
    return LoadedModels(encoder, pipeline, load_captions(folder))


def load_captions(folder: Path) -> tuple[str, ...]:
    """Return the captions that a model recognises; none if it has no list of them."""
    path = folder / "captions.json"
    return tuple(json.loads(path.read_text(encoding="utf8"))) if path.is_file() else ()


def _encoder_config(folder: Path) -> AudioPromptEncoderConfig:
    kind = AudioPromptEncoderConfig.model_type
    config = _read_config(folder)
    with as_input_error(f"model {folder} cannot be loaded"):
        if is_audio2img(config):
            return audio2img_config(folder)
        if config.get("model_type") == kind:
            return AudioPromptEncoderConfig.from_pretrained(folder)
    raise InputError(
        f"model {folder} must be an AudioPromptEncoder, model_type {kind!r}, or a checkpoint of audio2img; "
        f"its model_type is {config.get('model_type')!r}"
    )


def _load_encoder(folder: Path, diffusion: Any, *, device: torch.device, dtype: torch.dtype) -> AudioPromptEncoder:
    config = _read_config(folder)
    with as_input_error(f"model {folder} cannot be loaded"):
        if is_audio2img(config):
            encoder = load_audio2img(folder, diffusion, dtype=dtype)
        else:
            encoder = AudioPromptEncoder.from_pretrained(folder, dtype=dtype, use_safetensors=True)
    torch.nn.Module.to(encoder, device)  # the type of transformers' own `to` is wrong
    return encoder.eval()


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        config: Any = json.loads((folder / "config.json").read_text(encoding="utf8"))
    except ValueError as error:
        raise InputError(f"model {folder} cannot be loaded: its config.json is not valid JSON: {error}") from None
    if not isinstance(config, dict):
        raise InputError(f"model {folder} cannot be loaded: its config.json is not a JSON object")
    return config


def _diffusion_location(folder: Path, diffusion: str | Path | None, config: AudioPromptEncoderConfig) -> str:
    own = folder / "diffusion"
    chosen = diffusion or (own if own.is_dir() else config.default_diffusion)
    if chosen is None:
        raise InputError(
            f"diffusion is missing: model {folder} has none; give the folder or hub id of a diffusers pipeline "
            f"of its prompt space{suggestion(config.space_width)}"
        )
    return str(chosen)
