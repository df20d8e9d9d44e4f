"""What the tokens of a batch of sounds are to learn from those of its captions."""

from __future__ import annotations

import torch
from torch import Tensor

from photism.prompts.losses import regression_loss, sequence_contrastive_loss
from photism.training.align.settings import AlignSettings


def alignment_losses(
    audio: Tensor,
    text: Tensor,
    settings: AlignSettings,
    *,
    temperature: float | Tensor,
    caption_ids: Tensor,
    is_padding: Tensor | None = None,
) -> dict[str, Tensor]:
    """Tensors without axes: "loss", which is to become small, and its parts "contrastive" and "regression", unweighted.

    Args:
        audio: (B, S, D) tokens of sounds, or pooled vectors (B, 1, P).
        text: (B, S, D), row i of the caption of sound i.
        settings: what each part counts; one of no weight is left out.
        temperature: of the contrast, the learned one or a number.
        caption_ids: (B,), equal for equal captions.
        is_padding: bool (B, S), positions after the end of a caption.
    """
    weights = None if is_padding is None else torch.where(is_padding, settings.padding_weight, 1.0)
    parts: dict[str, Tensor] = {}
    if settings.contrastive_weight:
        parts["contrastive"] = sequence_contrastive_loss(
            audio,
            text,
            temperature=temperature,
            caption_ids=caption_ids,
            symmetric=settings.symmetric,
            position_weights=weights,
        )
    if settings.regression_weight:
        parts["regression"] = regression_loss(audio, text, norm_weight=settings.norm_weight, position_weights=weights)
    shares = {"contrastive": settings.contrastive_weight, "regression": settings.regression_weight}
    return {"loss": torch.stack([shares[name] * part for name, part in parts.items()]).sum(), **parts}
