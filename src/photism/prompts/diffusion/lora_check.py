"""Check from a LoRA's file alone that its weights fit a UNet and change the images of recordings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from warnings import warn

from torch import Tensor, nn

from photism.errors import InputError, ModelWarning, is_fault_of_input
from photism.library_logging import quiet_libraries
from photism.prompts.diffusion.file_kinds import LORA, recognise, refuse
from photism.prompts.diffusion.unet_fit import check_prompt_width, unet_without_weights
from photism.weights import TensorHeader, check_floats, read_headers, read_metadata

TRANSFORMERS = {
    "double_blocks": "Flux",
    "single_transformer_blocks": "Flux",
    "joint_blocks": "Stable Diffusion 3",
    "add_q_proj": "Stable Diffusion 3",
    "transformer": "a diffusion transformer",
    "diffusion_model": "another program's layout or model",
}
"""What a LoRA without UNet layers is for, by a part of its keys; the first that fits."""

OTHER_KINDS = {
    "hada_": "a LoHa (Hadamard products)",
    "lokr_": "a LoKr (Kronecker products)",
    "oft_": "an OFT (orthogonal fine-tuning)",
    "dora_scale": "a DoRA in the layout of kohya, whose magnitudes diffusers drops",
    "lora_mid": "a LoCon with Tucker decomposition",
    ".on_input": "an (IA)³",
    ".a1.weight": "a GLoRA",
    ".diff": "a file of full weight differences",
}
"""Relatives of LoRA that diffusers cannot load into a UNet, by a part of their keys."""

SUFFIXES = (".lora_A.weight", ".lora_B.weight")
"""Endings of the keys of the down and up matrices of a layer, in the layout of PEFT."""

LAYOUTS = "give one of diffusers or kohya"

UNET_WORDS = ("down_blocks", "mid_block", "up_blocks", "input_blocks", "middle_block", "output_blocks")
"""Parts of the keys of a UNet's layers, in the layouts of diffusers and of Stability AI."""


class Matrices(NamedTuple):
    """The two matrices that a LoRA has for a layer: (rank, in, …) and (out, rank, …)."""

    down: Tensor
    up: Tensor


def check_lora(path: Path, unet_config: Mapping[str, Any]) -> Mapping[str, str]:
    """Check that LoRA weights fit a UNet and change it, and return the texts that their file carries.

    Args:
        path: a safetensors file in the layout of diffusers or kohya.
        unet_config: configuration of the UNet.

    Raises:
        InputError: they are for another model, of a kind that diffusers cannot load, have no weights for the UNet, or
            change nothing.
    """
    name = f"lora {path}"
    headers = read_headers([path], name)
    _check_kind(headers, unet_config, name)
    check_floats(headers, name)
    layers = _unet_layers(path, unet_config, name)
    if not layers:
        if any(word in key for key in headers for word in UNET_WORDS):
            raise InputError(f"{name} has a layout that diffusers cannot read; {LAYOUTS}")
        has_text = any("text_encoder" in key or key.startswith("lora_te") for key in headers)
        part = "weights for the text encoder only" if has_text else "no weights for the UNet"
        raise InputError(f"{name} has {part}, which does not change how a recording is drawn")
    fitting = _fitting_layers(layers, unet_config, name)
    if not any(down.any() and up.any() for down, up in fitting.values()):
        raise InputError(f"{name} changes nothing: all its weights are 0")
    if len(fitting) < len(layers):
        count = len(layers) - len(fitting)
        warn(f"{name}: ignored {count} of {len(layers)} layers, which the UNet lacks", ModelWarning, stacklevel=2)
    return read_metadata(path)


