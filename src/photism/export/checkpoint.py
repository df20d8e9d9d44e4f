"""Load a checkpoint for export: Wav2Vec2-BERT with any head, or the audio encoder of a diffusion model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import Wav2Vec2BertConfig

from photism.encoder.heads import (
    Wav2Vec2BertForAudioFrameClassification,
    Wav2Vec2BertForCTC,
    Wav2Vec2BertForSequenceClassification,
)
from photism.encoder.model import Wav2Vec2BertModel, Wav2Vec2BertPreTrainedModel
from photism.encoder.pretrained import Checkpoint, find_checkpoint, load_head, load_weights
from photism.encoder.x_vector import Wav2Vec2BertForXVector
from photism.errors import InputError
from photism.listening.classifier_checkpoint import load_classifier
from photism.listening.transcription.ctc_checkpoint import load_ctc
from photism.listening.transcription.vocabulary import Vocabulary
from photism.prompts.audio_prompt_encoder import AudioPromptEncoder
from photism.prompts.encoder_config import AudioPromptEncoderConfig
from photism.prompts.model_files import load_captions

HEADS: tuple[type[Wav2Vec2BertPreTrainedModel], ...] = (
    Wav2Vec2BertForCTC,
    Wav2Vec2BertForSequenceClassification,
    Wav2Vec2BertForAudioFrameClassification,
    Wav2Vec2BertForXVector,
    Wav2Vec2BertModel,
)
NOT_EXPORTED = "only Wav2Vec2-BERT and Photism's AudioPromptEncoder are exported"


@dataclass(frozen=True, eq=False)
class Exportable:
    """A model in evaluation mode on the CPU in float32, and what a graph of it needs to know.

    Attributes:
        model: one of `HEADS`, or an `AudioPromptEncoder`.
        num_mel_bins: number of mel filters of its features.
        stride: frames of 10 ms in a token of its features.
        padding_value: value of padding in its features.
        labels: names of its classes.
        vocabulary: tokens of its CTC head.
    """

    model: Any
    num_mel_bins: int
    stride: int
    padding_value: float
    labels: tuple[str, ...] = ()
    vocabulary: Vocabulary | None = None


def load_exportable(model: str | Path, *, ctc_only: bool = False) -> Exportable:
    """Load a model for export.

    Args:
        model: folder or hub id; `tiny` for the bundled audio encoder, `tiny/language` for the bundled classifier.
        ctc_only: accept only a CTC model.

    Raises:
        InputError: there is no such checkpoint, it is of another kind, or it is incomplete. All but the last is checked
            before weights are loaded.
    """
    checkpoint = find_checkpoint(model, expected="a Wav2Vec2-BERT checkpoint")
    model_type = checkpoint.raw_config.get("model_type")
    if model_type not in (Wav2Vec2BertConfig.model_type, AudioPromptEncoderConfig.model_type):
        raise InputError(f"{checkpoint.name} has model_type {model_type!r}; {NOT_EXPORTED}")
    head = None if model_type == AudioPromptEncoderConfig.model_type else _head(checkpoint)
    if ctc_only and head is not Wav2Vec2BertForCTC:
        kind = AudioPromptEncoder if head is None else head
        raise InputError(f"{checkpoint.name} is a {kind.__name__}; onnx-asr needs a Wav2Vec2BertForCTC")
    return _load_prompt_encoder(checkpoint) if head is None else _load_head(model, head)


def _head(checkpoint: Checkpoint) -> type[Wav2Vec2BertPreTrainedModel]:
    """Return the class of a checkpoint by its config.json; one that names no class is a bare encoder."""
    architectures: Sequence[str] = checkpoint.raw_config.get("architectures") or ("Wav2Vec2BertModel",)
    for head in HEADS:
        if head.__name__ == architectures[0]:
            return head
    raise InputError(f"{checkpoint.name} is a {architectures[0]}; {NOT_EXPORTED}")


def _load_head(model: str | Path, head: type[Wav2Vec2BertPreTrainedModel]) -> Exportable:
    cpu = torch.device("cpu")
    loaded: Any
    labels, vocabulary = (), None
    if head is Wav2Vec2BertForCTC:
        loaded, extractor, tokenizer, _ = load_ctc(model, device=cpu, dtype="float32")
        vocabulary = Vocabulary.from_tokenizer(tokenizer, loaded.config.vocab_size)
    elif head is Wav2Vec2BertForSequenceClassification:
        loaded, extractor, labels = load_classifier(model, device=cpu, dtype="float32")
    else:
        loaded, extractor = load_head(head, model, device=cpu, dtype="float32")
        if head is Wav2Vec2BertForAudioFrameClassification:
            labels = tuple(loaded.config.id2label[index] for index in range(loaded.config.num_labels))
    return Exportable(
        loaded, extractor.num_mel_bins, extractor.stride, extractor.padding_value, tuple(labels), vocabulary
    )


def _load_prompt_encoder(checkpoint: Checkpoint) -> Exportable:
    if checkpoint.raw_config.get("adapter") == "phonetic":
        raise InputError(
            f"{checkpoint.name} has a phonetic adapter, whose search through a lexicon is no graph; export a model "
            "with a conv or resampler adapter"
        )
    folder = checkpoint.fetch_weights()
    loaded = load_weights(AudioPromptEncoder, folder, checkpoint.name, device=torch.device("cpu"), dtype=torch.float32)
    config = loaded.config
    return Exportable(loaded, config.num_mel_bins, config.feature_stride, config.padding_value, load_captions(folder))
