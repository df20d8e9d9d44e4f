"""Speaker embeddings (x-vectors) from Wav2Vec2-BERT, and the loss that trains them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize, one_hot, pad
from transformers import Wav2Vec2BertConfig, initialization
from transformers.modeling_outputs import XVectorOutput

from photism.encoder.head_losses import number_of_labels
from photism.encoder.heads import check_labels, encode, new_layer_weights
from photism.encoder.model import Wav2Vec2BertModel, Wav2Vec2BertPreTrainedModel, is_set
from photism.encoder.packing import move_left
from photism.encoder.tracing import has_values

SCALE, MARGIN = 30.0, 0.4
"""AM-Softmax's inverse temperature of the cosines, and what is subtracted from that of the right speaker."""


class Wav2Vec2BertForXVector(Wav2Vec2BertPreTrainedModel):
    """Wav2Vec2-BERT with an x-vector head: a time-delay network, statistics pooling and two linear layers.

    Args:
        config: configuration, as transformers' class of this name takes it.

    Source: Snyder et al. 2018, X-vectors: robust DNN embeddings for speaker recognition.
    """

    def __init__(self, config: Wav2Vec2BertConfig) -> None:
        super().__init__(config)
        self.wav2vec2_bert = Wav2Vec2BertModel(config)
        self.layer_weights = new_layer_weights(config)
        self.reads_adapter = config.add_adapter and not config.use_weighted_layer_sum
        width = config.output_hidden_size if self.reads_adapter else config.hidden_size
        self.projector = nn.Linear(width or config.hidden_size, config.tdnn_dim[0])
        layers = [TimeDelayLayer(config, index) for index in range(len(config.tdnn_dim))]
        self.tdnn = nn.ModuleList(layers)
        self.receptive_field = 1 + sum(layer.dilation * (layer.kernel_size - 1) for layer in layers)
        """Number of input frames that one output of the time-delay network depends on."""
        self.feature_extractor = nn.Linear(config.tdnn_dim[-1] * 2, config.xvector_output_dim)
        self.classifier = nn.Linear(config.xvector_output_dim, config.xvector_output_dim)
        self.objective = AngularMarginLoss(config.xvector_output_dim, number_of_labels(config))
        self.post_init()

    def freeze_base_model(self) -> None:
        """Freeze the encoder, so that only the head is trained."""
        self.wav2vec2_bert.requires_grad_(False)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, nn.Linear) and any(module is layer.kernel for layer in self.tdnn):
            # He initialisation: with the configuration's initializer_range the signal would vanish over five layers.
            initialization.kaiming_normal_(module.weight, nonlinearity="relu")
        if isinstance(module, AngularMarginLoss):
            initialization.normal_(module.weight)

    def forward(
        self,
        input_features: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | int | Sequence[int] | None = None,
        return_dict: bool | None = None,
        **kwargs: Any,
    ) -> XVectorOutput | tuple[Any, ...]:
        """Compute embeddings and logits, both (B, xvector_output_dim), of log-mel frames, and the loss for `labels`.

        The last frame of a recording shorter than the receptive field is repeated. The standard deviation of a single
        output is 0.

        Args:
            input_features: input of `Wav2Vec2BertModel`.
            attention_mask: mask of `Wav2Vec2BertModel`.
            labels: speakers, int64 (B,).
            output_attentions: keep the attention weights, as in `Wav2Vec2BertModel`.
            output_hidden_states: keep the states of layers, as in `Wav2Vec2BertModel`.
            return_dict: False returns a tuple.
            **kwargs: passed to `Wav2Vec2BertModel`, as in transformers.
        """
        check_labels(labels)
        states, outputs = encode(
            self, input_features, attention_mask, output_attentions, output_hidden_states, **kwargs
        )
        lengths = None
        if attention_mask is not None:
            lengths = attention_mask.bool().sum(1)
            if self.reads_adapter:  # which has moved the frames of each recording to the left
                lengths = self._get_feat_extract_output_lengths(lengths)
            else:
                states = move_left(states, attention_mask)
        embeddings = self.embed(states, lengths)
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
        """Compute embeddings (B, xvector_output_dim) of the encoder's states.

        Args:
            states: (B, F, D), from `photism.encoder.heads.encode`.
            lengths: int64 (B,), frames of each recording within F; by default all of them.
        """
        states = self.projector(states)
        if lengths is None:
            lengths = torch.full((states.shape[0],), states.shape[1], device=states.device)
        states = _repeat_last(states, lengths, self.receptive_field)
        lengths = lengths.clamp(min=self.receptive_field) - self.receptive_field + 1
        for layer in self.tdnn:
            states = layer(states)
        return self.feature_extractor(_mean_and_deviation(states, lengths))

    def embed_blocks(self, blocks: Iterable[Tensor]) -> Tensor:
        """Compute the embedding (1, xvector_output_dim) of one recording whose states come in blocks, as `embed` does.

        Args:
            blocks: the encoder's states (1, f, D), together at least `receptive_field` frames.
        """
        count, total, squares = 0, torch.zeros(1), torch.zeros(1)
        held: Tensor | None = None  # projected frames that outputs of the next block depend on, too
        for block in blocks:
            states = self.projector(block)
            states = states if held is None else torch.cat([held, states], dim=1)
            held = states[:, max(0, states.shape[1] - self.receptive_field + 1) :]
            if states.shape[1] < self.receptive_field:
                continue
            for layer in self.tdnn:
                states = layer(states)
            outputs = states.double()
            count += outputs.shape[1]
            total = total.to(outputs) + outputs.sum(1)
            squares = squares.to(outputs) + outputs.square().sum(1)
        mean = total / count
        variance = (squares - count * mean.square()).clamp(min=0) / max(count - 1, 1)
        pooled = torch.cat([mean, variance.sqrt()], dim=1)
        return self.feature_extractor(pooled.to(self.feature_extractor.weight.dtype))


