"""Recognise what a safetensors file holds by the names of its tensors, before any of them is read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from photism.settings import SettingError


@dataclass(frozen=True)
class FileKind:
    """What a file holds.

    Attributes:
        description: what it is, with its article, as an error message says it.
        setting: name of the setting that takes such a file; None if Photism has no use for it.
    """

    description: str
    setting: str | None


STABLE_DIFFUSION_1 = FileKind("a checkpoint of Stable Diffusion 1.x", "diffusion")
STABLE_DIFFUSION_2 = FileKind("a checkpoint of Stable Diffusion 2.x", "diffusion")
STABLE_DIFFUSION_XL = FileKind("a checkpoint of Stable Diffusion XL", "diffusion")
STABLE_DIFFUSION = (STABLE_DIFFUSION_1, STABLE_DIFFUSION_2, STABLE_DIFFUSION_XL)
LORA = FileKind("LoRA weights", "lora")
CONTROLNET = FileKind("a ControlNet", "controlnet")
VAE = FileKind("a VAE", "vae")
IP_ADAPTER = FileKind("an IP-Adapter", "ip_adapter")
TEXTUAL_INVERSION = FileKind("a textual inversion", "embedding")
UNET = FileKind("a UNet without its text encoder", None)
UNKNOWN = FileKind("a model that Photism does not know", None)

PATTERNS: tuple[tuple[FileKind, str], ...] = (
    # Files that hold parts of others come first: a LoRA names the layers of its model, and
    # an IP-Adapter for faces has LoRA weights of its own.
    (FileKind("a ControlNet-LLLite", None), r"lllite_"),
    (FileKind("a Control-LoRA", None), r"lora_controlnet$"),
    (IP_ADAPTER, r"(ip_adapter|image_proj)\."),
    (LORA, r"(lora_(unet|te\d?)_)|(.*[._](lora[._](A|B|up|down)|lora_linear_layer|hada_w1_a|lokr_w1|oft_blocks)\b)"),
    (FileKind("a ControlNet-Union", None), r"(task_embedding|control_add_embedding\..*)$"),
    (CONTROLNET, r"(control_model\.|input_hint_block\.|controlnet_cond_embedding\.)"),
    (FileKind("a T2I-Adapter", None), r"(adapter\.)?body\.\d+\.(block|resnets|in_conv)"),
    (FileKind("a motion module of AnimateDiff", None), r".*\bmotion_modules\."),
    (FileKind("a checkpoint of Stable Diffusion 3", None), r"(model\.diffusion_model\.)?joint_blocks\."),
    (FileKind("a checkpoint of Flux", None), r"(model\.diffusion_model\.)?double_blocks\.|single_transformer_blocks\."),
    (FileKind("a checkpoint of PixArt", None), r".*\b(adaln_single|t_block|y_embedder)\."),
    (FileKind("a checkpoint of Stable Cascade", None), r".*\b(clip_txt_mapper|channelwise)\."),
    (STABLE_DIFFUSION_XL, r"conditioner\.embedders\.1\.model\."),
    (FileKind("the refiner of Stable Diffusion XL", None), r"conditioner\.embedders\.0\.model\."),
    (STABLE_DIFFUSION_2, r"cond_stage_model\.model\."),
    (STABLE_DIFFUSION_1, r"cond_stage_model\.transformer\."),
    (UNET, r"(model\.diffusion_model\.)?(input_blocks|middle_block)\.|down_blocks\.\d+\.(resnets|attentions)\."),
    (FileKind("a transformer for another kind of diffusion", None), r"(model\.diffusion_model\.)|transformer_blocks\."),
    (VAE, r"((first_stage_model|vae)\.)?decoder\.(conv_in|mid|mid_block|up|up_blocks)\b"),
    (FileKind("a text encoder", None), r"(.*\b)?text_model\.|transformer\.resblocks\.|encoder\.block\."),
    (TEXTUAL_INVERSION, r"(emb_params|clip_[lg])$|string_to_param|<.*>$"),
)
"""Kinds of files, each with a pattern that the name of one of its tensors begins with; the first that fits holds."""


def recognise(names: Iterable[str]) -> FileKind:
    """Return what a file with tensors of these names holds."""
    names = list(names)
    for kind, pattern in PATTERNS:
        if any(re.match(pattern, name) for name in names):
            return kind
    return TEXTUAL_INVERSION if len(names) == 1 else UNKNOWN  # an embedding is named after its token


def refuse(setting: str, source: object, kind: FileKind) -> SettingError:
    """Return the error for a file that a setting cannot use, which names the setting that can."""
    problem = f"cannot use {{}}: it is {kind.description}"
    if kind.setting is None:
        return SettingError(setting, problem, str(source))
    return SettingError(setting, f"{problem}; give it as {{}}", str(source), kind.setting)
