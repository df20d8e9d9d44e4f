"""The Auto classes of transformers for Wav2Vec2-BERT: they load its checkpoints with Photism's classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import transformers
from transformers import Wav2Vec2BertConfig
from transformers.utils.hub import cached_file

from photism.encoder import heads, model, x_vector
from photism.encoder.processor import SAVED_AS, SeamlessM4TFeatureExtractor, Wav2Vec2BertProcessor
from photism.errors import InputError
from photism.json_files import read_json_object

HUB_ARGUMENTS = ("cache_dir", "force_download", "local_files_only", "proxies", "revision", "subfolder", "token")
"""Arguments of `from_pretrained` that say where files are and how they are fetched."""
TOKENIZER_FILES = ("tokenizer_config.json", "tokenizer.json", "vocab.json")


MODEL_CLASSES: dict[str, type[model.Wav2Vec2BertPreTrainedModel]] = {
    "AutoModel": model.Wav2Vec2BertModel,
    "AutoModelForAudioClassification": heads.Wav2Vec2BertForSequenceClassification,
    "AutoModelForAudioFrameClassification": heads.Wav2Vec2BertForAudioFrameClassification,
    "AutoModelForAudioXVector": x_vector.Wav2Vec2BertForXVector,
    "AutoModelForCTC": heads.Wav2Vec2BertForCTC,
}


class _Classes(dict[type[transformers.PreTrainedConfig], type[model.Wav2Vec2BertPreTrainedModel]]):
    """Model class by configuration class, which raises InputError for another architecture."""

    def __init__(self, auto_class: str) -> None:
        super().__init__({Wav2Vec2BertConfig: MODEL_CLASSES[auto_class]})
        self.auto_class = auto_class

    def __contains__(self, config_class: Any) -> bool:
        if not super().__contains__(config_class):
            raise _other_architecture(self.auto_class, config_class.model_type)
        return True


class AutoModel(transformers.AutoModel):
    """`Wav2Vec2BertModel` from a checkpoint or a configuration, with the arguments of transformers' `AutoModel`."""

    _model_mapping = _Classes("AutoModel")


class AutoModelForCTC(transformers.AutoModelForCTC):
    """`Wav2Vec2BertForCTC`, with the arguments of transformers' class of this name."""

    _model_mapping = _Classes("AutoModelForCTC")


class AutoModelForAudioClassification(transformers.AutoModelForAudioClassification):
    """`Wav2Vec2BertForSequenceClassification`, with the arguments of transformers' class of this name."""

    _model_mapping = _Classes("AutoModelForAudioClassification")


class AutoModelForAudioFrameClassification(transformers.AutoModelForAudioFrameClassification):
    """`Wav2Vec2BertForAudioFrameClassification`, with the arguments of transformers' class of this name."""

    _model_mapping = _Classes("AutoModelForAudioFrameClassification")


class AutoModelForAudioXVector(transformers.AutoModelForAudioXVector):
    """`Wav2Vec2BertForXVector`, with the arguments of transformers' class of this name."""

    _model_mapping = _Classes("AutoModelForAudioXVector")


class AutoConfig:
    """`Wav2Vec2BertConfig` from a checkpoint or a model type."""

    @classmethod
    def for_model(cls, model_type: str, *args: Any, **kwargs: Any) -> Wav2Vec2BertConfig:
        """Return a new configuration, as transformers' `AutoConfig.for_model` does.

        Raises:
            InputError: the model type is not that of Wav2Vec2-BERT.
        """
        if model_type != Wav2Vec2BertConfig.model_type:
            raise _other_architecture(cls.__name__, model_type)
        return Wav2Vec2BertConfig(*args, **kwargs)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **kwargs: Any) -> Any:
        """Load the configuration of a checkpoint, with the arguments of transformers' `AutoConfig`.

        Raises:
            InputError: it is the configuration of another architecture.
        """
        loaded = transformers.AutoConfig.from_pretrained(pretrained_model_name_or_path, **kwargs)
        config = loaded[0] if isinstance(loaded, tuple) else loaded
        if not isinstance(config, Wav2Vec2BertConfig):
            raise _other_architecture(cls.__name__, config.model_type)
        return loaded