def _check_kind(headers: Mapping[str, TensorHeader], unet_config: Mapping[str, Any], name: str) -> None:
    """Refuse a LoRA of another kind or for another model, by its keys and the width of its prompts."""
    kind = recognise(headers)
    if kind.setting not in (None, LORA.setting):
        raise refuse("lora", name.removeprefix("lora "), kind)
    for part, other in OTHER_KINDS.items():
        if any(part in key for key in headers):
            raise InputError(f"{name} is {other}, which cannot be used; give a LoRA of down and up matrices")
    if not any(word in key for key in headers for word in UNET_WORDS):
        for part, model in TRANSFORMERS.items():
            if any(part in key for key in headers):
                raise InputError(f"{name} is a LoRA for {model}; give one for the UNet of diffusion")
    for key, header in headers.items():
        is_down = key.endswith(("lora_A.weight", "lora_down.weight", "lora.down.weight"))
        if is_down and "attn2" in key and ("to_k" in key or "to_v" in key):
            check_prompt_width(header.shape[1], unet_config, f"{name} is a LoRA")


def _unet_layers(path: Path, unet_config: Mapping[str, Any], name: str) -> dict[str, Matrices]:
    """Return the matrices for each layer of the UNet, by diffusers' own conversion of the layouts that it reads.

    Raises:
        InputError: diffusers does not read the layout, a layer lacks one of its matrices, or matrices are scaled by 0
            or by numbers that are not finite.
    """
    from diffusers.loaders import lora_pipeline
    from diffusers.utils.state_dict_utils import convert_unet_state_dict_to_peft

    is_xl = unet_config.get("addition_embed_type") == "text_time"
    loader: Any = lora_pipeline.StableDiffusionLoraLoaderMixin
    blocks = {"unet_config": SimpleNamespace(**unet_config)} if is_xl else {}
    if is_xl:
        loader = lora_pipeline.StableDiffusionXLLoraLoaderMixin
    try:
        with quiet_libraries:
            converted, alphas, config = loader.lora_state_dict(
                str(path), use_safetensors=True, return_lora_metadata=True, **blocks
            )
            weights = {key.removeprefix("unet."): each for key, each in converted.items() if key.startswith("unet.")}
            if not any("lora_A" in key for key in weights):
                weights = convert_unet_state_dict_to_peft(weights)
    except Exception as error:
        if not is_fault_of_input(error):
            raise
        raise InputError(f"{name} has a layout that diffusers cannot read; {LAYOUTS}") from error
    scales = [alpha for key, alpha in (alphas or {}).items() if key.startswith("unet.")]
    scales += [] if not config or "unet.lora_alpha" not in config else [config["unet.lora_alpha"]]
    if scales and not any(scales):
        raise InputError(f"{name} changes nothing: its alpha is 0")
    if not all(math.isfinite(scale) for scale in scales):
        raise InputError(f"{name} is damaged: its alpha is not a finite number; repair it, or fetch it again")
    down, up = (
        {key.removesuffix(suffix): each for key, each in weights.items() if key.endswith(suffix)} for suffix in SUFFIXES
    )
    if alone := sorted(down.keys() ^ up.keys()):
        missing = SUFFIXES[alone[0] in down]
        raise InputError(f"{name} is incomplete: it lacks {alone[0]}{missing}; fetch it again")
    return {layer: Matrices(down[layer], up[layer]) for layer in down}


def _fitting_layers(layers: Mapping[str, Matrices], unet_config: Mapping[str, Any], name: str) -> dict[str, Matrices]:
    """Return the layers that a UNet has.

    Raises:
        InputError: it has none of them, or one in another shape.
    """
    modules: dict[str, nn.Module] = dict(unet_without_weights(unet_config).named_modules())
    fitting = {layer: matrices for layer, matrices in layers.items() if layer in modules}
    if not fitting:
        raise InputError(f"{name} is for another model: none of its {len(layers)} layers is in the UNet of diffusion")
    for layer, (down, up) in fitting.items():
        weight = getattr(modules[layer], "weight", None)
        described = None if weight is None else tuple(weight.shape)
        if down.shape[0] != up.shape[1]:
            raise InputError(
                f"{name} is damaged: its matrices for {layer} have the ranks {down.shape[0]} and {up.shape[1]}; "
                "fetch it again"
            )
        if weight is None or down.shape[1:] != weight.shape[1:] or up.shape[:1] != weight.shape[:1]:
            raise InputError(
                f"{name} is for another model: it changes {layer} by matrices of the shapes {tuple(down.shape)} and "
                f"{tuple(up.shape)}, but the layer of diffusion has the shape {described}"
            )
    return fitting
