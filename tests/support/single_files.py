"""Write tiny models of diffusers in the layouts of the original implementations, as single files have them.

diffusers converts these layouts in one direction only; this is the other one.
"""

import re
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    DDIMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from photism.prompts.diffusion.clip_tokenizer import VOCABULARY_SIZE, clip_tokenizer

Weights = dict[str, torch.Tensor]

RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
UNET = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "mid_block.attentions.0": "middle_block.1",
    "controlnet_mid_block": "middle_block_out.0",
    "controlnet_cond_embedding.conv_in": "input_hint_block.0",
    "controlnet_cond_embedding.conv_out": "input_hint_block.14",
}
VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def original_unet(model: UNet2DConditionModel | ControlNetModel) -> Weights:
    """Return the weights of a UNet or ControlNet by the names of the original implementation, without a prefix."""
    layers = model.config.layers_per_block
    attends = [name.startswith("CrossAttn") for name in model.config.get("up_block_types", ())]

    def rename(name: str) -> str:
        for new, old in UNET.items():
            if name.startswith(f"{new}."):
                return old + name.removeprefix(new)
        if match := re.match(r"controlnet_down_blocks\.(\d+)(.*)", name):
            return f"zero_convs.{match[1]}.0{match[2]}"
        if match := re.match(r"controlnet_cond_embedding\.blocks\.(\d+)(.*)", name):
            return f"input_hint_block.{2 * (int(match[1]) + 1)}{match[2]}"
        if match := re.match(r"mid_block\.resnets\.(\d)\.(\w+)(.*)", name):
            return f"middle_block.{2 * int(match[1])}.{RESNET[match[2]]}{match[3]}"
        side, level, part, number, rest = re.match(r"(down|up)_blocks\.(\d)\.(\w+)\.(\d)\.(.*)", name).groups()
        block = int(level) * (layers + 1) + int(number)
        prefix = f"output_blocks.{block}" if side == "up" else f"input_blocks.{block + 1}"
        if part == "resnets":
            layer, _, rest = rest.partition(".")
            return f"{prefix}.0.{RESNET[layer]}.{rest}"
        if part == "attentions":
            return f"{prefix}.1.{rest}"
        if part == "downsamplers":
            return f"input_blocks.{(int(level) + 1) * (layers + 1)}.0.{rest.replace('conv', 'op')}"
        return f"output_blocks.{(int(level) + 1) * (layers + 1) - 1}.{2 if attends[int(level)] else 1}.{rest}"

    return {rename(name): tensor for name, tensor in model.state_dict().items()}


def original_vae(model: AutoencoderKL) -> Weights:
    """Return the weights of a VAE by the names of the original implementation, without a prefix."""
    last = len(model.config.block_out_channels) - 1

    def rename(name: str) -> str:
        name = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
        name = re.sub(r"mid_block\.resnets\.(\d)", lambda match: f"mid.block_{int(match[1]) + 1}", name)
        for new, old in VAE_ATTENTION.items():
            name = name.replace(f"mid_block.attentions.0.{new}.", f"mid.attn_1.{old}.")
        name = re.sub(r"up_blocks\.(\d)", lambda match: f"up.{last - int(match[1])}", name)
        name = name.replace("down_blocks", "down").replace("resnets", "block")
        return name.replace("upsamplers.0", "upsample").replace("downsamplers.0", "downsample")

    weights = {rename(name): tensor for name, tensor in model.state_dict().items()}
    is_convolution = re.compile(r".*attn_1\.(q|k|v|proj_out)\.weight")  # of one pixel, where diffusers has a matrix
    return {
        name: tensor[..., None, None] if is_convolution.fullmatch(name) else tensor for name, tensor in weights.items()
    }


def original_clip(model: CLIPTextModel) -> Weights:
    """Return the weights of a text encoder by the names of older transformers, which files of SD 1.x have."""
    weights = {f"text_model.{name.removeprefix('text_model.')}": value for name, value in model.state_dict().items()}
    return weights | {"text_model.embeddings.position_ids": torch.arange(77)[None]}


