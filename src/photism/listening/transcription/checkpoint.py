"""A CTC checkpoint of transformers, from a folder or the hub: what does not fit is told before weights are loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers

from photism.device import choose_device
from photism.encoder.heads import Wav2Vec2BertForCTC
from photism.encoder.int8 import quantize_int8
from photism.errors import InputError, as_input_error
from photism.listening.checkpoint import (
    Source,
    check_head,
    choose_dtype,
    find_checkpoint,
    load_weights,
    read_config,
    read_extractor,
    stored_shapes,
)
from photism.listening.transcription.emissions import AcousticModel
from photism.listening.transcription.vocabulary import Vocabulary
from photism.tiny import MODEL_FOLDER

BUNDLED = MODEL_FOLDER / "characters"
SETTINGS = ("*.json", "*.txt", "*.model")
"""What is fetched of a model on the hub first."""
LOG_MEL = "wav2vec2-bert"
WAVEFORM = (
    "data2vec-audio",
    "hubert",
    "sew",
    "sew-d",
    "unispeech",
    "unispeech-sat",
    "wav2vec2",
    "wav2vec2-conformer",
    "wavlm",
)
"""Kinds of models that take the samples of a recording."""
NOT_INT8 = ("wavlm",)
"""Kinds whose attention reads the weights of its linear layers itself."""
HEAD = "lm_head.weight"
TOKENIZER_FILES = ("vocab.json", "tokenizer.json")


def load_ctc(
    model: str | Path | None, *, device: str | torch.device | None, dtype: torch.dtype | str, int8: bool
) -> AcousticModel:
    """Loads a CTC model with its feature extractor and its vocabulary.

    Args:
        model: folder or hub id; None for the bundled one, where there is one.
        device: by default the best there is.
        dtype: of the weights: float32, float16 or bfloat16.
        int8: linear layers in int8, on a processor.

    Raises:
        InputError: something is missing, damaged, of another kind, or does not fit together.
    """
    place, weights = choose_device(device), choose_dtype(dtype)
    if int8 and (place.type != "cpu" or weights != torch.float32):
        raise InputError(f"int8 is for the processor, from float32; got device={place} and dtype={weights}")
    if model is None and not BUNDLED.is_dir():
        raise InputError(
            "model is missing: no model for speech is bundled; give the folder or hub id of a CTC checkpoint, "
            "such as facebook/wav2vec2-base-960h for English"
        )
    source = find_checkpoint(BUNDLED if model is None else model, wanted="a CTC checkpoint", patterns=SETTINGS)
    kind, config = _kind(source), read_config(source)
    if config.vocab_size is None:
        raise InputError(f"{source.name} must have a CTC head; its config.json has no vocab_size")
    if int8 and config.model_type in NOT_INT8:
        raise InputError(f"int8 must be left out for {config.model_type}, whose attention cannot take it")
    extractor = read_extractor(source, config)
    vocabulary = Vocabulary.of(_tokenizer(source), config.vocab_size)
    folder = source.with_weights()
    _check_outputs(stored_shapes(folder, source.name), source.name, config.vocab_size)
    loaded = load_weights(kind, folder, source.name, device=place, dtype=weights)
    if int8:
        quantize_int8(loaded)
    return AcousticModel(loaded, extractor, vocabulary)


def _kind(source: Source) -> Any:
    """The class of a model."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CTC_MAPPING_NAMES

    model_type = source.settings.get("model_type")
    if model_type != LOG_MEL and model_type not in WAVEFORM:
        known = ", ".join((LOG_MEL, *WAVEFORM))
        raise InputError(f"{source.name} must be a CTC checkpoint of {known}; it is of the type {model_type!r}")
    name = MODEL_FOR_CTC_MAPPING_NAMES[model_type]
    check_head(source, name)
    return Wav2Vec2BertForCTC if model_type == LOG_MEL else getattr(transformers, name)


def _tokenizer(source: Source) -> Any:
    from transformers import AutoTokenizer

    if not any((source.folder / name).is_file() for name in TOKENIZER_FILES):
        raise InputError(
            f"{source.name} must bring its tokenizer, but has no {' or '.join(TOKENIZER_FILES)}: save it there"
        )
    with as_input_error(f"{source.name} has a tokenizer that cannot be loaded"):
        return AutoTokenizer.from_pretrained(source.folder)


def _check_outputs(shapes: Mapping[str, tuple[int, ...]], name: str, vocab_size: int) -> None:
    """Transformers would make a missing head, or one of another size, of random numbers."""
    if HEAD not in shapes:
        raise InputError(f"{name} must have a CTC head, {HEAD}; its weights have none")
    if shapes[HEAD][0] != vocab_size:
        raise InputError(
            f"the head of {name} has {shapes[HEAD][0]} outputs, but its config.json says vocab_size={vocab_size}"
        )
