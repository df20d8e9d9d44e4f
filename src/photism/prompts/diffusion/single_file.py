"""Read and load a single file of Stable Diffusion 1.x, 2.x or XL: the weights of all models in the original layout.

Such files are what Civitai and the original authors publish. diffusers converts them; what it would fetch from a hub
for it, configurations and a tokenizer, comes from the file's own shapes and from this package.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from photism.errors import as_input_error
from photism.prompts.diffusion.clip_tokenizer import clip_tokenizer
from photism.prompts.diffusion.conversion import as_conversion, check_accelerate
from photism.prompts.diffusion.file_kinds import (
    STABLE_DIFFUSION,
    STABLE_DIFFUSION_1,
    STABLE_DIFFUSION_2,
    STABLE_DIFFUSION_XL,
    FileKind,
    recognise,
    refuse,
)
from photism.prompts.diffusion.single_file_configs import (
    UNET_PREFIX,
    VAE_PREFIXES,
    Config,
    text_encoder_configs,
    unet_config,
    vae_constants,
    vae_sizes,
)
from photism.prompts.settings import PipelineSettings
from photism.settings import SettingError
from photism.weights import TensorHeader, check_floats, read_headers, read_metadata

NOISE_SCHEDULE = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "steps_offset": 1}
SCHEDULERS: Mapping[FileKind, Config] = {
    STABLE_DIFFUSION_1: {"_class_name": "PNDMScheduler", "skip_prk_steps": True, **NOISE_SCHEDULE},
    STABLE_DIFFUSION_2: {
        "_class_name": "DDIMScheduler",
        "clip_sample": False,
        "set_alpha_to_one": False,
        **NOISE_SCHEDULE,
    },
    STABLE_DIFFUSION_XL: {"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "leading", **NOISE_SCHEDULE},
}
"""Configuration of the scheduler in the published pipeline of each kind."""
VELOCITY_KEY, ZERO_SNR_KEY = "v_pred", "ztsnr"
"""Names of empty tensors that mark a checkpoint of SD XL for velocity prediction, and for zero terminal SNR."""
VELOCITY_SIGN = f"{UNET_PREFIX}output_blocks.11.1.transformer_blocks.0.norm1.bias"
VELOCITY_SPREAD = 0.09
"""Standard deviation of the weights `VELOCITY_SIGN` above which ComfyUI takes SD 2.x for a predictor of velocity."""


@dataclass(frozen=True)
class SingleFile:
    """A single file of Stable Diffusion whose weights are not loaded yet.

    Attributes:
        path: the file.
        kind: of Stable Diffusion.
        configs: configuration of each model, by its name in a pipeline; there is none of a VAE that the file lacks.
        scheduler: configuration of the scheduler.
    """

    path: Path
    kind: FileKind
    configs: Mapping[str, Config]
    scheduler: Config


def read_single_file(path: Path, settings: PipelineSettings) -> SingleFile:
    """Recognise a single file and derive its configurations; almost no weights are read.

    Args:
        path: a safetensors file.
        settings: of the pipeline.

    Raises:
        InputError: it is damaged, of another kind, or incomplete; or accelerate is not installed.
    """
    name = f"diffusion {path}"
    headers = read_headers([path], name)
    kind = recognise(headers)
    if kind not in STABLE_DIFFUSION:
        raise refuse("diffusion", path, kind)
    check_accelerate()
    check_floats({key: header for key, header in headers.items() if key.startswith(UNET_PREFIX)}, name)
    shapes = {key: header.shape for key, header in headers.items()}
    with as_input_error(f"{name} lacks tensors of {kind.description}"):
        prediction_type = settings.prediction_type or _prediction_type(path, headers, kind)
        configs = {"unet": unet_config(shapes, kind, prediction_type=prediction_type)}
        configs |= text_encoder_configs(shapes, kind)
        if any(key.startswith(VAE_PREFIXES) for key in headers):
            configs["vae"] = {**vae_constants(kind), **vae_sizes(shapes)}
        elif settings.vae is None:
            raise SettingError("vae", f"is missing: {path} contains none; give the one that it was made for")
    scheduler = {**SCHEDULERS[kind], "prediction_type": prediction_type}
    if ZERO_SNR_KEY in headers:
        scheduler |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    return SingleFile(path, kind, configs, scheduler)


def load_single_file(
    single: SingleFile, settings: PipelineSettings, *, dtype: torch.dtype, given: Mapping[str, Any]
) -> Any:
    """Load the pipeline in a single file, on the CPU; nothing is looked up on a hub.

    Args:
        single: from `read_single_file`.
        settings: of the pipeline.
        dtype: of its weights.
        given: models to use instead of those in the file; None for one to leave out.

    Raises:
        InputError: it is damaged.
    """
    import diffusers

    tokenizers = {"tokenizer": clip_tokenizer()}
    if single.kind == STABLE_DIFFUSION_2:
        tokenizers = {"tokenizer": clip_tokenizer(pad_token="!")}
    elif single.kind == STABLE_DIFFUSION_XL:
        tokenizers["tokenizer_2"] = clip_tokenizer(pad_token="!")
    scheduler = getattr(diffusers, single.scheduler["_class_name"]).from_config(single.scheduler)
    pipeline_class = getattr(diffusers, _class_name(single, settings))
    with TemporaryDirectory() as folder, as_conversion(f"diffusion {single.path}"):
        _write_configs(Path(folder), single, pipeline_class.__name__)
        pipeline = pipeline_class.from_single_file(
            str(single.path),
            config=folder,
            local_files_only=True,
            dtype=dtype,
            extract_ema=True,  # as in the published pipelines
            scheduler=scheduler,
            **tokenizers,
            **given,
        )
        return pipeline.to("cpu")  # raises an error if a tensor is missing


def _prediction_type(path: Path, headers: Mapping[str, TensorHeader], kind: FileKind) -> str:
    """Return what the UNet predicts: as the file says, or for SD 2.x as its weights show."""
    metadata = read_metadata(path)
    declared = metadata.get("modelspec.prediction_type") or metadata.get("modelspec.architecture", "")
    if VELOCITY_KEY in headers or declared.startswith("v") or declared.endswith("-v"):
        return "v_prediction"
    if kind == STABLE_DIFFUSION_2 and VELOCITY_SIGN in headers and not declared.startswith("eps"):
        from safetensors import safe_open

        with safe_open(path, framework="pt") as file:
            if float(file.get_tensor(VELOCITY_SIGN).float().std(unbiased=False)) > VELOCITY_SPREAD:
                return "v_prediction"
    return "epsilon"


def _class_name(single: SingleFile, settings: PipelineSettings) -> str:
    """Return the name of diffusers' pipeline for a kind and a task, by default the task that the UNet was made for."""
    unet = single.configs["unet"]
    default = "text-to-image" if unet["in_channels"] == unet["out_channels"] else "inpainting"
    task = {"text-to-image": "", "image-to-image": "Img2Img", "inpainting": "Inpaint"}[settings.task or default]
    family = "StableDiffusionXL" if single.kind == STABLE_DIFFUSION_XL else "StableDiffusion"
    return f"{family}{'ControlNet' if settings.controlnets else ''}{task}Pipeline"


def _write_configs(folder: Path, single: SingleFile, class_name: str) -> None:
    """Write the configurations as a folder of a diffusers pipeline, which is how diffusers takes them."""
    classes = {
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
    }
    index: Config = {"_class_name": class_name, **{component: classes[component] for component in single.configs}}
    if single.kind != STABLE_DIFFUSION_XL:
        index["requires_safety_checker"] = False
    (folder / "model_index.json").write_text(json.dumps(index))
    for component, config in single.configs.items():
        (folder / component).mkdir()
        (folder / component / "config.json").write_text(json.dumps(config))
