"""A head that many published speech classifiers have and transformers has not: wav2vec 2.0's mean, dense, tanh, dense.

Such a checkpoint, of emotions most often, calls itself a wav2vec 2.0 classifier, and transformers gives it a new head
of random weights with nothing but a warning. The layers are those of https://github.com/m3hrdadfi/soxan.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Wav2Vec2Config, Wav2Vec2Model, Wav2Vec2PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from photism.encoder.heads import number_of_labels

KEY_MAPPING = {r"^classifier\.output\.": "classifier.out_proj."}
"""Names of the last layer in some checkpoints, and its name here."""


def has_speech_head(config: Any, keys: Collection[str]) -> bool:
    """Whether a checkpoint with tensors of these names has this head."""
    return config.model_type == "wav2vec2" and "classifier.dense.weight" in keys


class SpeechHead(nn.Module):
    """Two linear layers with a tanh between them."""

    def __init__(self, config: Wav2Vec2Config) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.out_proj = nn.Linear(config.hidden_size, number_of_labels(config))

    def forward(self, pooled: Tensor) -> Tensor:
        """(B, D) -> (B, num_labels)."""
        return self.out_proj(torch.tanh(self.dense(pooled)))


class SpeechClassifier(Wav2Vec2PreTrainedModel):
    """wav2vec 2.0 with this head, to be used, not trained."""

    def __init__(self, config: Wav2Vec2Config) -> None:
        super().__init__(config)
        self.wav2vec2 = Wav2Vec2Model(config)
        self.classifier = SpeechHead(config)
        self.post_init()

    def forward(self, input_values: Tensor, attention_mask: Tensor | None = None) -> SequenceClassifierOutput:
        """Logits (B, num_labels) of waveforms (B, T), of which a mask (B, T) says what is padding."""
        states = self.wav2vec2(input_values, attention_mask=attention_mask).last_hidden_state
        valid = states.new_ones(*states.shape[:2], 1)
        if attention_mask is not None:
            mask: Any = attention_mask
            valid = self._get_feature_vector_attention_mask(states.shape[1], mask)[..., None].to(states.dtype)
        return SequenceClassifierOutput(logits=self.classifier(self._pooled(states, valid)))

    def _pooled(self, states: Tensor, valid: Tensor) -> Tensor:
        """(B, F, D) and which are valid (B, F, 1) -> (B, D)."""
        mode = getattr(self.config, "pooling_mode", "mean")
        if mode == "max":
            return states.masked_fill(valid == 0, -torch.inf).amax(1)
        total = (states * valid).sum(1)
        return total if mode == "sum" else total / valid.sum(1)
