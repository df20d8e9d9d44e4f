"""A classification head of many published wav2vec 2.0 checkpoints that transformers lacks: mean, dense, tanh, dense.

Such a checkpoint, most often for emotions, is declared as a wav2vec 2.0 classifier, and transformers only warns that it
gives it a new head with random weights. The layers are those of https://github.com/m3hrdadfi/soxan.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Wav2Vec2Config, Wav2Vec2Model, Wav2Vec2PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from photism.encoder.head_losses import number_of_labels

KEY_MAPPING = {r"^classifier\.output\.": "classifier.out_proj."}
"""Names of the last layer in some checkpoints, and its name here."""


def has_speech_head(config: Any, keys: Collection[str]) -> bool:
    """Return whether a checkpoint with tensors of these names has this head."""
    return config.model_type == "wav2vec2" and "classifier.dense.weight" in keys


class SpeechHead(nn.Module):
    """Two linear layers with a tanh between them."""

    def __init__(self, config: Wav2Vec2Config) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.out_proj = nn.Linear(config.hidden_size, number_of_labels(config))

    def forward(self, pooled: Tensor) -> Tensor:
        """Return the logits (B, num_labels) of pooled states (B, D)."""
        return self.out_proj(torch.tanh(self.dense(pooled)))


class SpeechClassifier(Wav2Vec2PreTrainedModel):
    """wav2vec 2.0 with this head, for inference only."""

    def __init__(self, config: Wav2Vec2Config) -> None:
        super().__init__(config)
        self.wav2vec2 = Wav2Vec2Model(config)
        self.classifier = SpeechHead(config)
        self.post_init()

    def forward(self, input_values: Tensor, attention_mask: Tensor | None = None) -> SequenceClassifierOutput:
        """Return the logits (B, num_labels) of waveforms (B, T) with an attention mask (B, T)."""
        states = self.wav2vec2(input_values, attention_mask=attention_mask).last_hidden_state
        valid = states.new_ones(*states.shape[:2], 1)
        if attention_mask is not None:
            mask: Any = attention_mask
            valid = self._get_feature_vector_attention_mask(states.shape[1], mask)[..., None].to(states.dtype)
        return SequenceClassifierOutput(logits=self.classifier(self._pooled(states, valid)))

    def _pooled(self, states: Tensor, valid: Tensor) -> Tensor:
        """Pool states (B, F, D) over the valid frames (B, F, 1) to (B, D)."""
        mode = getattr(self.config, "pooling_mode", "mean")
        if mode == "max":
            return states.masked_fill(valid == 0, -torch.inf).amax(1)
        total = (states * valid).sum(1)
        return total if mode == "sum" else total / valid.sum(1)
