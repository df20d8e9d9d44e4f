"""Losses of an alignment: contrastive and regression loss of a batch, or of groups of clips within it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from photism.prompts.losses import regression_loss, sequence_contrastive_loss
from photism.training.data.sampler import Crop, longest_first
from photism.training.settings import AlignSettings


def batch_losses(
    outputs: Sequence[Tensor],
    targets: Mapping[str, Tensor],
    settings: AlignSettings,
    *,
    temperature: float | Tensor,
) -> dict[str, Tensor]:
    """Return "loss" and its parts, the mean over the contrastive groups of a batch if it has any.

    Args:
        outputs: predicted tokens (B, S, D) and, if the prompt space has them, pooled embeddings (B, P).
        targets: tensors of `AlignTask.targets`.
        settings: settings of the training.
        temperature: temperature of the contrastive loss.
    """
    if "group" not in targets:
        return _group_losses(outputs, targets, settings, temperature)
    found: list[dict[str, Tensor]] = []
    for number in targets["group"].unique():
        rows = targets["group"] == number
        own = {name: each[rows] for name, each in targets.items()}
        found.append(_group_losses([each[rows] for each in outputs], own, settings, temperature))
    return {name: torch.stack([losses[name] for losses in found]).mean() for name in found[0]}


def _group_losses(
    outputs: Sequence[Tensor], targets: Mapping[str, Tensor], settings: AlignSettings, temperature: float | Tensor
) -> dict[str, Tensor]:
    """Return the losses of the tokens and, added to them, those of the pooled embeddings."""
    tokens, *pooled = outputs
    positions, ids = tokens.shape[1], targets["caption_ids"]
    losses = alignment_losses(
        tokens,
        targets["text_embeds"][:, :positions],
        settings,
        temperature=temperature,
        caption_ids=ids,
        is_padding=targets["is_padding"][:, :positions],
    )
    if pooled:
        # One embedding of the whole prompt, which counts as much as all tokens together.
        of_pooled = alignment_losses(
            pooled[0][:, None], targets["pooled"][:, None], settings, temperature=temperature, caption_ids=ids
        )
        total = losses["loss"] + of_pooled.pop("loss")
        losses = {**losses, **{f"pooled {name}": value for name, value in of_pooled.items()}, "loss": total}
    return losses


def alignment_losses(
    audio: Tensor,
    text: Tensor,
    settings: AlignSettings,
    *,
    temperature: float | Tensor,
    caption_ids: Tensor,
    is_padding: Tensor | None = None,
) -> dict[str, Tensor]:
    """Return "loss", the weighted sum, and its unweighted parts "contrastive" and "regression", as scalars.

    Args:
        audio: predicted tokens (B, S, D), or pooled embeddings (B, 1, P).
        text: target tokens (B, S, D), of the caption of each clip.
        settings: weights of the parts; a part of weight 0 is not computed.
        temperature: temperature of the contrastive loss.
        caption_ids: (B,), equal for equal captions, which are not contrasted unless the settings say so.
        is_padding: bool (B, S), positions after the end of a caption.
    """
    weights = None if is_padding is None else torch.where(is_padding, settings.padding_weight, 1.0)
    parts: dict[str, Tensor] = {}
    if settings.contrastive_weight:
        parts["contrastive"] = sequence_contrastive_loss(
            audio,
            text,
            temperature=temperature,
            caption_ids=caption_ids if settings.mask_equal_captions else None,
            symmetric=settings.symmetric,
            position_weights=weights,
        )
    if settings.regression_weight:
        parts["regression"] = regression_loss(audio, text, norm_weight=settings.norm_weight, position_weights=weights)
    factors = {"contrastive": settings.contrastive_weight, "regression": settings.regression_weight}
    return {"loss": torch.stack([factors[name] * part for name, part in parts.items()]).sum(), **parts}


def contrastive_groups(crops: Sequence[Crop], size: int) -> list[int]:
    """Return the number of each crop's group: in the order of their lengths, crops are dealt out to the groups in turn.

    So the groups have clips of similar lengths, and do not depend on the order in which processes return the crops.

    Args:
        crops: crops of a batch.
        size: number of crops in a group.
    """
    places = {crop: place for place, crop in enumerate(longest_first(crops))}
    return [places[crop] % (len(crops) // size) for crop in crops]


def distinct_negatives(batches: Iterable[Sequence[Crop]], size: int | None) -> float:
    """Return how many captions other than its own a clip is contrasted with, on average.

    Args:
        batches: crops of each batch.
        size: number of crops in a contrastive group; None for the whole batch.
    """
    counts: list[int] = []
    for crops in batches:
        captions: dict[int, set[int]] = {}
        for crop, group in zip(crops, contrastive_groups(crops, size or len(crops)), strict=True):
            captions.setdefault(group, set()).add(crop.target)
        counts += [len(each) - 1 for each in captions.values()]
    return sum(counts) / len(counts)
