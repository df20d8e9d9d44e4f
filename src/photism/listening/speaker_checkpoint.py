"""A Wav2Vec2-BERT with a head for speakers, from a folder or the hub, and what it makes of recordings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor
from transformers import Wav2Vec2BertConfig

from photism.audio import Waveform
from photism.audio.log_mel import log_mel
from photism.encoder import encode_long, longest_exact
from photism.encoder.heads import encode
from photism.encoder.model import Wav2Vec2BertPreTrainedModel
from photism.errors import InputError
from photism.hub import fetch_files
from photism.listening.checkpoint import CONFIGS, VERBS, WEIGHTS, check_whole, choose_dtype, read_extractor
from photism.model_folder import choose_device

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
    folder = Path(model)
    is_fetched = not folder.is_dir()
    if is_fetched:
        folder = fetch_files("model", str(model), CONFIGS)
    name = f"model {model}"
    config = _config(folder, name, kind.__name__)
    extractor = read_extractor(folder, name, config)
    if is_fetched:
        folder = fetch_files("model", str(model), WEIGHTS)
    try:
        loaded, report = kind.from_pretrained(
            folder, config=config, dtype=weights, output_loading_info=True, use_safetensors=True
        )
    except Exception as error:  # from_pretrained has no error of its own: OSError, SafetensorError, RuntimeError, …
        raise InputError(f"{name} cannot be loaded: {error}") from error
    check_whole(name, report["missing_keys"])
    torch.nn.Module.to(loaded, place)  # the type of transformers' own `to` is wrong
    return loaded.eval(), extractor


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


def _config(folder: Path, name: str, architecture: str) -> Wav2Vec2BertConfig:
    try:
        settings = json.loads((folder / "config.json").read_text(encoding="utf8"))
    except FileNotFoundError:
        raise InputError(f"{name} must be a folder with a {architecture}, but has no config.json") from None
    except ValueError as error:
        raise InputError(f"{name} has a config.json that cannot be read: {error}") from None
    if settings.get("model_type") != Wav2Vec2BertConfig.model_type:
        raise InputError(f"{name} is of the type {settings.get('model_type')!r}; it must be a wav2vec2-bert")
    for other in settings.get("architectures") or ():
        if other != architecture:
            verb = next((verb for end, verb in VERBS.items() if other.endswith(end)), "it is for something else")
            raise InputError(f"{name} is a {other}, not a {architecture}: {verb}")
    try:
        return Wav2Vec2BertConfig.from_pretrained(folder)
    except Exception as error:  # strict configurations raise errors of their own
        raise InputError(f"{name} has a config.json that cannot be used: {error}") from error
