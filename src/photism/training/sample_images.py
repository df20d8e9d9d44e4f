"""Sample images of an alignment, generated from predicted prompts, and their CLIP score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from photism.errors import as_input_error

GENERATED_AT_ONCE = 4


def generate_images(
    pipeline: Any,
    prompt_embeds: Tensor,
    pooled: Tensor | None,
    *,
    negative: Tensor,
    pooled_negative: Tensor | None,
    steps: int,
    seed: int,
) -> list[Any]:
    """Generate an image of each prompt, always from the same noise.

    Args:
        pipeline: text-to-image pipeline of diffusers.
        prompt_embeds: (N, S, D).
        pooled: (N, P), for Stable Diffusion XL.
        negative: negative prompt, (S, D).
        pooled_negative: (P,), for Stable Diffusion XL.
        steps: denoising steps.
        seed: random seed of the noise.

    Returns:
        N PIL images.
    """
    pipeline.set_progress_bar_config(disable=True)
    dtype, device = pipeline.unet.dtype, pipeline.unet.device
    images: list[Any] = []
    for start in range(0, len(prompt_embeds), GENERATED_AT_ONCE):
        rows = slice(start, start + GENERATED_AT_ONCE)
        count = len(prompt_embeds[rows])
        arguments: dict[str, Any] = {
            "prompt_embeds": prompt_embeds[rows].to(device, dtype),
            "negative_prompt_embeds": negative.expand(count, -1, -1).to(device, dtype),
        }
        if pooled is not None and pooled_negative is not None:
            arguments["pooled_prompt_embeds"] = pooled[rows].to(device, dtype)
            arguments["negative_pooled_prompt_embeds"] = pooled_negative.expand(count, -1).to(device, dtype)
        generators = [torch.Generator().manual_seed(seed) for _ in range(count)]
        images += pipeline(num_inference_steps=steps, generator=generators, **arguments).images
    return images


def clip_score(images: Sequence[Any], captions: Sequence[str], clip: str) -> float:
    """Compute how well images match their captions: 100 times the mean cosine of CLIP's embeddings, at least 0.

    Args:
        images: PIL images.
        captions: caption of each.
        clip: folder or hub id of a CLIP model.

    Raises:
        InputError: there is no such model.

    Source: https://arxiv.org/abs/2104.08718, as computed by torchmetrics, which accepts no folders.
    """
    from transformers import CLIPModel, CLIPProcessor

    with as_input_error(f"clip must be the folder or hub id of a CLIP model; {clip} cannot be loaded"):
        model: Any = CLIPModel.from_pretrained(clip, use_safetensors=True)
        processor: Any = CLIPProcessor.from_pretrained(clip)
    inputs = processor(text=list(captions), images=list(images), return_tensors="pt", padding=True, truncation=True)
    with torch.no_grad():
        output = model(**inputs)
    return 100 * max(0.0, float(torch.cosine_similarity(output.image_embeds, output.text_embeds).mean()))
