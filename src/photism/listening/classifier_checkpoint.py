"""Checkpoints for audio classification: Wav2Vec2-BERT, any other architecture of transformers, and the bundled one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import Wav2Vec2BertConfig

from photism.device import choose_dtype
from photism.encoder.heads import Wav2Vec2BertForSequenceClassification
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
from photism.errors import InputError
from photism.hub import bundled_model
from photism.listening.speech_head import KEY_MAPPING, SpeechClassifier, has_speech_head

BUNDLED = "language"
"""Folder of the default classifier in the bundled model."""
ENCODER = "wav2vec2_bert."
"""Prefix of the encoder's weights in a Wav2Vec2-BERT checkpoint."""


class Classifier(NamedTuple):
    """A model for audio classification, its feature extractor and the names of its classes."""

    model: Any
    extractor: Any
    names: tuple[str, ...]


def bundled_question(names: Sequence[str]) -> str:
    """Return what the bundled classifier answers, for a message where no model was given.

    Args:
        names: names of its classes.
    """
    return f"it answers which language is spoken, one of {', '.join(names)}"


def bundled_names() -> tuple[str, ...]:
    """Return the names of the bundled classifier's classes, without loading its weights."""
    config: Any = Wav2Vec2BertConfig.from_pretrained(bundled_model() / BUNDLED)
    return tuple(config.id2label[index] for index in range(config.num_labels))


def load_classifier(
    model: str | Path | None,
    *,
    device: torch.device,
    dtype: torch.dtype | str,
    config: Any = None,
    extractor: Any = None,
    needs_names: bool = True,
    **arguments: Any,
) -> Classifier:
    """Load an audio classifier in evaluation mode.

    Args:
        model: folder or hub id; None for the bundled classifier.
        device: device of the model.
        dtype: dtype of its weights; "auto" for that of the checkpoint.
        config: configuration in place of the checkpoint's own.
        extractor: feature extractor in place of the checkpoint's own.
        needs_names: refuse a checkpoint whose config.json does not name the classes; transformers calls them LABEL_0
            and so on.
        arguments: further arguments of transformers' `from_pretrained`.

    Raises:
        InputError: the checkpoint does not exist, is not a classifier, does not name its classes, has no matching
            feature extractor, or is incomplete. All but the last is checked before weights are loaded.
    """
    from transformers.models.auto.modeling_auto import MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING_NAMES as CLASSIFIERS

    if dtype != "auto":
        choose_dtype(dtype)  # raises an error before anything is read
    checkpoint = find_checkpoint(bundled_model() / BUNDLED if model is None else model, expected="a classifier")
    model_type = checkpoint.raw_config.get("model_type")
    if model_type not in CLASSIFIERS:
        raise InputError(
            f"{checkpoint.name} has model_type {model_type!r}, which has no audio classifier; it must be one of "
            f"{', '.join(sorted(CLASSIFIERS))}"
        )
    check_architecture(checkpoint, CLASSIFIERS[model_type], allow_unknown=True)
    own_names = checkpoint.raw_config.get("id2label")
    config = config or read_config(checkpoint)
    if extractor is None:
        extractor = read_feature_extractor(checkpoint, config)
    else:
        extractor = check_feature_extractor(extractor, config, checkpoint.name)
    names = _class_names(checkpoint.name, own_names if needs_names else config.id2label, config)
    arguments |= {"config": config, "device": device, "dtype": resolve_dtype(dtype, checkpoint)}
    return Classifier(_load_model(checkpoint, config, arguments), extractor, names)


def _load_model(checkpoint: Checkpoint, config: Any, arguments: dict[str, Any]) -> Any:
    from transformers.models.auto.modeling_auto import MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING

    name, folder = checkpoint.name, checkpoint.fetch_weights()
    keys = read_tensor_headers(folder, name).keys()
    if not any(key.startswith("classifier.") for key in keys):
        raise InputError(f"{name} has no classification head; give a model that was fine-tuned for classification")
    if has_speech_head(config, keys):
        return load_weights(SpeechClassifier, folder, name, key_mapping=KEY_MAPPING, **arguments)
    if config.model_type != Wav2Vec2BertConfig.model_type:
        return load_weights(MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING[type(config)], folder, name, **arguments)
    encoder = folder.parent / "model.safetensors"
    if encoder.is_file() and not any(key.startswith(ENCODER) for key in keys):
        folder, arguments["state_dict"] = None, _join_weights(encoder, folder / "model.safetensors")
    return load_weights(Wav2Vec2BertForSequenceClassification, folder, name, **arguments)


def _join_weights(model: Path, head: Path) -> dict[str, torch.Tensor]:
    """Join the encoder of a Photism model with a classification head that was trained on it.

    The bundled classifier is stored this way: without an encoder, in the folder of the bundled model.
    """
    from safetensors.torch import load_file

    encoder = {key: tensor for key, tensor in load_file(model).items() if key.startswith("encoder.")}
    return {key.replace("encoder.", ENCODER, 1): tensor for key, tensor in encoder.items()} | load_file(head)


def _class_names(name: str, id2label: Any, config: Any) -> tuple[str, ...]:
    """Return the class names in config.json."""
    if not id2label:
        raise InputError(f"{name} does not name its classes: its config.json has no id2label")
    try:
        return tuple(str(config.id2label[index]) for index in range(len(id2label)))
    except KeyError as error:
        raise InputError(f"{name} has an id2label of {len(id2label)} classes without index {error}") from None
