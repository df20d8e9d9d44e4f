"""What is made of the encoder's states: characters (CTC), a class of a recording, classes of its frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, ctc_loss, mse_loss
from transformers import PreTrainedConfig, Wav2Vec2BertConfig
from transformers.modeling_outputs import (
    CausalLMOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
    Wav2Vec2BaseModelOutput,
)

from photism.encoder.model import Wav2Vec2BertModel, Wav2Vec2BertPreTrainedModel, is_set
from photism.errors import InputError

IGNORED_LABEL = -100


class Wav2Vec2BertForCTC(Wav2Vec2BertPreTrainedModel):
    """Characters or phonemes of speech, by connectionist temporal classification."""

    def __init__(self, config: Wav2Vec2BertConfig) -> None:
        super().__init__(config)
        if config.vocab_size is None:
            raise ValueError("vocab_size must be given, in the configuration or to from_pretrained(…, vocab_size=…)")
        self.wav2vec2_bert = Wav2Vec2BertModel(config)
        self.dropout = nn.Dropout(config.final_dropout)
        width = (config.output_hidden_size if config.add_adapter else None) or config.hidden_size
        self.lm_head = nn.Linear(width, config.vocab_size)
        self.post_init()

    def forward(
        self,
        input_features: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        *,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
    ) -> CausalLMOutput | tuple[Any, ...]:
        """Logits (B, F, vocab_size) of log-mel tokens, and the loss where `labels` are given.

        Args:
            input_features: as for `Wav2Vec2BertModel`.
            attention_mask: likewise.
            labels: int64 (B, characters); -100 and the blank, `pad_token_id`, are padding.
            output_hidden_states: as for `Wav2Vec2BertModel`.
            output_attentions: likewise.
            return_dict: False for a tuple.

        Raises:
            InputError: a label beyond the vocabulary.
        """
        if labels is not None and int(labels.max()) >= self.config.vocab_size:
            raise InputError(f"labels must be below vocab_size={self.config.vocab_size}; got {int(labels.max())}")
        outputs = self.wav2vec2_bert(
            input_features,
            attention_mask,
            output_hidden_states=output_hidden_states,
            output_attentions=output_attentions,
            return_dict=True,
        )
        logits = self.lm_head(self.dropout(outputs.last_hidden_state))
        loss = None
        if labels is not None:
            lengths = _lengths(input_features, attention_mask)
            loss = self._loss(logits, labels, self._output_lengths(lengths))
        return _result(
            CausalLMOutput(
                loss=loss, logits=logits, hidden_states=outputs.hidden_states, attentions=outputs.attentions
            ),
            is_set(return_dict, self.config.return_dict),
        )

    def _loss(self, logits: Tensor, labels: Tensor, lengths: Tensor) -> Tensor:
        blank = self.config.pad_token_id
        spoken = (labels != IGNORED_LABEL) & (labels != blank)
        with torch.backends.cudnn.flags(enabled=False):
            return ctc_loss(
                logits.log_softmax(-1, dtype=torch.float32).transpose(0, 1),  # (B, F, V) -> (F, B, V)
                labels[spoken],
                lengths,
                spoken.sum(1),
                blank=blank,
                reduction=self.config.ctc_loss_reduction,
                zero_infinity=self.config.ctc_zero_infinity,
            )


class Wav2Vec2BertForSequenceClassification(Wav2Vec2BertPreTrainedModel):
    """Classes, or numbers, of a whole recording: the mean of its tokens, projected."""

    def __init__(self, config: Wav2Vec2BertConfig) -> None:
        super().__init__(config)
        refuse_adapter(config)
        self.num_labels = number_of_labels(config)
        self.wav2vec2_bert = Wav2Vec2BertModel(config)
        self.layer_weights = new_layer_weights(config)
        self.projector = nn.Linear(config.hidden_size, config.classifier_proj_size)
        self.classifier = nn.Linear(config.classifier_proj_size, self.num_labels)
        self.post_init()

    def freeze_base_model(self) -> None:
        """Train the head alone."""
        self.wav2vec2_bert.requires_grad_(False)

    def forward(
        self,
        input_features: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        *,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
    ) -> SequenceClassifierOutput | tuple[Any, ...]:
        """Logits (B, num_labels) of log-mel tokens, and the loss where `labels` are given.

        Args:
            input_features: as for `Wav2Vec2BertModel`.
            attention_mask: likewise.
            labels: by the configuration's `problem_type`: classes int64 (B,); several at once, floats (B, num_labels)
                of 0 and 1; or numbers (B,) or (B, num_labels) to come near ("regression"). Where none is set, one
                label is regression, integers are classes, and floats are several at once.
            output_hidden_states: as for `Wav2Vec2BertModel`.
            output_attentions: likewise.
            return_dict: False for a tuple.
        """
        states, outputs = encode(self, input_features, attention_mask, output_hidden_states, output_attentions)
        states = self.projector(states)
        if attention_mask is None:
            pooled = states.mean(dim=1)
        else:
            valid = attention_mask.to(states.dtype)[..., None]
            pooled = (states * valid).sum(dim=1) / valid.sum(dim=1)
        logits = self.classifier(pooled)
        loss = None if labels is None else classification_loss(logits, labels, self.config)
        return _result(
            SequenceClassifierOutput(
                loss=loss, logits=logits, hidden_states=outputs.hidden_states, attentions=outputs.attentions
            ),
            is_set(return_dict, self.config.return_dict),
        )


class Wav2Vec2BertForAudioFrameClassification(Wav2Vec2BertPreTrainedModel):
    """Classes of every token of a recording, such as who speaks."""

    def __init__(self, config: Wav2Vec2BertConfig) -> None:
        super().__init__(config)
        refuse_adapter(config)
        self.num_labels = number_of_labels(config)
        self.wav2vec2_bert = Wav2Vec2BertModel(config)
        self.layer_weights = new_layer_weights(config)
        self.classifier = nn.Linear(config.hidden_size, self.num_labels)
        self.post_init()

    def freeze_base_model(self) -> None:
        """Train the head alone."""
        self.wav2vec2_bert.requires_grad_(False)

    def forward(
        self,
        input_features: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        *,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
    ) -> TokenClassifierOutput | tuple[Any, ...]:
        """Logits (B, F, num_labels) of log-mel tokens, and the loss where `labels` are given.

        Args:
            input_features: as for `Wav2Vec2BertModel`.
            attention_mask: likewise.
            labels: one-hot (B, F, num_labels) as transformers takes them, or classes int64 (B, F), -100 for none;
                with the configuration's `problem_type` "multi_label_classification" any number of ones in a token.
                Tokens of padding do not count.
            output_hidden_states: as for `Wav2Vec2BertModel`.
            output_attentions: likewise.
            return_dict: False for a tuple.
        """
        states, outputs = encode(self, input_features, attention_mask, output_hidden_states, output_attentions)
        logits = self.classifier(states)
        loss = None
        if labels is not None:
            valid = slice(None) if attention_mask is None else attention_mask.bool()
            wanted, given = logits[valid], labels[valid]
            if self.config.problem_type == "multi_label_classification":
                loss = binary_cross_entropy_with_logits(wanted, given.to(wanted.dtype))
            else:
                classes = given.argmax(-1) if labels.ndim == 3 else given
                loss = cross_entropy(wanted.flatten(0, -2), classes.flatten(), ignore_index=IGNORED_LABEL)
        return _result(
            TokenClassifierOutput(
                loss=loss, logits=logits, hidden_states=outputs.hidden_states, attentions=outputs.attentions
            ),
            is_set(return_dict, self.config.return_dict),
        )


def refuse_adapter(config: Wav2Vec2BertConfig) -> None:
    """The heads that read every layer, or every token, cannot have one."""
    if config.add_adapter:
        raise ValueError("add_adapter must be False for this head: it reads the tokens as the layers leave them")


def number_of_labels(config: PreTrainedConfig) -> int:
    """The configuration's `num_labels`."""
    return len(config.id2label or ())