class AutoFeatureExtractor:
    """`SeamlessM4TFeatureExtractor` from a checkpoint."""

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **kwargs: Any) -> Any:
        """Load the feature extractor of a checkpoint, with the arguments of transformers' `AutoFeatureExtractor`.

        Raises:
            InputError: the checkpoint is of another architecture, or has another feature extractor.
        """
        _check_model_type(cls.__name__, pretrained_model_name_or_path, kwargs)
        kwargs = {name: value for name, value in kwargs.items() if name not in ("config", "trust_remote_code")}
        if path := _find(pretrained_model_name_or_path, "preprocessor_config.json", kwargs):
            read_json_object(Path(path), f"checkpoint {pretrained_model_name_or_path}")
        settings, _ = SeamlessM4TFeatureExtractor.get_feature_extractor_dict(
            pretrained_model_name_or_path, **_hub_arguments(kwargs)
        )
        found = settings.get("feature_extractor_type", SAVED_AS)
        if found != SAVED_AS:
            raise InputError(
                f"{pretrained_model_name_or_path} has a {found}, but photism.{cls.__name__} loads a {SAVED_AS} only; "
                f"transformers.{cls.__name__} loads it"
            )
        return SeamlessM4TFeatureExtractor.from_pretrained(pretrained_model_name_or_path, **kwargs)


class AutoProcessor:
    """`Wav2Vec2BertProcessor` from a checkpoint, or its feature extractor if it has no tokenizer."""

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **kwargs: Any) -> Any:
        """Load the processor of a checkpoint, with the arguments of transformers' `AutoProcessor`.

        Raises:
            InputError: the checkpoint is of another architecture, or has another feature extractor.
        """
        name = pretrained_model_name_or_path
        _check_model_type(cls.__name__, name, kwargs)
        extractor = AutoFeatureExtractor.from_pretrained(name, **kwargs)
        if not any(_find(name, file, kwargs) for file in TOKENIZER_FILES):
            return extractor
        kwargs.pop("config", None)
        processor = Wav2Vec2BertProcessor.from_pretrained(name, **kwargs)
        processor.feature_extractor = extractor
        return processor


def register_auto_classes() -> None:
    """Make `AutoModel.from_pretrained` and the other Auto classes of transformers load Photism's classes.

    This holds for the rest of the process.
    """
    for auto_class, model_class in MODEL_CLASSES.items():
        getattr(transformers, auto_class).register(Wav2Vec2BertConfig, model_class, exist_ok=True)


def _check_model_type(auto_class: str, checkpoint: str | Path, kwargs: dict[str, Any]) -> None:
    """Raise InputError if a checkpoint has a config.json of another architecture."""
    path = _find(checkpoint, "config.json", kwargs)
    if path is not None:
        model_type = read_json_object(Path(path), f"checkpoint {checkpoint}").get("model_type")
        if model_type != Wav2Vec2BertConfig.model_type:
            raise _other_architecture(auto_class, model_type)


def _other_architecture(auto_class: str, model_type: str | None) -> InputError:
    ours = Wav2Vec2BertConfig.model_type
    return InputError(
        f"the checkpoint has model_type {model_type!r}, but photism.{auto_class} loads {ours!r} only; "
        f"transformers.{auto_class} loads it"
    )


def _find(checkpoint: str | Path, file: str, kwargs: dict[str, Any]) -> str | None:
    """Return the path of a file of a checkpoint, fetched if it is on the hub; None if there is none."""
    return cached_file(
        checkpoint,
        file,
        **_hub_arguments(kwargs),
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
        _raise_exceptions_for_gated_repo=False,
    )


def _hub_arguments(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {name: kwargs[name] for name in HUB_ARGUMENTS if name in kwargs}
