"""CTC checkpoints of transformers: Wav2Vec2-BERT, and the architectures that take waveforms."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers

from photism.device import FLOAT32, choose_device, choose_dtype
from photism.encoder.heads import Wav2Vec2BertForCTC
from photism.encoder.precision import check_precision, with_precision
from photism.encoder.pretrained import (
    Checkpoint,
    check_architecture,
    check_feature_extractor,
    find_checkpoint,
    load_weights,
    read_config,
    read_feature_extractor,
    read_tensor_headers,
    resolve_dtype,
)
from photism.errors import InputError, as_input_error
from photism.listening.transcription.checkpoint_language_model import CheckpointModel, find_language_model
from photism.listening.transcription.languages import (
    HEAD_WEIGHT,
    adapter_vocab_size,
    choose_language,
    fetch_adapter,
    load_adapter,
    read_languages,
)
from photism.listening.transcription.vocabulary import Vocabulary
from photism.settings import SettingError

CONFIG_FILES = ("*.json", "*.txt", "*.model")
"""File patterns fetched from the hub before the weights: configurations and tokenizers."""
LOG_MEL_ARCHITECTURE = "wav2vec2-bert"
WAVEFORM_ARCHITECTURES = (
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
"""Model types whose input is the samples of a recording."""
FLOAT32_ONLY = ("wavlm",)
"""Model types whose attention reads the weights of its linear layers directly."""
SEQUENCE_TO_SEQUENCE = (
    "a sequence-to-sequence model, such as Whisper; Photism transcribes with CTC models only: use transformers for it"
)
"""Description of a model that is refused, for an error message."""
TOKENIZER_FILES = ("vocab.json", "tokenizer.json")


class Recognizer(NamedTuple):
    """A CTC model, its feature extractor and its tokenizer, and the checkpoint's language model if it has one."""

    model: Any
    extractor: Any
    tokenizer: Any
    language_model: CheckpointModel | None


def load_ctc(
    model: str | Path | None,
    *,
    device: str | torch.device | None,
    dtype: torch.dtype | str,
    precision: str = FLOAT32,
    language: str | None = None,
    config: Any = None,
    extractor: Any = None,
    tokenizer: Any = None,
    **arguments: Any,
) -> Recognizer:
    """Load a CTC model with its feature extractor and tokenizer.

    Args:
        model: folder or hub id; None raises an error, since no speech recogniser is bundled.
        device: device; by default CUDA if there is a GPU, else MPS, else the CPU.
        dtype: dtype of the weights; "auto" for that of the checkpoint.
        precision: "bf16" or "int8" to compute linear layers in it on the CPU.
        language: language of a checkpoint that has adapters, such as facebook/mms-1b-all; by default that of its
            weights. The tokenizer's `target_lang` is the language that was loaded.
        config: configuration in place of the checkpoint's own.
        extractor: feature extractor in place of the checkpoint's own.
        tokenizer: tokenizer in place of the checkpoint's own.
        arguments: further arguments of transformers' `from_pretrained`.

    Raises:
        InputError: the checkpoint does not exist, has no CTC head, tokenizer or feature extractor that belong
            together, or is incomplete. All but the last is checked before weights are loaded.
        SettingError: the checkpoint does not have the language.
    """
    chosen_device = choose_device(device)
    chosen_dtype = dtype if dtype == "auto" else choose_dtype(dtype)
    check_precision(precision, chosen_device, chosen_dtype)
    if model is None:
        raise SettingError(
            "model",
            "is missing: no speech recogniser is bundled; give the folder or hub id of a CTC checkpoint, "
            "such as facebook/wav2vec2-base-960h for English",
        )
    checkpoint = find_checkpoint(model, expected="a CTC checkpoint", patterns=CONFIG_FILES)
    model_class, config = _model_class(checkpoint), config or read_config(checkpoint)
    if config.vocab_size is None:
        raise InputError(f"{checkpoint.name} has no CTC head: its config.json has no vocab_size")
    if precision != FLOAT32 and config.model_type in FLOAT32_ONLY:
        raise SettingError("precision", f"must be float32 for {config.model_type}; got {precision}")
    if extractor is None:
        extractor = read_feature_extractor(checkpoint, config)
    else:
        extractor = check_feature_extractor(extractor, config, checkpoint.name)
    language_model = find_language_model(checkpoint)
    chosen_language = choose_language(checkpoint, read_languages(checkpoint), language)
    vocab_size = config.vocab_size
    if language is not None:
        vocab_size = adapter_vocab_size(fetch_adapter(checkpoint, language))
    tokenizer = tokenizer or _load_tokenizer(checkpoint, chosen_language)
    Vocabulary.from_tokenizer(tokenizer, vocab_size)  # raises an error if it is not that of the head
    folder = checkpoint.fetch_weights()
    _check_head_size(folder, checkpoint.name, config.vocab_size)
    arguments |= {"config": config, "device": chosen_device, "dtype": resolve_dtype(dtype, checkpoint)}
    loaded = load_weights(model_class, folder, checkpoint.name, **arguments)
    if language is not None:
        load_adapter(loaded, language, checkpoint.name)
    return Recognizer(with_precision(loaded, precision), extractor, tokenizer, language_model)


def _model_class(checkpoint: Checkpoint) -> Any:
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CTC_MAPPING_NAMES,
        MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES,
    )

    model_type = checkpoint.raw_config.get("model_type")
    if model_type in MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES:
        raise InputError(f"{checkpoint.name} is {SEQUENCE_TO_SEQUENCE}")
    if model_type != LOG_MEL_ARCHITECTURE and model_type not in WAVEFORM_ARCHITECTURES:
        supported = ", ".join((LOG_MEL_ARCHITECTURE, *WAVEFORM_ARCHITECTURES))
        raise InputError(
            f"{checkpoint.name} has model_type {model_type!r}; a CTC checkpoint must be one of {supported}"
        )
    name = MODEL_FOR_CTC_MAPPING_NAMES[model_type]
    check_architecture(checkpoint, name)
    return Wav2Vec2BertForCTC if model_type == LOG_MEL_ARCHITECTURE else getattr(transformers, name)


def _load_tokenizer(checkpoint: Checkpoint, language: str | None) -> Any:
    from transformers import AutoTokenizer

    if not any((checkpoint.folder / name).is_file() for name in TOKENIZER_FILES):
        raise InputError(f"{checkpoint.name} has no tokenizer; save its {' or '.join(TOKENIZER_FILES)} in the folder")
    with as_input_error(f"{checkpoint.name} has an unusable tokenizer"):
        arguments = {} if language is None else {"target_lang": language}
        return AutoTokenizer.from_pretrained(checkpoint.folder, **arguments)


def _check_head_size(folder: Path, name: str, vocab_size: int) -> None:
    """Raise an error if the head is missing or of another size: transformers would initialise it at random."""
    headers = read_tensor_headers(folder, name)
    if HEAD_WEIGHT not in headers:
        raise InputError(f"{name} has no CTC head: {HEAD_WEIGHT} is not among its weights")
    outputs = headers[HEAD_WEIGHT].shape[0]
    if outputs != vocab_size:
        raise InputError(f"{name} has a CTC head of {outputs} outputs, but vocab_size={vocab_size} in its config.json")
