"""A Photism model on disk or on the Hugging Face hub, and how its parts are loaded: from safetensors only.

config.json, model.safetensors    the AudioPromptEncoder, or a checkpoint of audio2img
diffusion/                        a diffusers pipeline of the same prompt space; may lie elsewhere
captions.json                     a list of what the model knows; may be missing
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from photism.errors import InputError, as_input_error
from photism.hub import bundled_model, fetch_files
from photism.prompts.audio2img import audio2img_config, is_audio2img, load_audio2img
from photism.prompts.audio_prompt_encoder import AudioPromptEncoder, AudioPromptEncoderConfig
from photism.prompts.diffusion import UNET_CONFIG, find_diffusion, finish_diffusion, load_weights, suggestion
from photism.prompts.diffusion_options import DiffusionOptions
from photism.prompts.prompt_space import check_widths

PARTS = ("*.json", "*.safetensors", "*.txt")
"""What is fetched of a model on the hub: no pickled weights, no pictures."""
CONFIGS = ("config.json", "preprocessor_config.json", f"diffusion/{UNET_CONFIG}")
"""What is fetched of it first, to know whether it fits the diffusion model."""


def find_model(model: str | Path | None, *, configs_only: bool = False) -> Path:
    """The folder of a model; a hub id is fetched into the hub's cache.

    Args:
        model: folder or hub id; None for the bundled model.
        configs_only: fetch only what tells which diffusion models it fits.

    Raises:
        InputError: there is no such model, or it is not Photism's.
    """
    folder = bundled_model() if model is None else Path(model)
    if not folder.is_dir():
        folder = fetch_files("model", str(model), CONFIGS if configs_only else PARTS)
    if not (folder / "config.json").is_file():
        raise InputError(f"model must be a folder with a Photism model, but {folder} has no config.json")
    return folder


def load_halves(
    model: str | Path | None,
    diffusion: str | Path | None,
    *,
    device: torch.device,
    dtype: torch.dtype,
    options: DiffusionOptions | None = None,
    text_only: bool = False,
) -> tuple[AudioPromptEncoder, Any]:
    """The audio side of a model and its picture side, a diffusers pipeline.

    Args:
        model: folder or hub id of the Photism model; None for the bundled one.
        diffusion: folder or hub id of a diffusers pipeline; by default the model's own `diffusion/`, or else the one
            that its configuration names.
        device: where both go.
        dtype: of their weights.
        options: what the pipeline is to be.
        text_only: of the pipeline, load only what it encodes text with.

    Raises:
        InputError: one of them is missing, of another kind or damaged; or they do not fit together, which is known
            from their configurations, before any weights are fetched or loaded.
    """
    folder = find_model(model, configs_only=True)
    config = _encoder_config(folder)
    location = _diffusion_location(folder, diffusion, config)
    source = find_diffusion(location, options or DiffusionOptions(), device=device)
    check_widths(source.unet, space=config.space_name, width=config.space_width, pooled_width=config.space_pooled_width)
    folder = find_model(model)
    pipeline = load_weights(source, device=device, dtype=dtype, text_only=text_only)
    encoder = _load_encoder(folder, pipeline, device=device, dtype=dtype)
    finish_diffusion(pipeline, source, device=device)
    return encoder, pipeline


def load_captions(folder: Path) -> tuple[str, ...]:
    """The captions that a model brings; none where it brings no list."""
    path = folder / "captions.json"
    return tuple(json.loads(path.read_text(encoding="utf8"))) if path.is_file() else ()


def _encoder_config(folder: Path) -> AudioPromptEncoderConfig:
    kind = AudioPromptEncoderConfig.model_type
    with as_input_error(f"model {folder} cannot be loaded"):
        settings = _settings(folder)
        if is_audio2img(settings):
            return audio2img_config(folder)
        if settings.get("model_type") == kind:
            return AudioPromptEncoderConfig.from_pretrained(folder)
    raise InputError(
        f"model {folder} must hold an AudioPromptEncoder, model_type {kind!r}, or a checkpoint of audio2img; "
        f"it holds {settings.get('model_type')!r}"
    )


def _load_encoder(folder: Path, diffusion: Any, *, device: torch.device, dtype: torch.dtype) -> AudioPromptEncoder:
    with as_input_error(f"model {folder} cannot be loaded"):
        if is_audio2img(_settings(folder)):
            encoder = load_audio2img(folder, diffusion, dtype=dtype)
        else:
            encoder = AudioPromptEncoder.from_pretrained(folder, dtype=dtype, use_safetensors=True)
    torch.nn.Module.to(encoder, device)  # the type of transformers' own `to` is wrong
    return encoder.eval()


def _settings(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "config.json").read_text(encoding="utf8"))


def _diffusion_location(folder: Path, diffusion: str | Path | None, config: AudioPromptEncoderConfig) -> str:
    own = folder / "diffusion"
    chosen = diffusion or (own if own.is_dir() else config.default_diffusion)
    if chosen is None:
        raise InputError(
            f"diffusion is missing: model {folder} brings none; name the folder or hub id of a diffusers pipeline "
            f"of its prompt space{suggestion(config.space_width)}"
        )
    return str(chosen)
