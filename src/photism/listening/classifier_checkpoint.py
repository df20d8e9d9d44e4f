"""A checkpoint for audio classification: ours, any other of transformers', and the bundled one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from photism.encoder.heads import Wav2Vec2BertForSequenceClassification
from photism.errors import InputError
from photism.listening.checkpoint import (
    Source,
    check_head,
    find_checkpoint,
    load_weights,
    read_config,
    read_extractor,
    stored_shapes,
)
from photism.listening.speech_head import KEYS, SpeechClassifier, has_speech_head
from photism.tiny import MODEL_FOLDER

BUNDLED = MODEL_FOLDER / "language"
"""Where the classifier lies that is taken where none is named."""


@dataclass(frozen=True)
class Checkpoint:
    """A classifier that has been looked at, but for its weights.

    Attributes:
        source: where it is.
        config: its configuration.
        extractor: its feature extractor.
        names: of its classes.
    """

    source: Source
    config: Any
    extractor: Any
    names: tuple[str, ...]


def read_checkpoint(model: str | Path | None) -> Checkpoint:
    """Looks at a classifier.

    Args:
        model: folder or hub id; None for the bundled one.

    Raises:
        InputError: there is none, it has another head, no names of classes, or no feature extractor that fits.
    """
    from transformers.models.auto.modeling_auto import MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING_NAMES as KINDS

    if model is None and not (BUNDLED / "config.json").is_file():
        raise InputError(f"model is missing: this Photism brings no classifier, which would lie in {BUNDLED}; name one")
    source = find_checkpoint(BUNDLED if model is None else model, wanted="a classifier")
    model_type = source.settings.get("model_type")
    if model_type not in KINDS:
        raise InputError(
            f"{source.name} is of the type {model_type!r}, which labels no sound; it must be one of "
            f"{', '.join(sorted(KINDS))}"
        )
    check_head(source, KINDS[model_type], others=True)
    config = read_config(source)
    extractor = read_extractor(source, config)
    return Checkpoint(source, config, extractor, _names(source, config))


def load_model(checkpoint: Checkpoint, *, device: torch.device, dtype: torch.dtype) -> Any:
    """The model of a checkpoint, in evaluation.

    Args:
        checkpoint: as `read_checkpoint` gives it.
        device: where it goes.
        dtype: of its weights.

    Raises:
        InputError: weights are missing, damaged, or not those of a classifier.
    """
    from transformers.models.auto.modeling_auto import MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING

    config, name = checkpoint.config, checkpoint.source.name
    folder = checkpoint.source.with_weights()
    keys = stored_shapes(folder, name).keys()
    if not any(key.startswith("classifier.") for key in keys):
        raise InputError(f"{name} has no weights of a classifier; give one that was trained to classify")
    arguments: dict[str, Any] = {"config": config}
    if has_speech_head(config, keys):
        kind: Any = SpeechClassifier
        arguments["key_mapping"] = KEYS
    elif config.model_type == "wav2vec2-bert":
        kind = Wav2Vec2BertForSequenceClassification
    else:
        kind = MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING[type(config)]
    if folder == BUNDLED:
        return load_weights(kind, None, name, device=device, dtype=dtype, state_dict=_bundled_weights(), **arguments)
    return load_weights(kind, folder, name, device=device, dtype=dtype, **arguments)


def _bundled_weights() -> dict[str, torch.Tensor]:
    """The bundled classifier is a head alone, on the encoder of the bundled model."""
    from safetensors.torch import load_file

    encoder = load_file(MODEL_FOLDER / "model.safetensors")
    of_encoder = {key: tensor for key, tensor in encoder.items() if key.startswith("encoder.")}
    return {key.replace("encoder", "wav2vec2_bert", 1): tensor for key, tensor in of_encoder.items()} | load_file(
        BUNDLED / "model.safetensors"
    )


def _names(source: Source, config: Any) -> tuple[str, ...]:
    """What the classes are called, as the checkpoint itself says: transformers would make names up."""
    given = source.settings.get("id2label")
    if not given:
        raise InputError(f"{source.name} does not say what its classes are called: its config.json has no id2label")
    try:
        return tuple(str(config.id2label[index]) for index in range(len(given)))
    except KeyError as error:
        raise InputError(f"{source.name} has an id2label of {len(given)} classes without number {error}") from None
