"""Derive the configurations of a single file of Stable Diffusion from the shapes of its tensors.

A single file holds the weights of all models by the names of the original implementation, and no configuration. Kinds
of Stable Diffusion differ in a few constants that no shape shows; they are those of the published configurations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from photism.prompts.diffusion.clip_tokenizer import VOCABULARY_SIZE
from photism.prompts.diffusion.file_kinds import (
    STABLE_DIFFUSION_1,
    STABLE_DIFFUSION_2,
    STABLE_DIFFUSION_XL,
    FileKind,
)

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]
Config: TypeAlias = dict[str, Any]

UNET_PREFIX = "model.diffusion_model."
VAE_PREFIXES = ("first_stage_model.", "vae.")
HEAD_WIDTH = 64
"""Width of an attention head of SD 2.x, SD XL and all text encoders."""
HEADS = 8
"""Number of attention heads of SD 1.x, in each layer."""
XL_SCALING_FACTOR = 0.13025
TIME_IDS = 6
"""Numbers that SD XL is conditioned on: sizes and crop of the image."""


def strip_prefix(shapes: Shapes, *prefixes: str) -> Shapes:
    """Return the tensors whose names begin with one of the prefixes, without it; all of them if there are none."""
    stripped = {
        name.removeprefix(prefix): shape
        for prefix in prefixes
        for name, shape in shapes.items()
        if name.startswith(prefix)
    }
    return stripped or shapes


def unet_config(shapes: Shapes, kind: FileKind, *, prediction_type: str) -> Config:
    """Return the configuration of a UNet.

    Args:
        shapes: of the tensors of a single file.
        kind: of Stable Diffusion.
        prediction_type: what the UNet predicts.
    """
    unet = strip_prefix(shapes, UNET_PREFIX)
    levels = _levels(unet)
    first = [f"input_blocks.{blocks[0]}" for blocks in levels]
    channels = [unet[f"{block}.0.out_layers.3.weight"][0] for block in first]
    depths = [_count(unet, f"{block}.1.transformer_blocks.") for block in first]
    attending = next(block for block, depth in zip(first, depths, strict=True) if depth)
    config: Config = {
        "_class_name": "UNet2DConditionModel",
        "in_channels": unet["input_blocks.0.0.weight"][1],
        "out_channels": unet["out.2.weight"][0],
        "block_out_channels": channels,
        "down_block_types": ["CrossAttnDownBlock2D" if depth else "DownBlock2D" for depth in depths],
        "up_block_types": ["CrossAttnUpBlock2D" if depth else "UpBlock2D" for depth in reversed(depths)],
        "layers_per_block": len(levels[0]),
        # A level without attention needs a number as well.
        "transformer_layers_per_block": [max(1, depth) for depth in depths],
        "cross_attention_dim": unet[f"{attending}.1.transformer_blocks.0.attn2.to_k.weight"][1],
        # diffusers calls the numbers of heads attention_head_dim.
        "attention_head_dim": HEADS if kind == STABLE_DIFFUSION_1 else [_heads(width) for width in channels],
        "use_linear_projection": len(unet[f"{attending}.1.proj_in.weight"]) == 2,
        "sample_size": 64,
    }
    if kind == STABLE_DIFFUSION_2 and prediction_type == "v_prediction":
        config |= {"sample_size": 96, "upcast_attention": True}
    if kind == STABLE_DIFFUSION_XL:
        width = unet["label_emb.0.0.weight"][1]
        pooled = shapes["conditioner.embedders.1.model.text_projection"][1]
        config |= {
            "sample_size": 128,
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": (width - pooled) // TIME_IDS,
            "projection_class_embeddings_input_dim": width,
        }
    return config


def controlnet_sizes(shapes: Shapes) -> Config:
    """Return the sizes of a ControlNet in which it may differ from its UNet, whose encoder it copies otherwise.

    Args:
        shapes: of its tensors, by the names of the original implementation or by those of diffusers.
    """
    net = strip_prefix(shapes, "control_model.")
    hint, first = "controlnet_cond_embedding.", "conv_in"
    names = [f"{hint}conv_in", *(f"{hint}blocks.{number}" for number in (1, 3, 5))]
    if f"{names[0]}.weight" not in net:
        first = "input_blocks.0.0"
        names = [f"input_hint_block.{number}" for number in (0, 4, 8, 12)]
    hints = [net[f"{name}.weight"] for name in names if f"{name}.weight" in net]
    return {
        "in_channels": net[f"{first}.weight"][1],
        "cross_attention_dim": next(shape[1] for name, shape in net.items() if name.endswith("attn2.to_k.weight")),
        "conditioning_channels": hints[0][1],
        "conditioning_embedding_out_channels": [shape[0] for shape in hints],
    }


def vae_constants(kind: FileKind) -> Config:
    """Return what no shape shows of the VAE of a kind of Stable Diffusion."""
    if kind == STABLE_DIFFUSION_XL:
        # Its decoder overflows in float16.
        return {"sample_size": 1024, "scaling_factor": XL_SCALING_FACTOR, "force_upcast": True}
    return {"sample_size": 512}


def vae_sizes(shapes: Shapes) -> Config:
    """Return the sizes of a VAE.

    Args:
        shapes: of its tensors, by the names of the original implementation or by those of diffusers.
    """
    vae = strip_prefix(shapes, *VAE_PREFIXES)
    down, resnets = ("down_blocks", "resnets") if "encoder.conv_norm_out.weight" in vae else ("down", "block")
    levels = range(_count(vae, f"encoder.{down}."))
    return {
        "in_channels": vae["encoder.conv_in.weight"][1],
        "out_channels": vae["decoder.conv_out.weight"][0],
        "latent_channels": vae["decoder.conv_in.weight"][1],
        "block_out_channels": [vae[f"encoder.{down}.{level}.{resnets}.0.conv1.weight"][0] for level in levels],
        "down_block_types": ["DownEncoderBlock2D" for _ in levels],
        "up_block_types": ["UpDecoderBlock2D" for _ in levels],
        "layers_per_block": _count(vae, f"encoder.{down}.0.{resnets}."),
    }


def text_encoder_configs(shapes: Shapes, kind: FileKind) -> dict[str, Config]:
    """Return the configuration of each text encoder, by its name in a pipeline."""
    if kind == STABLE_DIFFUSION_1:
        return {"text_encoder": _clip_config(shapes, "cond_stage_model.transformer.text_model.")}
    if kind == STABLE_DIFFUSION_2:
        # Its prompts are the hidden states before the last layer, which diffusers leaves out.
        return {"text_encoder": _open_clip_config(shapes, "cond_stage_model.model.", skipped_layers=1)}
    return {
        "text_encoder": _clip_config(shapes, "conditioner.embedders.0.transformer.text_model."),
        "text_encoder_2": _open_clip_config(shapes, "conditioner.embedders.1.model.", skipped_layers=0),
    }


def _clip_config(shapes: Shapes, prefix: str) -> Config:
    """Return the configuration of CLIP's text encoder, by the names of transformers."""
    tokens, width = shapes[f"{prefix}embeddings.token_embedding.weight"]
    return {
        **_text_config(tokens, width, hidden_act="quick_gelu"),
        "max_position_embeddings": shapes[f"{prefix}embeddings.position_embedding.weight"][0],
        "num_hidden_layers": _count(shapes, f"{prefix}encoder.layers."),
        "intermediate_size": shapes[f"{prefix}encoder.layers.0.mlp.fc1.weight"][0],
        "projection_dim": width,
    }


