"""A Wav2Vec2-BERT with a head for speakers, from a folder or the hub, and what it makes of recordings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor
from transformers import Wav2Vec2BertConfig

from photism.audio.log_mel import log_mel
from photism.audio.waveform import Waveform
from photism.device import choose_device
from photism.encoder.chunked import encode_long, longest_exact
from photism.encoder.heads import encode
from photism.encoder.model import Wav2Vec2BertPreTrainedModel
from photism.errors import InputError
from photism.listening.checkpoint import (
    check_head,
    choose_dtype,
    find_checkpoint,
    load_weights,
    read_config,
    read_extractor,
)

Head = TypeVar("Head", bound=Wav2Vec2BertPreTrainedModel)


def load_speaker_model(
    kind: type[Head], model: str | Path, *, device: str | torch.device | None, dtype: torch.dtype | str
) -> tuple[Head, Any]:
    """A model with one of the heads for speakers, in evaluation, and its feature extractor.

    Args:
        kind: of model: with the head that is wanted.
        model: folder or hub id.
        device: by default CUDA where there is a GPU, else MPS, else the processor.
        dtype: of the weights.

    Raises:
        InputError: the checkpoint is not there, has another head, no feature extractor that fits, or is not whole; all
            but the last before weights are loaded.
    """
    place, weights = choose_device(device), choose_dtype(dtype)
    source = find_checkpoint(model, wanted=f"a {kind.__name__}")
    model_type = source.settings.get("model_type")
    if model_type != Wav2Vec2BertConfig.model_type:
        raise InputError(f"{source.name} is of the type {model_type!r}; it must be a wav2vec2-bert")
    check_head(source, kind.__name__)
    config = read_config(source)
    extractor = read_extractor(source, config)
    folder = source.with_weights()
    return load_weights(kind, folder, source.name, device=place, dtype=weights, config=config), extractor


def states_of(model: Any, extractor: Any, waveforms: Sequence[Waveform]) -> tuple[Tensor, Tensor]:
    """What a head reads of recordings: states (B, F, D), and how many tokens of each are valid, int64 (B,).

    Args:
        model: with a head for speakers.
        extractor: its own.
        waveforms: several that fit into memory together, or a single one of any length.
    """
    features, mask = log_mel(
        waveforms,
        num_mel_bins=extractor.num_mel_bins,
        stride=extractor.stride,
        padding_value=extractor.padding_value,
        device=model.device,
    )
    features, lengths = features.to(model.dtype), mask.sum(1)
    if len(waveforms) > 1 or features.shape[1] <= longest_exact(model.wav2vec2_bert):
        return encode(model, features, mask, None, None)[0], lengths
    states, _ = encode_long(
        model.wav2vec2_bert,
        features[:, : int(lengths)],
        states_of=lambda window: encode(model, window, None, None, None)[0],
    )
    return states, lengths
