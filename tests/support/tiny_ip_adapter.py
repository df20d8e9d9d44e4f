"""Make a tiny IP-Adapter and its image encoder with random weights, in the layout of the published ones."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

HIDDEN, PROJECTED = 12, 8  # widths of the image encoder
TOKENS = 4  # of an image


def make_image_encoder(folder: Path, *, hidden: int = HIDDEN) -> None:
    config = CLIPVisionConfig(
        hidden_size=hidden,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=16,
        patch_size=8,
        projection_dim=PROJECTED,
    )
    CLIPVisionModelWithProjection(config).save_pretrained(folder)


def make_ip_adapter(unet, folder: Path, *, kind: str = "plain") -> Path:
    """Write an IP-Adapter for a UNet, and its image encoder next to it, and return its file.

    Args:
        unet: a UNet2DConditionModel.
        folder: where to write.
        kind: "plain" projects the embedding of an image, "plus" resamples its hidden states.
    """
    width, hidden, inner = unet.config.cross_attention_dim, 16, 64
    shapes = {"proj.weight": (TOKENS * width, PROJECTED), "proj.bias": (TOKENS * width,)}
    shapes |= {"norm.weight": (width,), "norm.bias": (width,)}
    if kind == "plus":
        layer = {"0.to_q": (inner, hidden), "0.to_kv": (2 * inner, hidden), "0.to_out": (hidden, inner)}
        layer |= {"1.1": (4 * hidden, hidden), "1.3": (hidden, 4 * hidden), "1.0": (hidden,)}
        layer |= {"0.norm1": (hidden,), "0.norm2": (hidden,)}
        shapes = {"latents": (1, TOKENS, hidden), "proj_in.weight": (hidden, HIDDEN), "proj_in.bias": (hidden,)}
        shapes |= {"proj_out.weight": (width, hidden), "proj_out.bias": (width,)}
        shapes |= {"norm_out.weight": (width,), "norm_out.bias": (width,)}
        layer = {f"{name}.weight": shape for name, shape in layer.items()}
        layer |= {f"{name}.bias": (hidden,) for name in ("0.norm1", "0.norm2", "1.0")}
        shapes |= {f"layers.{number}.{name}": shape for number in range(4) for name, shape in layer.items()}
    weights = {f"image_proj.{name}": torch.randn(shape) for name, shape in shapes.items()}
    crossing = [name for name in unet.attn_processors if not name.endswith("attn1.processor")]
    for number, name in enumerate(crossing):
        keys = unet.get_submodule(name.removesuffix(".processor")).to_k.weight
        for part in ("k", "v"):
            weights[f"ip_adapter.{2 * number + 1}.to_{part}_ip.weight"] = torch.randn(keys.shape)
    folder.mkdir(parents=True)
    make_image_encoder(folder / "image_encoder")
    save_file(weights, folder / f"{kind}.safetensors")
    return folder / f"{kind}.safetensors"
