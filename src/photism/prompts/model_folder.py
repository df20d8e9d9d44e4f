"""Load a Photism model from a folder or the Hugging Face hub; weights are read from safetensors only."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch

from photism.deferred_imports.context import deferred_imports
from photism.device import choose_device, choose_dtype
from photism.encoder.pretrained import check_config
from photism.encoder.pretrained import load_weights as load_encoder_weights
from photism.errors import InputError, as_input_error
from photism.json_files import check_library_files, read_json_object
from photism.prompts.audio2img import audio2img_config, is_audio2img, load_audio2img
from photism.prompts.audio_prompt_encoder import AudioPromptEncoder, AudioPromptEncoderConfig
from photism.prompts.caption_translations import CaptionTranslations
from photism.prompts.diffusion.finishing import finish_diffusion
from photism.prompts.diffusion.lcm import GUIDANCE_SCALE, merge_lcm, read_lcm
from photism.prompts.diffusion.loading import load_weights
from photism.prompts.diffusion.sampling_defaults import SamplingDefaults
from photism.prompts.diffusion.scheduler import find_scheduler
from photism.prompts.diffusion.source import find_diffusion, suggestion
from photism.prompts.model_files import CONFIGS, DIFFUSION, find_model, load_captions
from photism.prompts.prompt_space import check_widths
from photism.prompts.settings import PipelineSettings
from photism.schedulers import check_steps


class LoadedModels(NamedTuple):
    """The models of an audio-to-image pipeline.

    Attributes:
        encoder: makes the prompts.
        diffusion: a diffusers pipeline.
        captions: captions that the encoder recognises.
        sampling: steps and guidance that `diffusion` was distilled to, if it was.
        translations: the captions in other languages.
    """

    encoder: AudioPromptEncoder
    diffusion: Any
    captions: tuple[str, ...]
    sampling: SamplingDefaults
    translations: CaptionTranslations


def load_models(settings: PipelineSettings, *, text_only: bool = False, steps: int | None = None) -> LoadedModels:
    """Load the audio prompt encoder of a model and the diffusers pipeline of its prompt space.

    Args:
        settings: which models, and how they run.
        text_only: load neither UNet nor VAE of the diffusers pipeline.
        steps: number of denoising steps that the scheduler has to be able to take.

    Raises:
        InputError: a model is missing, of another kind or damaged; the scheduler has fewer steps; or they do not fit
            together, which their configurations show before any weights are fetched or loaded.
    """
    with deferred_imports:  # also where no command line has entered it
        return _load_models(settings, text_only=text_only, steps=steps)


def _load_models(settings: PipelineSettings, *, text_only: bool, steps: int | None) -> LoadedModels:
    device, dtype = choose_device(settings.device), choose_dtype(settings.dtype)
    folder = find_model(settings.model, files=CONFIGS)
    check_library_files(folder, f"model {folder}")
    config = _encoder_config(folder)
    location = _diffusion_location(folder, settings.diffusion, config)
    source = find_diffusion(location, settings, device=device)
    check_widths(source.unet, space=config.space_name, width=config.space_width, pooled_width=config.space_pooled_width)
    if steps is not None and (scheduler := find_scheduler(source)) is not None:
        check_steps(scheduler, steps)
    folder = find_model(settings.model)
    captions = load_captions(folder)
    translations = CaptionTranslations.read(folder, captions)
    is_own = location == str(folder / DIFFUSION)
    lcm = read_lcm(folder) if is_own and settings.scheduler == "lcm" and not text_only else None
    pipeline = load_weights(source, device=device, dtype=dtype, text_only=text_only)
    encoder = _load_encoder(folder, config, pipeline, device=device, dtype=dtype)
    if lcm is not None:
        merge_lcm(pipeline.unet, lcm)
        pipeline.vae.to(memory_format=torch.channels_last)  # as the UNet
    sampling = finish_diffusion(pipeline, source, device=device)
    if lcm is not None:
        sampling = SamplingDefaults(lcm.num_inference_steps, GUIDANCE_SCALE)
    return LoadedModels(encoder, pipeline, captions, sampling, translations)


def _encoder_config(folder: Path) -> AudioPromptEncoderConfig:
    kind, name = AudioPromptEncoderConfig.model_type, f"model {folder}"
    config = read_json_object(folder / "config.json", name)
    check_config(config, name)
    with as_input_error(f"{name} cannot be loaded"):
        if is_audio2img(config):
            return audio2img_config(folder)
        if config.get("model_type") == kind:
            return AudioPromptEncoderConfig.from_pretrained(folder)
    raise InputError(
        f"{name} must be an AudioPromptEncoder, model_type {kind!r}, or a checkpoint of audio2img; "
        f"its model_type is {config.get('model_type')!r}"
    )


def _load_encoder(
    folder: Path, config: AudioPromptEncoderConfig, diffusion: Any, *, device: torch.device, dtype: torch.dtype
) -> AudioPromptEncoder:
    name = f"model {folder}"
    if is_audio2img(read_json_object(folder / "config.json", name)):
        with as_input_error(f"{name} cannot be loaded"):
            encoder = load_audio2img(folder, diffusion, dtype=dtype)
        torch.nn.Module.to(encoder, device)  # the type of transformers' own `to` is wrong
        return encoder.eval()
    return load_encoder_weights(AudioPromptEncoder, folder, name, config=config, device=device, dtype=dtype)


def _diffusion_location(folder: Path, diffusion: str | Path | None, config: AudioPromptEncoderConfig) -> str:
    own = folder / DIFFUSION
    chosen = diffusion or (own if own.is_dir() else config.default_diffusion)
    if chosen is None:
        raise InputError(
            f"diffusion is missing: model {folder} has none; give the folder or hub id of a diffusers pipeline "
            f"of its prompt space{suggestion(config.space_width)}"
        )
    return str(chosen)
