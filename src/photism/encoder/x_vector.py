"""Speakers: a fixed vector of a recording, near to others of the same voice."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize, one_hot, pad
from transformers import Wav2Vec2BertConfig, initialization
from transformers.modeling_outputs import XVectorOutput

from photism.encoder.heads import encode, new_layer_weights, number_of_labels, refuse_adapter
from photism.encoder.model import Wav2Vec2BertModel, Wav2Vec2BertPreTrainedModel, is_set
from photism.errors import InputError

SCALE, MARGIN = 30.0, 0.4


class Wav2Vec2BertForXVector(Wav2Vec2BertPreTrainedModel):
    """X-vectors (Snyder et al., 2018): a time-delay network, mean and standard deviation, and two linear layers."""

    def __init__(self, config: Wav2Vec2BertConfig) -> None:
        super().__init__(config)
        refuse_adapter(config)
        self.wav2vec2_bert = Wav2Vec2BertModel(config)
        self.layer_weights = new_layer_weights(config)
        self.projector = nn.Linear(config.hidden_size, config.tdnn_dim[0])
        self.tdnn = nn.ModuleList(TimeDelayLayer(config, index) for index in range(len(config.tdnn_dim)))
        spans = zip(config.tdnn_dilation, config.tdnn_kernel, strict=True)
        self.sight = 1 + sum(dilation * (kernel - 1) for dilation, kernel in spans)
        """Tokens that one output of the time-delay network sees."""
        self.feature_extractor = nn.Linear(config.tdnn_dim[-1] * 2, config.xvector_output_dim)
        self.classifier = nn.Linear(config.xvector_output_dim, config.xvector_output_dim)
        self.objective = AngularMarginLoss(config.xvector_output_dim, number_of_labels(config))
        self.post_init()

    def freeze_base_model(self) -> None:
        """Train the head alone."""
        self.wav2vec2_bert.requires_grad_(False)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, nn.Linear) and any(module is layer.kernel for layer in self.tdnn):
            # He's: of what goes in, five layers of the configuration's initializer_range would leave nearly nothing.
            initialization.kaiming_normal_(module.weight, nonlinearity="relu")
        if isinstance(module, AngularMarginLoss):
            initialization.normal_(module.weight)

    def forward(
        self,
        input_features: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        *,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
    ) -> XVectorOutput | tuple[Any, ...]:
        """Embeddings and logits, (B, xvector_output_dim) both, of log-mel tokens, and the loss for `labels`.

        A recording shorter than what one output of the time-delay network sees has its last token repeated; one output
        has standard deviation 0.

        Args:
            input_features: as for `Wav2Vec2BertModel`.
            attention_mask: likewise, with padding on the right.
            labels: speakers, int64 (B,).
            output_hidden_states: as for `Wav2Vec2BertModel`.
            output_attentions: likewise.
            return_dict: False for a tuple.
        """
        if attention_mask is not None and not attention_mask[:, 0].all():
            raise InputError("attention_mask must pad on the right: the time-delay network has no other end")
        states, outputs = encode(self, input_features, attention_mask, output_hidden_states, output_attentions)
        embeddings = self.embed(states, None if attention_mask is None else attention_mask.sum(1))
        logits = self.classifier(embeddings)
        output = XVectorOutput(
            loss=None if labels is None else self.objective(logits, labels),
            logits=logits,
            embeddings=embeddings,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )
        return output if is_set(return_dict, self.config.return_dict) else output.to_tuple()

    def embed(self, states: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Embeddings (B, xvector_output_dim) of the encoder's states (B, F, D), of which the first `lengths` are valid.

        Args:
            states: as `photism.encoder.heads.encode` makes them.
            lengths: int64 (B,); by default all of them.
        """
        states = self.projector(states)
        if lengths is None:
            lengths = torch.full((len(states),), states.shape[1], device=states.device)
        states = _at_least(states, lengths, self.sight)
        for layer in self.tdnn:
            states = layer(states)
        return self.feature_extractor(_mean_and_deviation(states, lengths.clamp(min=self.sight) - self.sight + 1))


class TimeDelayLayer(nn.Module):
    """A dilated convolution along the tokens, whose weights are kept as those of a linear layer."""

    def __init__(self, config: Wav2Vec2BertConfig, index: int) -> None:
        super().__init__()
        in_width = config.tdnn_dim[max(index - 1, 0)]
        self.kernel_size, self.dilation = config.tdnn_kernel[index], config.tdnn_dilation[index]
        self.kernel = nn.Linear(in_width * self.kernel_size, config.tdnn_dim[index])
        self.activation = nn.ReLU()

    def forward(self, hidden_states: Tensor) -> Tensor:
        """(B, F, D) -> (B, F - dilation * (kernel_size - 1), width)."""
        # The linear layer is called, so that what wraps it, such as LoRA or a device map, acts.
        outputs = hidden_states.shape[1] - self.dilation * (self.kernel_size - 1)
        seen = [hidden_states[:, i * self.dilation :][:, :outputs] for i in range(self.kernel_size)]
        return self.activation(self.kernel(torch.cat(seen, dim=-1)))


class AngularMarginLoss(nn.Module):
    """Cross-entropy of cosines, that of the right speaker less a margin: AM-Softmax, https://arxiv.org/abs/1801.05599."""

    def __init__(self, width: int, speakers: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width, speakers))

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """(B, width) embeddings and int64 (B,) speakers -> the mean loss."""
        # In bfloat16, which autocast would choose, a cosine is rounded to .004, which the scale makes .12 of a logit.
        with torch.autocast(embeddings.device.type, enabled=False):
            cosines = normalize(embeddings.float(), dim=1) @ normalize(self.weight.float(), dim=0)
        margins = MARGIN * one_hot(labels.flatten(), cosines.shape[1])
        return cross_entropy(SCALE * (cosines - margins), labels.flatten())


def _at_least(states: Tensor, lengths: Tensor, fewest: int) -> Tensor:
    """(B, F, D) with the last token of every clip shorter than `fewest` repeated up to there."""
    if int(lengths.min()) >= fewest:
        return states
    states = pad(states, (0, 0, 0, max(0, fewest - states.shape[1])))
    place = torch.arange(states.shape[1], device=states.device).expand(len(states), -1)
    last = lengths[:, None] - 1
    return states.gather(1, torch.where(place < fewest, place.minimum(last), place)[..., None].expand_as(states))


def _mean_and_deviation(states: Tensor, lengths: Tensor) -> Tensor:
    """Over the first `lengths` of (B, F, D) tokens: (B, 2D)."""
    valid = (torch.arange(states.shape[1], device=states.device) < lengths[:, None])[..., None]
    number = lengths[:, None]
    mean = (states * valid).sum(1) / number
    squares = ((states - mean[:, None]) * valid).square().sum(1)
    # The square root has no gradient at 0, where a single token leaves the variance.
    variance = squares / (number - 1).clamp(min=1)
    deviation = torch.where(variance > 0, variance, 1).sqrt() * (variance > 0)
    return torch.cat([mean, deviation], dim=1)
