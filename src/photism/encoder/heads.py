"""Heads of Wav2Vec2-BERT: characters (CTC), classes of a recording, classes of each frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel, Wav2Vec2BertConfig
from transformers.modeling_outputs import (
    CausalLMOutput,
    SequenceClassifierOutput,
    TokenClassifierOutput,
    Wav2Vec2BaseModelOutput,
)

from photism.encoder.head_losses import (
    IGNORED_LABEL,
    MULTI_LABEL,
    classification_loss,
    ctc_loss,
    frame_activity_losses,
    number_of_labels,
)
from photism.encoder.model import Wav2Vec2BertModel, Wav2Vec2BertPreTrainedModel, is_set
from photism.encoder.packing import move_left
from photism.errors import InputError


class Wav2Vec2BertForCTC(Wav2Vec2BertPreTrainedModel):
    """Wav2Vec2-BERT that transcribes: characters or phonemes, by connectionist temporal classification (CTC).

    Args:
        config: configuration, as transformers' class of this name takes it.
        target_lang: has no effect, as in transformers.
    """

    def __init__(self, config: Wav2Vec2BertConfig, target_lang: str | None = None) -> None:
        super().__init__(config)
        self.target_lang = target_lang  # of transformers' signature, without effect in both
        if config.vocab_size is None:
            raise ValueError("vocab_size must be given, in the configuration or to from_pretrained(…, vocab_size=…)")
        self.wav2vec2_bert = Wav2Vec2BertModel(config)
        self.dropout = nn.Dropout(config.final_dropout)
        width = (config.output_hidden_size if config.add_adapter else None) or config.hidden_size
        self.lm_head = nn.Linear(width, config.vocab_size)
        self.post_init()

    @property
    def accepts_loss_kwargs(self) -> bool:
        """True if Trainer must add up the losses of accumulated batches, because the loss is a sum, not a mean."""
        return self.config.ctc_loss_reduction == "sum"

    def forward(
        self,
        input_features: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | int | Sequence[int] | None = None,
        return_dict: bool | None = None,
        **kwargs: Any,
    ) -> CausalLMOutput | tuple[Any, ...]:
        """Compute logits (B, F, vocab_size) of log-mel frames, and the loss if `labels` are given.

        Args:
            input_features: input of `Wav2Vec2BertModel`.
            attention_mask: mask of `Wav2Vec2BertModel`.
            labels: int64 (B, characters); -100 and the blank, `pad_token_id`, are padding.
            output_attentions: keep the attention weights, as in `Wav2Vec2BertModel`.
            output_hidden_states: keep the states of layers, as in `Wav2Vec2BertModel`.
            return_dict: False returns a tuple.
            **kwargs: passed to `Wav2Vec2BertModel`, as in transformers.

        Raises:
            InputError: a label is beyond the vocabulary.
        """
        check_labels(labels)
        if labels is not None and int(labels.max()) >= self.config.vocab_size:
            raise InputError(f"labels must be below vocab_size={self.config.vocab_size}; got {int(labels.max())}")
        outputs = self.wav2vec2_bert(
            input_features,
            attention_mask,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            return_dict=True,
            **kwargs,
        )
        logits = self.lm_head(self.dropout(outputs.last_hidden_state))
        loss = None
        if labels is not None:
            lengths = self._get_feat_extract_output_lengths(_frame_counts(input_features, attention_mask))
            frames = logits
            if attention_mask is not None and not self.config.add_adapter:  # an adapter has moved them
                frames = move_left(logits, attention_mask)
            loss = ctc_loss(frames, labels, lengths, self.config)
        output = CausalLMOutput(
            loss=loss, logits=logits, hidden_states=outputs.hidden_states, attentions=outputs.attentions
        )
        return _returned(output, self, return_dict)


class Wav2Vec2BertForSequenceClassification(Wav2Vec2BertPreTrainedModel):
    """Wav2Vec2-BERT that classifies whole recordings, or predicts numbers, from the mean of the projected frames.

    Args:
        config: configuration, as transformers' class of this name takes it.
    """

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
        """Freeze the encoder, so that only the head is trained."""
        self.wav2vec2_bert.requires_grad_(False)

    def forward(
        self,
        input_features: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | int | Sequence[int] | None = None,
        return_dict: bool | None = None,
        **kwargs: Any,
    ) -> SequenceClassifierOutput | tuple[Any, ...]:
        """Compute logits (B, num_labels) of log-mel frames, and the loss if `labels` are given.

        Args:
            input_features: input of `Wav2Vec2BertModel`.
            attention_mask: mask of `Wav2Vec2BertModel`.
            labels: by the configuration's `problem_type`: classes int64 (B,); with several classes at once, floats
                (B, num_labels) of 0 and 1; for "regression" numbers (B,) or (B, num_labels). Without a `problem_type`,
                one label means regression, integers are classes, and floats are several classes at once.
            output_attentions: keep the attention weights, as in `Wav2Vec2BertModel`.
            output_hidden_states: keep the states of layers, as in `Wav2Vec2BertModel`.
            return_dict: False returns a tuple.
            **kwargs: passed to `Wav2Vec2BertModel`, as in transformers.
        """
        check_labels(labels)
        states, outputs = encode(
            self, input_features, attention_mask, output_attentions, output_hidden_states, **kwargs
        )
        states = self.projector(states)
        if attention_mask is None:
            pooled = states.mean(dim=1)
        else:
            valid = attention_mask.bool().to(states.dtype)[..., None]
            pooled = (states * valid).sum(dim=1) / valid.sum(dim=1).clamp(min=1)  # 0 for a recording without frames
        logits = self.classifier(pooled)
        loss = None if labels is None else classification_loss(logits, labels, self.config)
        output = SequenceClassifierOutput(
            loss=loss, logits=logits, hidden_states=outputs.hidden_states, attentions=outputs.attentions
        )
        return _returned(output, self, return_dict)


class Wav2Vec2BertForAudioFrameClassification(Wav2Vec2BertPreTrainedModel):
    """Wav2Vec2-BERT that classifies each frame of a recording, for example by who speaks.

    Args:
        config: configuration, as transformers' class of this name takes it.
    """

    def __init__(self, config: Wav2Vec2BertConfig) -> None:
        super().__init__(config)
        refuse_adapter(config)
        self.num_labels = number_of_labels(config)
        self.wav2vec2_bert = Wav2Vec2BertModel(config)
        self.layer_weights = new_layer_weights(config)
        self.classifier = nn.Linear(config.hidden_size, self.num_labels)
        self.post_init()

    def freeze_base_model(self) -> None:
        """Freeze the encoder, so that only the head is trained."""
        self.wav2vec2_bert.requires_grad_(False)

    def forward(
        self,
        input_features: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | int | Sequence[int] | None = None,
        return_dict: bool | None = None,
        **kwargs: Any,
    ) -> TokenClassifierOutput | tuple[Any, ...]:
        """Compute logits (B, F, num_labels) of log-mel frames, and the loss if `labels` are given.

        Args:
            input_features: input of `Wav2Vec2BertModel`.
            attention_mask: mask of `Wav2Vec2BertModel`.
            labels: one-hot (B, F, num_labels), as in transformers, or classes int64 (B, F), -100 for none; with the
                configuration's `problem_type` "multi_label_classification" any number of ones in a frame. Padding
                frames are ignored.
            output_attentions: keep the attention weights, as in `Wav2Vec2BertModel`.
            output_hidden_states: keep the states of layers, as in `Wav2Vec2BertModel`.
            return_dict: False returns a tuple.
            **kwargs: passed to `Wav2Vec2BertModel`, as in transformers.
        """
        check_labels(labels)
        states, outputs = encode(
            self, input_features, attention_mask, output_attentions, output_hidden_states, **kwargs
        )
        logits = self.classifier(states)
        loss = None
        if labels is not None:
            valid = slice(None) if attention_mask is None else attention_mask.bool()
            if self.config.problem_type == MULTI_LABEL:
                loss = frame_activity_losses(logits[valid], labels[valid]).mean()
            else:
                is_one_hot = labels.shape != logits.shape[:2]
                classes = labels.view_as(logits).argmax(-1) if is_one_hot else labels
                loss = cross_entropy(logits[valid].flatten(0, -2), classes[valid].flatten(), ignore_index=IGNORED_LABEL)
        output = TokenClassifierOutput(
            loss=loss, logits=logits, hidden_states=outputs.hidden_states, attentions=outputs.attentions
        )
        return _returned(output, self, return_dict)


def refuse_adapter(config: Wav2Vec2BertConfig) -> None:
    """Raise ValueError if the encoder has an adapter: these heads read the frames of the layers themselves."""
    if config.add_adapter:
        raise ValueError("add_adapter must be False for this head: it reads the frames as the layers return them")


def check_labels(labels: Any) -> None:
    """Raise InputError if labels are no tensor: the third argument was `output_attentions` in old versions."""
    if not isinstance(labels, Tensor | None):
        raise InputError(
            f"labels, the third argument, must be a tensor; got {labels!r}; give output_attentions, "
            "output_hidden_states and return_dict by name"
        )


def new_layer_weights(config: Wav2Vec2BertConfig) -> nn.Parameter | None:
    """Return equal weights for the input of the first layer and the output of each; None if only the last is read."""
    layers = config.num_hidden_layers + 1
    return nn.Parameter(torch.full((layers,), 1 / layers)) if config.use_weighted_layer_sum else None


def encode(
    head: Any,
    input_features: Tensor,
    attention_mask: Tensor | None,
    output_attentions: bool | None,
    output_hidden_states: bool | int | Sequence[int] | None,
    **kwargs: Any,
) -> tuple[Tensor, Wav2Vec2BaseModelOutput]:
    """Return the states (B, F, D) that a head reads, and the encoder's output.

    They are the last states or a learned weighted sum of all layers' states, which are not kept for it. A layer that
    layerdrop skips counts with its input.
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
        output_attentions=output_attentions,
        output_hidden_states=output_hidden_states,
        return_dict=True,
        on_state=add if weights else None,
        **kwargs,
    )
    return (summed[0] if weights else outputs.last_hidden_state), outputs


def _frame_counts(input_features: Tensor, attention_mask: Tensor | None) -> Tensor:
    """Return the number of input frames of each recording, int64 (B,)."""
    if attention_mask is not None:
        return attention_mask.bool().sum(1)
    batch, frames, _ = input_features.shape
    return torch.full((batch,), frames, device=input_features.device)


def _returned(output: Any, model: PreTrainedModel, return_dict: bool | None) -> Any:
    """Return an output as a tuple if the call, or else the configuration, asks for one."""
    return output if is_set(return_dict, model.config.return_dict) else output.to_tuple()