class TimeDelayLayer(nn.Module):
    """Dilated convolution over the frames, with its weights stored as those of a linear layer."""

    def __init__(self, config: Wav2Vec2BertConfig, index: int) -> None:
        super().__init__()
        in_width = config.tdnn_dim[max(index - 1, 0)]
        self.kernel_size, self.dilation = config.tdnn_kernel[index], config.tdnn_dilation[index]
        self.kernel = nn.Linear(in_width * self.kernel_size, config.tdnn_dim[index])
        self.activation = nn.ReLU()

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Return (B, F - dilation * (kernel_size - 1), width) of (B, F, D)."""
        # The linear layer itself is called, so that wrappers of it, such as LoRA or a device map, have their effect.
        outputs = hidden_states.shape[1] - self.dilation * (self.kernel_size - 1)
        taps = [hidden_states[:, i * self.dilation :][:, :outputs] for i in range(self.kernel_size)]
        return self.activation(self.kernel(torch.cat(taps, dim=-1)))


class AngularMarginLoss(nn.Module):
    """AM-Softmax: cross-entropy of scaled cosines with an additive margin (https://arxiv.org/abs/1801.05599)."""

    def __init__(self, width: int, speakers: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width, speakers))

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss of embeddings (B, width) and speakers int64 (B,)."""
        # In bfloat16, which autocast would choose, a cosine is rounded to 0.004, and a logit, by the scale, to 0.12.
        with torch.autocast(embeddings.device.type, enabled=False):
            cosines = normalize(embeddings.float(), dim=1) @ normalize(self.weight.float(), dim=0)
        margins = MARGIN * one_hot(labels.flatten(), cosines.shape[1])
        return cross_entropy(SCALE * (cosines - margins), labels.flatten())


def _repeat_last(states: Tensor, lengths: Tensor, minimum: int) -> Tensor:
    """Return (B, F, D) with the last frame of every recording shorter than `minimum` repeated up to there."""
    if not has_values(lengths):
        states = pad(states, (0, 0, 0, minimum - 1))
    elif int(lengths.min()) >= minimum:
        return states
    else:
        states = pad(states, (0, 0, 0, max(0, minimum - states.shape[1])))
    place = torch.arange(states.shape[1], device=states.device).expand(states.shape[0], -1)
    last = lengths[:, None].clamp(min=1) - 1
    return states.gather(1, torch.where(place < minimum, place.minimum(last), place)[..., None].expand_as(states))


def _mean_and_deviation(states: Tensor, lengths: Tensor) -> Tensor:
    """Return mean and standard deviation (B, 2D) over the first `lengths` frames of (B, F, D)."""
    valid = (torch.arange(states.shape[1], device=states.device) < lengths[:, None])[..., None]
    number = lengths[:, None]
    mean = (states * valid).sum(1) / number
    squares = ((states - mean[:, None]) * valid).square().sum(1)
    # The square root has no gradient at 0, the variance of a single frame.
    variance = squares / (number - 1).clamp(min=1)
    deviation = torch.where(variance > 0, variance, 1).sqrt() * (variance > 0)
    return torch.cat([mean, deviation], dim=1)
