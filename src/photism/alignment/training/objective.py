"""What the tokens of a batch of sounds are to learn from those of its captions."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from photism.alignment.loss import PUBLISHED_TEMPERATURE, regression_loss, sequence_contrastive_loss
from photism.alignment.training.settings import AlignSettings


@dataclass(frozen=True)
class Objective:
    """Contrast and regression, and what each of them counts.

    Attributes:
        contrastive_weight, regression_weight: of `sequence_contrastive_loss` and `regression_loss`; not below 0, not
            both 0.
        symmetric: tell sounds of a caption apart, too.
        norm_weight: of the length of a token in the regression.
        padding_weight: what a position after a caption's end token counts, where one before it counts 1; from 0 to 1.
        temperature: of the contrast; where it starts if it is learned.
        learn_temperature: train it.
    """

    contrastive_weight: float = 1.0
    symmetric: bool = True
    temperature: float = PUBLISHED_TEMPERATURE
    learn_temperature: bool = True
    regression_weight: float = 1.0
    norm_weight: float = 0.5
    padding_weight: float = 1.0

    @classmethod
    def of(cls, settings: AlignSettings) -> Objective:
        """What settings say of it."""
        return cls(**{item.name: getattr(settings, item.name) for item in fields(cls)})

    def losses(
        self,
        audio: Tensor,
        text: Tensor,
        *,
        temperature: float | Tensor,
        caption_ids: Tensor,
        is_padding: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Tensors without axes: "loss", which is to become small, and its parts, unweighted.

        Args:
            audio: (B, S, D) tokens of sounds, or pooled vectors (B, 1, P).
            text: (B, S, D), row i of the caption of sound i.
            temperature: the learned one, or a number.
            caption_ids: (B,), equal for equal captions.
            is_padding: bool (B, S), positions after the end of a caption.
        """
        weights = None if is_padding is None else torch.where(is_padding, self.padding_weight, 1.0)
        parts: dict[str, Tensor] = {}
        if self.contrastive_weight:
            parts["contrastive"] = sequence_contrastive_loss(
                audio,
                text,
                temperature=temperature,
                caption_ids=caption_ids,
                symmetric=self.symmetric,
                position_weights=weights,
            )
        if self.regression_weight:
            parts["regression"] = regression_loss(audio, text, norm_weight=self.norm_weight, position_weights=weights)
        shares = {"contrastive": self.contrastive_weight, "regression": self.regression_weight}
        return {"loss": torch.stack([shares[name] * part for name, part in parts.items()]).sum(), **parts}
