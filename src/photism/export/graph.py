"""Models as modules of tensors alone, which can be traced: named inputs and named outputs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from photism.encoder.adapter import output_lengths
from photism.encoder.heads import Wav2Vec2BertForAudioFrameClassification, Wav2Vec2BertForCTC
from photism.encoder.model import Wav2Vec2BertModel
from photism.encoder.x_vector import Wav2Vec2BertForXVector
from photism.export.checkpoint import Exportable
from photism.export.log_mel_graph import LogMelGraph
from photism.listening.transcription.vocabulary import Vocabulary
from photism.prompts.audio_prompt_encoder import AudioPromptEncoder

LENGTHS = "output_lengths"
"""Output of the models with `BY_FRAME`: the number of frames of each recording, int64 (B,)."""
BY_FRAME = (Wav2Vec2BertModel, Wav2Vec2BertForCTC, Wav2Vec2BertForAudioFrameClassification)


class FeatureGraph(nn.Module):
    """A model that takes features: float32 (B, F, D), and a mask int64 (B, F) that pads on the right.

    Attributes:
        inputs: names of the inputs.
        length_name: name of the second axis of the inputs.
        outputs: names of the outputs; all but `output_lengths` are float32.
    """

    inputs = ("input_features", "attention_mask")
    length_name = "frames"

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model: Any = model
        self.outputs = output_names(model)

    def forward(self, input_features: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        """Compute the outputs."""
        found: Any = self.model(input_features.to(self.model.dtype), attention_mask=attention_mask)
        tensors = [getattr(found, name).float() for name in self.outputs if name != LENGTHS]
        if LENGTHS in self.outputs:
            tensors.append(output_lengths(attention_mask.sum(1), self.model.config))
        return tuple(tensors)


class LogProbabilityGraph(nn.Module):
    """A CTC model that computes the log-probabilities (B, F, V) of its tokens, for onnx-asr.

    As in `photism transcribe`, tokens without text have probability 0. Frames of padding are blanks, since onnx-asr
    decodes them too.
    """

    inputs = FeatureGraph.inputs
    length_name = FeatureGraph.length_name
    outputs = ("logprobs",)
    is_ignored: Tensor
    blank: Tensor

    def __init__(self, model: Any, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.network = FeatureGraph(model)
        self.register_buffer("is_ignored", torch.zeros(len(vocabulary), dtype=torch.bool))
        self.is_ignored[sorted(vocabulary.ignored_ids)] = True
        self.register_buffer("blank", torch.full((len(vocabulary),), -torch.inf))
        self.blank[vocabulary.blank_id] = 0.0

    def forward(self, input_features: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        """Compute the log-probabilities."""
        logits, lengths = self.network(input_features, attention_mask)
        log_probs = logits.masked_fill(self.is_ignored, -torch.inf).log_softmax(-1)
        is_frame = torch.arange(logits.shape[1], device=lengths.device) < lengths[:, None]
        return (torch.where(is_frame[..., None], log_probs, self.blank),)


class SampleGraph(nn.Module):
    """A graph that takes samples: float32 (B, T) at 16 kHz, T at least 400, and their lengths int64 (B,)."""

    inputs = ("input_values", "input_lengths")
    length_name = "samples"

    def __init__(self, graph: FeatureGraph | LogProbabilityGraph, exportable: Exportable) -> None:
        super().__init__()
        self.log_mel = LogMelGraph(
            num_mel_bins=exportable.num_mel_bins, stride=exportable.stride, padding_value=exportable.padding_value
        )
        self.network = graph  # a traced module has a `graph` of its own
        self.outputs = graph.outputs

    def forward(self, input_values: Tensor, input_lengths: Tensor) -> tuple[Tensor, ...]:
        """Compute the outputs."""
        return self.network(*self.log_mel(input_values, input_lengths))


Graph = FeatureGraph | LogProbabilityGraph | SampleGraph


def output_names(model: nn.Module) -> tuple[str, ...]:
    """Return the names of the outputs of a model, as transformers and diffusers call them."""
    if isinstance(model, AudioPromptEncoder):
        return ("prompt_embeds", "pooled_prompt_embeds")[: 1 if model.pooled_projection is None else 2]
    if isinstance(model, Wav2Vec2BertForXVector):
        return ("embeddings", "logits")
    name = "last_hidden_state" if isinstance(model, Wav2Vec2BertModel) else "logits"
    return (name, LENGTHS) if isinstance(model, BY_FRAME) else (name,)
