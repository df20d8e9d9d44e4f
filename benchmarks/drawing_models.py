"""Pipelines of Stable Diffusion 1.5 and XL of full size, with random weights, which recordings draw with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch


@dataclass(frozen=True)
class Architecture:
    """Configuration of the UNet and the VAE, and widths of the prompts."""

    unet: dict[str, Any]
    vae: tuple[int, ...]
    width: int
    pooled_width: int | None = None
    sizes: dict[str, int] = field(default_factory=lambda: {"num_hidden_layers": 24})


TOKENS = 77
"""S, tokens of a prompt."""
XL_CONDITIONS = {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,  # 6 · 256 + 1280
}
VAE = (128, 256, 512, 512)
ARCHITECTURES = {
    "Stable Diffusion 1.5": Architecture(
        {"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8}, VAE, 768
    ),
    "Stable Diffusion XL": Architecture(
        {
            "sample_size": 128,
            "block_out_channels": (320, 640, 1280),
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            "transformer_layers_per_block": (1, 2, 10),
            "attention_head_dim": (5, 10, 20),
            "cross_attention_dim": 2048,
            "use_linear_projection": True,
            **XL_CONDITIONS,
        },
        VAE,
        2048,
        1280,
    ),
}
"""Those of stable-diffusion-v1-5/stable-diffusion-v1-5 and stabilityai/stable-diffusion-xl-base-1.0."""


def reduced(architecture: Architecture) -> Architecture:
    """Return the architecture with an eighth of the width and a fourth of the image's side, for a rehearsal."""
    widths = architecture.unet.get("block_out_channels", (320, 640, 1280, 1280))
    unet = {"block_out_channels": tuple(each // 8 for each in widths), "norm_num_groups": 8, "attention_head_dim": 8}
    unet["sample_size"] = architecture.unet["sample_size"] // 4
    vae = tuple(each // 4 for each in architecture.vae)
    small = {"num_hidden_layers": 1, "hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 128}
    return Architecture(
        architecture.unet | unet, vae, architecture.width, architecture.pooled_width, small | {"output_hidden_size": 64}
    )


def make_diffusion(architecture: Architecture, *, device: str, dtype: torch.dtype) -> Any:
    """Return a pipeline of diffusers without text encoders, which recordings do not need."""
    import diffusers

    with torch.device(device):  # created where they are used: random numbers take a CPU minutes
        unet = diffusers.UNet2DConditionModel(**architecture.unet)
        vae = diffusers.AutoencoderKL(
            block_out_channels=architecture.vae,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
            sample_size=8 * architecture.unet["sample_size"],
            force_upcast=architecture.pooled_width is not None,  # that of XL overflows in float16
        )
    parts = {"unet": unet.to(dtype).eval(), "vae": vae.to(dtype).eval(), "text_encoder": None, "tokenizer": None}
    parts["scheduler"] = diffusers.EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="trailing"
    )
    if architecture.pooled_width is None:
        pipeline = diffusers.StableDiffusionPipeline(
            **parts, safety_checker=None, feature_extractor=None, requires_safety_checker=False
        )
    else:
        pipeline = diffusers.StableDiffusionXLPipeline(
            **parts, text_encoder_2=None, tokenizer_2=None, add_watermarker=False
        )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def make_pipeline(architecture: Architecture, *, device: str, dtype: torch.dtype) -> Any:
    """Return an `AudioToImagePipeline` that draws with a model of this architecture."""
    from transformers import Wav2Vec2BertConfig

    from photism import AudioToImagePipeline
    from photism.prompts.audio_prompt_encoder import AudioPromptEncoder
    from photism.prompts.prompt_space import PromptSpace

    torch.manual_seed(0)
    diffusion = make_diffusion(architecture, device=device, dtype=dtype)
    pooled = None if architecture.pooled_width is None else torch.randn(architecture.pooled_width)
    width = architecture.width
    space = PromptSpace("random", torch.randn(width), torch.randn(TOKENS, width), width**0.5, pooled)
    with torch.device(device):
        encoder = AudioPromptEncoder.for_space(space, encoder=Wav2Vec2BertConfig(**architecture.sizes))
    return AudioToImagePipeline(encoder.to(device, dtype).eval(), diffusion)