def _open_clip_config(shapes: Shapes, prefix: str, *, skipped_layers: int) -> Config:
    """Return the configuration of OpenCLIP's text encoder, by the names of open_clip."""
    tokens, width = shapes[f"{prefix}token_embedding.weight"]
    layers = f"{prefix}transformer.resblocks."
    return {
        **_text_config(tokens, width, hidden_act="gelu"),
        "architectures": ["CLIPTextModelWithProjection"],
        "max_position_embeddings": shapes[f"{prefix}positional_embedding"][0],
        "num_hidden_layers": _count(shapes, layers) - skipped_layers,
        "intermediate_size": shapes[f"{layers}0.mlp.c_fc.weight"][0],
        "projection_dim": shapes.get(f"{prefix}text_projection", (width, width))[1],
    }


def _text_config(tokens: int, width: int, *, hidden_act: str) -> Config:
    return {
        "model_type": "clip_text_model",
        "vocab_size": tokens,
        "hidden_size": width,
        "num_attention_heads": _heads(width),
        "hidden_act": hidden_act,
        "bos_token_id": VOCABULARY_SIZE - 2,
        "eos_token_id": VOCABULARY_SIZE - 1,
    }


def _levels(unet: Shapes) -> list[list[int]]:
    """Return the numbers of the input blocks of each resolution, without those that halve it."""
    levels: list[list[int]] = [[]]
    for number in range(1, _count(unet, "input_blocks.")):
        if f"input_blocks.{number}.0.op.weight" in unet:
            levels.append([])
        else:
            levels[-1].append(number)
    return levels


def _count(shapes: Shapes, prefix: str) -> int:
    """Return how many numbered parts there are whose names begin with a prefix."""
    return len({name.removeprefix(prefix).partition(".")[0] for name in shapes if name.startswith(prefix)})


def _heads(width: int) -> int:
    return max(1, width // HEAD_WIDTH)