def original_open_clip(model: CLIPTextModel | CLIPTextModelWithProjection, *, unused_layers: int = 0) -> Weights:
    """Return the weights of a text encoder by the names of open_clip, with further layers at its end."""
    weights: Weights = {"logit_scale": torch.tensor(1.0)}
    attention: dict[str, Weights] = {}
    for name, tensor in model.state_dict().items():
        name = name.removeprefix("text_model.")
        for new, old in (
            ("embeddings.position_embedding.weight", "positional_embedding"),
            ("embeddings.", ""),
            ("final_layer_norm", "ln_final"),
            ("encoder.layers", "transformer.resblocks"),
            ("layer_norm", "ln_"),
            ("self_attn", "attn"),
            ("mlp.fc1", "mlp.c_fc"),
            ("mlp.fc2", "mlp.c_proj"),
        ):
            name = name.replace(new, old)
        if match := re.match(r"(.*attn)\.(.)_proj\.(weight|bias)", name):
            attention.setdefault(f"{match[1]}.in_proj_{match[3]}", {})[match[2]] = tensor
        elif name == "text_projection.weight":
            weights["text_projection"] = tensor.T.contiguous()
        else:
            weights[name] = tensor
    weights |= {name: torch.cat([parts[each] for each in "qkv"]) for name, parts in attention.items()}
    layers = model.config.num_hidden_layers
    for number in range(layers, layers + unused_layers):
        weights |= {
            name.replace("resblocks.0.", f"resblocks.{number}."): tensor.clone()
            for name, tensor in weights.items()
            if ".resblocks.0." in name
        }
    return weights


def prefixed(prefix: str, weights: Weights) -> Weights:
    return {f"{prefix}{name}": tensor for name, tensor in weights.items()}


def original_pipeline(pipeline: StableDiffusionPipeline | StableDiffusionXLPipeline) -> Weights:
    """Return the weights of all models of a pipeline by the names that single files have."""
    weights = prefixed("model.diffusion_model.", original_unet(pipeline.unet))
    weights |= prefixed("first_stage_model.", original_vae(pipeline.vae))
    if isinstance(pipeline, StableDiffusionXLPipeline):
        weights |= prefixed("conditioner.embedders.0.transformer.", original_clip(pipeline.text_encoder))
        return weights | prefixed("conditioner.embedders.1.model.", original_open_clip(pipeline.text_encoder_2))
    if pipeline.text_encoder.config.hidden_act == "gelu":
        text = original_open_clip(pipeline.text_encoder, unused_layers=1)
        return weights | prefixed("cond_stage_model.model.", text)
    return weights | prefixed("cond_stage_model.transformer.", original_clip(pipeline.text_encoder))


def make_text_config(width: int, **other: object) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=VOCABULARY_SIZE,
        hidden_size=width,
        intermediate_size=2 * width,
        num_attention_heads=1,
        num_hidden_layers=2,
        projection_dim=width,
        **other,
    )


def make_unet(width: int, **other: object) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=width,
        **{"attention_head_dim": 8, "sample_size": 64, "in_channels": 4, **other},
    )


def make_vae() -> AutoencoderKL:
    return AutoencoderKL(
        latent_channels=4,
        block_out_channels=(32, 32),
        layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
    )


def make_pipeline(kind: str, *, in_channels: int = 4) -> StableDiffusionPipeline | StableDiffusionXLPipeline:
    """Make a tiny pipeline with the tokenizer and the layout of "1", "2" or "xl", of random weights."""
    scheduler, tokenizer = DDIMScheduler(clip_sample=False, steps_offset=1), clip_tokenizer()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if kind == "xl":
            return StableDiffusionXLPipeline(
                vae=make_vae(),
                text_encoder=CLIPTextModel(make_text_config(16)),
                text_encoder_2=CLIPTextModelWithProjection(make_text_config(24, hidden_act="gelu")),
                tokenizer=tokenizer,
                tokenizer_2=clip_tokenizer(pad_token="!"),
                unet=make_unet(
                    16 + 24,
                    in_channels=in_channels,
                    attention_head_dim=[1, 1],
                    transformer_layers_per_block=[1, 2],
                    use_linear_projection=True,
                    addition_embed_type="text_time",
                    addition_time_embed_dim=4,
                    projection_class_embeddings_input_dim=6 * 4 + 24,
                    sample_size=128,
                ),
                scheduler=scheduler,
                add_watermarker=False,
            )
        second = {"attention_head_dim": [1, 1], "use_linear_projection": True} if kind == "2" else {}
        return StableDiffusionPipeline(
            vae=make_vae(),
            text_encoder=CLIPTextModel(make_text_config(16, **({"hidden_act": "gelu"} if kind == "2" else {}))),
            tokenizer=clip_tokenizer(pad_token="!") if kind == "2" else tokenizer,
            unet=make_unet(16, in_channels=in_channels, **second),
            scheduler=scheduler,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )


def save_single_file(path: Path, weights: Weights, metadata: dict[str, str] | None = None) -> Path:
    save_file({name: tensor.contiguous().clone() for name, tensor in weights.items()}, path, metadata)
    return path
