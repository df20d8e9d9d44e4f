"""Checkpoints for audio classification: what is wrong with one is told before its weights are loaded."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from photism.audio import SAMPLING_RATE
from photism.encoder import Wav2Vec2BertFeatureExtractor, Wav2Vec2BertForSequenceClassification
from photism.encoder.processor import SAVED_AS
from photism.errors import InputError
from photism.hub import fetch_files
from photism.listening.speech_head import KEYS, SpeechClassifier, has_speech_head
from photism.tiny import MODEL_FOLDER

BUNDLED = MODEL_FOLDER / "language"
"""Where the classifier lies that is taken where none is named."""
CONFIGS = ("config.json", "preprocessor_config.json", "processor_config.json", "*.safetensors.index.json")
WEIGHTS = ("*.safetensors", *CONFIGS)
EXTRACTOR_FILES = ("preprocessor_config.json", "processor_config.json")
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
VERBS = {
    "ForCTC": "it writes words: use photism transcribe",
    "ForXVector": "it tells speakers: use photism speakers",
    "ForAudioFrameClassification": "it tells frames: use photism speakers",
    "ForConditionalGeneration": "it writes words",
    "ForSequenceClassification": "it labels sounds: use photism label",
    "ForPreTraining": "it is not trained for a task yet",
    "Model": "it has no head yet",
}
"""What other heads than a classifier are for, by the ends of their names."""


@dataclass(frozen=True)
class Checkpoint:
    """A folder with a classifier that has been looked at, but for its weights.

    Attributes:
        folder: where it lies.
        name: what messages call it.
        config: its configuration.
        extractor: its feature extractor.
        names: of its classes.
        is_fetched: whether the weights are yet to be fetched from the hub.
    """

    folder: Path
    name: str
    config: Any
    extractor: Any
    names: tuple[str, ...]
    is_fetched: bool

    @property
    def is_ours(self) -> bool:
        """Whether our own classes run it."""
        return self.config.model_type == "wav2vec2-bert"


def choose_dtype(dtype: torch.dtype | str) -> torch.dtype:
    """That of weights, by its name too.

    Raises:
        InputError: it is none that a model is computed in.
    """
    found = DTYPES.get(dtype) if isinstance(dtype, str) else dtype
    if found is None or found not in DTYPES.values():
        raise InputError(f"dtype must be one of {', '.join(DTYPES)}; got {dtype}")
    return found


def read_checkpoint(model: str | Path | None) -> Checkpoint:
    """Looks at a classifier.

    Args:
        model: folder or hub id; None for the bundled one.

    Raises:
        InputError: there is none, it has another head, no names of classes, or no feature extractor that fits.
    """
    if model is None and not (BUNDLED / "config.json").is_file():
        raise InputError(f"model is missing: this Photism brings no classifier, which would lie in {BUNDLED}; name one")
    folder = BUNDLED if model is None else Path(model)
    is_fetched = not folder.is_dir()
    if is_fetched:
        folder = fetch_files("model", str(model), CONFIGS)
    name = f"model {model or folder}"
    if not (folder / "config.json").is_file():
        raise InputError(f"{name} must be a folder with a classifier, but has no config.json")
    try:
        settings = json.loads((folder / "config.json").read_text(encoding="utf8"))
    except ValueError as error:
        raise InputError(f"{name} has a config.json that cannot be read: {error}") from None
    config = _config(folder, name, settings)
    extractor = read_extractor(folder, name, config)
    return Checkpoint(folder, name, config, extractor, _names(name, settings, config), is_fetched)


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

    folder = checkpoint.folder
    if checkpoint.is_fetched:
        folder = fetch_files("model", checkpoint.name.removeprefix("model "), WEIGHTS)
    keys = stored_names(folder, checkpoint.name)
    if not any(key.startswith("classifier.") for key in keys):
        raise InputError(f"{checkpoint.name} has no weights of a classifier; give one that was trained to classify")
    arguments: dict[str, Any] = {}
    if has_speech_head(checkpoint.config, keys):
        kind: Any = SpeechClassifier
        arguments = {"key_mapping": KEYS}
    elif checkpoint.is_ours:
        kind = Wav2Vec2BertForSequenceClassification
    else:
        kind = MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING[type(checkpoint.config)]
    if folder == BUNDLED:
        folder, arguments = None, {"state_dict": _bundled_weights()}
    try:
        model, report = kind.from_pretrained(
            folder,
            config=checkpoint.config,
            dtype=dtype,
            output_loading_info=True,
            local_files_only=True,
            use_safetensors=True,
            **arguments,
        )
    except Exception as error:  # from_pretrained has no error of its own: OSError, SafetensorError, RuntimeError, …
        raise InputError(f"{checkpoint.name} cannot be loaded: {error}") from error
    check_whole(checkpoint.name, report["missing_keys"])
    torch.nn.Module.to(model, device)  # the type of transformers' own `to` is wrong
    return model.eval()


def _bundled_weights() -> dict[str, torch.Tensor]:
    """The bundled classifier is a head alone, on the encoder of the bundled model."""
    from safetensors.torch import load_file

    encoder = load_file(MODEL_FOLDER / "model.safetensors")
    of_encoder = {key: tensor for key, tensor in encoder.items() if key.startswith("encoder.")}
    return {key.replace("encoder", "wav2vec2_bert", 1): tensor for key, tensor in of_encoder.items()} | load_file(
        BUNDLED / "model.safetensors"
    )


def check_whole(name: str, missing_keys: Iterable[str]) -> None:
    """See whether all that a model needs was among the weights.

    Raises:
        InputError: something was not, and would be random.
    """
    # What hides states in training is nothing to us.
    missing = sorted(key for key in missing_keys if not key.endswith("masked_spec_embed"))
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(f"{name} is not whole: {missing[0]}{more} would be random; give a trained model")


def _config(folder: Path, name: str, settings: Mapping[str, Any]) -> Any:
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING_NAMES as KINDS

    model_type = settings.get("model_type")
    if model_type not in KINDS:
        raise InputError(
            f"{name} is of the type {model_type!r}, which labels no sound; it must be one of {', '.join(sorted(KINDS))}"
        )
    for architecture in settings.get("architectures") or ():
        if architecture == KINDS[model_type]:
            continue
        for end, verb in VERBS.items():
            if architecture.endswith(end):
                raise InputError(f"{name} is a {architecture}, not a {KINDS[model_type]}: {verb}")
    try:
        return AutoConfig.from_pretrained(folder)
    except Exception as error:  # as above: strict configurations raise errors of their own
        raise InputError(f"{name} has a config.json that cannot be used: {error}") from error


def _names(name: str, settings: Mapping[str, Any], config: Any) -> tuple[str, ...]:
    """What the classes are called, as the checkpoint itself says: transformers would make names up."""
    given = settings.get("id2label")
    if not given:
        raise InputError(f"{name} does not say what its classes are called: its config.json has no id2label")
    try:
        return tuple(str(config.id2label[index]) for index in range(len(given)))
    except KeyError as error:
        raise InputError(f"{name} has an id2label of {len(given)} classes without number {error}") from None


def read_extractor(folder: Path, name: str, config: Any) -> Any:
    """The feature extractor in a folder, which makes what a model of this configuration takes.

    Raises:
        InputError: there is none, or it makes something else.
    """
    from transformers import AutoFeatureExtractor
    from transformers.models.auto.feature_extraction_auto import FEATURE_EXTRACTOR_MAPPING

    settings = [folder / file for file in EXTRACTOR_FILES if (folder / file).is_file()]
    if not settings:
        raise InputError(
            f"{name} has no feature extractor: {EXTRACTOR_FILES[0]} is missing; copy it from what it was trained from"
        )
    try:
        extractor: Any = AutoFeatureExtractor.from_pretrained(folder)
        if config.model_type == "wav2vec2-bert":
            kind: Any = Wav2Vec2BertFeatureExtractor
            if type(extractor).__name__ == SAVED_AS:
                extractor = kind(**extractor.to_dict())
        else:
            kind = FEATURE_EXTRACTOR_MAPPING[type(config)]
    except Exception as error:  # as above
        raise InputError(f"{name} has a feature extractor that cannot be loaded: {error}") from error
    if not isinstance(extractor, kind):
        wanted = SAVED_AS if kind is Wav2Vec2BertFeatureExtractor else kind.__name__
        raise InputError(f"{name} has a {type(extractor).__name__}, but a {config.model_type} needs a {wanted}")
    if extractor.sampling_rate != SAMPLING_RATE:
        raise InputError(f"{name} hears at {extractor.sampling_rate} Hz; only {SAMPLING_RATE} Hz can be given")
    for what, made, taken in _widths(extractor, config):
        if made != taken:
            raise InputError(f"{name} takes {taken} {what}, but its feature extractor makes {made}")
    return extractor


def _widths(extractor: Any, config: Any) -> Iterable[tuple[str, int, int]]:
    """What must be alike in a feature extractor and a model."""
    if config.model_type == "wav2vec2-bert":
        made = extractor.num_mel_bins * extractor.stride
        yield "numbers a token", made, config.feature_projection_input_dim
    elif config.model_type == "whisper":
        yield "mel bins", extractor.feature_size, config.num_mel_bins
        yield "frames", extractor.nb_max_frames, 2 * config.max_source_positions
    elif config.model_type == "audio-spectrogram-transformer":
        yield "mel bins", extractor.num_mel_bins, config.num_mel_bins
        yield "frames", extractor.max_length, config.max_length


def stored_names(folder: Path, name: str) -> frozenset[str]:
    """Of the tensors, by the headers of their files.

    Raises:
        InputError: there are no weights, or damaged ones.
    """
    from safetensors import SafetensorError, safe_open

    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise InputError(
            f"{name} must have its weights as safetensors, of which there are none; pickled ones are not read: convert "
            "them, on the hub with https://huggingface.co/spaces/safetensors/convert"
        )
    keys: set[str] = set()
    for path in files:
        try:
            with safe_open(path, framework="pt") as file:
                keys.update(file.keys())
        except (SafetensorError, OSError) as error:
            raise InputError(f"{name} cannot be loaded: {path.name} is damaged ({error}); fetch it again") from None
    return frozenset(keys)