def new_layer_weights(config: Wav2Vec2BertConfig) -> nn.Parameter | None:
    """One for the input of the first layer and one for the output of each, where they are to be summed."""
    layers = config.num_hidden_layers + 1
    return nn.Parameter(torch.full((layers,), 1 / layers)) if config.use_weighted_layer_sum else None


def encode(
    head: Any,
    input_features: Tensor,
    attention_mask: Tensor | None,
    output_hidden_states: bool | None,
    output_attentions: bool | None,
) -> tuple[Tensor, Wav2Vec2BaseModelOutput]:
    """The states (B, F, D) that a head reads: the last, or the weighted sum of all, which are not kept for it.

    A layer that layerdrop leaves out counts with the states that pass it by.
    """
    summed: list[Tensor] = []
    weights: Sequence[Tensor] = () if head.layer_weights is None else tuple(head.layer_weights.softmax(-1))
    remaining = iter(weights)

    def add(states: Tensor) -> None:
        weighted = next(remaining) * states
        summed[:] = [summed[0] + weighted] if summed else [weighted]

    outputs = head.wav2vec2_bert(
        input_features,
        attention_mask,
        output_hidden_states=output_hidden_states,
        output_attentions=output_attentions,
        return_dict=True,
        on_state=add if weights else None,
    )
    return (summed[0] if weights else outputs.last_hidden_state), outputs


def classification_loss(logits: Tensor, labels: Tensor, config: PreTrainedConfig) -> Tensor:
    """Of (B, num_labels) logits, by the kind of problem."""
    problem = config.problem_type
    if problem is None:
        several = "multi_label_classification" if labels.is_floating_point() else "single_label_classification"
        problem = "regression" if number_of_labels(config) == 1 else several
    if problem == "regression":
        return mse_loss(logits, labels.to(logits.dtype).view_as(logits))
    if problem == "multi_label_classification":
        return binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))
    return cross_entropy(logits, labels.flatten())


def _lengths(input_features: Tensor, attention_mask: Tensor | None) -> Tensor:
    if attention_mask is not None:
        return attention_mask.sum(1)
    batch, frames, _ = input_features.shape
    return torch.full((batch,), frames, device=input_features.device)


def _result(output: Any, return_dict: bool) -> Any:
    return output if return_dict else output.to_tuple()
