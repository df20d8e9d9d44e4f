"""How well a model does on sounds that are kept from training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from photism.errors import as_input_error
from photism.prompts.metrics import (
    cosine_similarity,
    cross_modal_retrieval,
    euclidean_distance,
    mean_squared_error,
    sequence_similarity,
)
from photism.training.align.targets import Targets

DRAWN_AT_ONCE = 4
HEAT_MAP_SOUNDS = 32
BEST_BY = "audio to text: R@5"
"""What says which weights are kept."""


@dataclass(frozen=True)
class Heard:
    """Sounds to measure on, and what was heard of them.

    Attributes:
        clips: indices in the corpus (N,).
        tokens: float32 (N, S, D), without the opening one.
        pooled: float32 (N, P) or None.
        captions: numbers of the captions of each sound.
    """

    clips: Sequence[int]
    tokens: Tensor
    pooled: Tensor | None
    captions: Sequence[Sequence[int]]


def measure(heard: Heard, targets: Targets) -> dict[str, float]:
    """Retrieval among all captions of these sounds, both ways, and how near tokens come to the first caption's."""
    count = heard.tokens.shape[1]
    similarity, relevant = similarities(heard, targets)
    both = cross_modal_retrieval(similarity, relevant)
    first = targets.tokens(torch.tensor([captions[0] for captions in heard.captions]), count)
    found: dict[str, float] = {}
    for name, way in (("audio to text", both.audio_to_text), ("text to audio", both.text_to_audio)):
        found[f"{name}: R@1"] = way.recall_at_1
        found[f"{name}: R@5"] = way.recall_at_5
        found[f"{name}: R@10"] = way.recall_at_10
        found[f"{name}: median rank"] = way.median_rank
    found["cosine similarity"] = cosine_similarity(heard.tokens, first)
    found["mean squared error"] = mean_squared_error(heard.tokens, first)
    found["Euclidean distance"] = euclidean_distance(heard.tokens, first)
    return found


def similarities(heard: Heard, targets: Targets) -> tuple[Tensor, Tensor]:
    """Of sounds (N) with all of their captions (M): float32 (N, M), and bool (N, M), which are right."""
    candidates = sorted({caption for captions in heard.captions for caption in captions})
    column = {caption: index for index, caption in enumerate(candidates)}
    text = targets.tokens(torch.tensor(candidates), heard.tokens.shape[1])
    relevant = torch.zeros(len(heard.clips), len(candidates), dtype=torch.bool)
    for row, captions in enumerate(heard.captions):
        relevant[row, [column[caption] for caption in captions]] = True
    return sequence_similarity(heard.tokens, text), relevant


def heat_map(heard: Heard, targets: Targets) -> Any:
    """A matplotlib figure: the similarity of the first sounds with their captions; right are those on the diagonal."""
    from matplotlib.figure import Figure

    shown = slice(HEAT_MAP_SOUNDS)
    captions = torch.tensor([each[0] for each in heard.captions[shown]])
    tokens = heard.tokens[shown]
    similarity = sequence_similarity(tokens, targets.tokens(captions, tokens.shape[1]))
    figure = Figure(figsize=(9, 8), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(similarity.numpy(), cmap="viridis")
    texts = [targets.captions[caption][:24] for caption in captions.tolist()]
    axes.set_xticks(range(len(texts)), texts, rotation=90, fontsize=6)
    axes.set_yticks(range(len(texts)), texts, fontsize=6)
    axes.set_xlabel("caption")
    axes.set_ylabel("sound of")
    figure.colorbar(image, label="mean cosine of tokens")
    return figure


def draw_prompts(
    pipeline: Any,
    prompts: Tensor,
    pooled: Tensor | None,
    *,
    negative: Tensor,
    pooled_negative: Tensor | None,
    steps: int,
    seed: int,
) -> list[Any]:
    """A picture of each prompt, each from the same noise whenever it is drawn.

    Args:
        pipeline: of diffusers, text to image.
        prompts: (N, S, D).
        pooled: (N, P), for Stable Diffusion XL.
        negative: (S, D).
        pooled_negative: (P,).
        steps: of denoising.
        seed: of the noise.

    Returns:
        N pictures of PIL.
    """
    pipeline.set_progress_bar_config(disable=True)
    dtype, device = pipeline.unet.dtype, pipeline.unet.device
    pictures: list[Any] = []
    for start in range(0, len(prompts), DRAWN_AT_ONCE):
        rows = slice(start, start + DRAWN_AT_ONCE)
        count = len(prompts[rows])
        arguments: dict[str, Any] = {
            "prompt_embeds": prompts[rows].to(device, dtype),
            "negative_prompt_embeds": negative.expand(count, -1, -1).to(device, dtype),
        }
        if pooled is not None and pooled_negative is not None:
            arguments["pooled_prompt_embeds"] = pooled[rows].to(device, dtype)
            arguments["negative_pooled_prompt_embeds"] = pooled_negative.expand(count, -1).to(device, dtype)
        generators = [torch.Generator().manual_seed(seed) for _ in range(count)]
        pictures += pipeline(num_inference_steps=steps, generator=generators, **arguments).images
    return pictures


def clip_score(pictures: Sequence[Any], captions: Sequence[str], clip: str) -> float:
    """How well pictures agree with their captions: 100 times the mean cosine of CLIP's vectors, not below 0.

    Args:
        pictures: of PIL.
        captions: as many.
        clip: folder or hub id of a CLIP.

    Raises:
        InputError: there is no such CLIP.

    Source: https://arxiv.org/abs/2104.08718, as torchmetrics computes it, which takes no folders.
    """
    from transformers import CLIPModel, CLIPProcessor

    with as_input_error(f"clip must be the folder or hub id of a CLIP; {clip} cannot be loaded"):
        model: Any = CLIPModel.from_pretrained(clip, use_safetensors=True)
        processor: Any = CLIPProcessor.from_pretrained(clip)
    inputs = processor(text=list(captions), images=list(pictures), return_tensors="pt", padding=True, truncation=True)
    with torch.no_grad():
        output = model(**inputs)
    return 100 * max(0.0, float(torch.cosine_similarity(output.image_embeds, output.text_embeds).mean()))
