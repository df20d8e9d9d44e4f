"""Find, check and load an audio checkpoint in the layout of transformers, from a folder or the Hugging Face hub.

The configuration is read first. Architecture, feature extractor and tensor names are checked before any weights are
loaded, so that a checkpoint that does not fit is refused within a second. Weights are read from safetensors only, and
every tensor must be used: transformers itself would initialise missing ones at random and ignore the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from transformers import PreTrainedModel, Wav2Vec2BertConfig

from photism.audio.waveform import SAMPLING_RATE
from photism.device import choose_device, choose_dtype
from photism.encoder.model import Wav2Vec2BertPreTrainedModel
from photism.encoder.processor import SAVED_AS, SeamlessM4TFeatureExtractor
from photism.errors import InputError, as_input_error
from photism.fingerprint import TRAINING_ONLY
from photism.hub import fetch_files, resolve_bundled
from photism.json_files import check_library_files, read_json_object
from photism.library_logging import quiet_libraries
from photism.locks import loading_lock
from photism.weights import TensorHeader, check_fit, check_values, default_files, misfit, read_headers

CONFIG_FILES = ("config.json", "preprocessor_config.json", "processor_config.json")
"""File patterns fetched from the hub before the weights."""
WEIGHT_FILES = "model*.safetensors"
"""File pattern of the weights, sharded or not; other safetensors in the folder, such as adapters, do not match."""
EXTRACTOR_FILES = ("preprocessor_config.json", "processor_config.json")
EXTRACTOR_SIZES = ("num_mel_bins", "stride", "feature_size", "nb_max_frames", "max_length")
"""Numbers of a feature extractor that the shape of its output follows from."""
TASKS = {
    "ForCTC": "it transcribes speech; use photism transcribe",
    "ForXVector": "it embeds speakers; use photism speakers embed or verify",
    "ForAudioFrameClassification": "it classifies frames; use photism speakers timeline",
    "ForConditionalGeneration": "it generates text",
    "ForSequenceClassification": "it classifies recordings; use photism label",
    "ForPreTraining": "it is not fine-tuned for a task yet",
    "Model": "it has no head yet",
}
"""Purpose of an architecture, by the end of its class name."""

Head = TypeVar("Head", bound=Wav2Vec2BertPreTrainedModel)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose configuration has been read.

    Attributes:
        folder: folder that holds the configuration.
        parameter: parameter that names the checkpoint, for error messages.
        name: how error messages refer to the checkpoint.
        raw_config: content of config.json.
        patterns: patterns of the files fetched so far.
        hub_id: hub repository whose weights have not been fetched yet; None for a local folder.
    """

    folder: Path
    parameter: str
    name: str
    raw_config: Mapping[str, Any]
    patterns: Sequence[str]
    hub_id: str | None

    def fetch_weights(self) -> Path:
        """Return the folder after fetching the weights, if they are on the hub."""
        if self.hub_id is None:
            return self.folder
        return fetch_files(self.parameter, self.hub_id, (*self.patterns, WEIGHT_FILES, f"{WEIGHT_FILES}.index.json"))


def find_checkpoint(
    model: str | Path, *, expected: str, patterns: Sequence[str] = CONFIG_FILES, parameter: str = "model"
) -> Checkpoint:
    """Read the configuration of a checkpoint.

    Args:
        model: folder or hub id, or "tiny" or a part of it for the bundled model.
        expected: what the caller needs, such as "a classifier", for the error message.
        patterns: patterns of the files to fetch before the weights.
        parameter: parameter that names the checkpoint, for error messages.

    Raises:
        InputError: there is no such checkpoint, or its config.json is missing or unreadable.
    """
    folder = Path(resolve_bundled(model))
    is_local = folder.is_dir()
    if not is_local:
        folder = fetch_files(parameter, str(model), patterns)
    name = f"{parameter} {model}"
    if not (folder / "config.json").exists():
        raise InputError(f"{name} must be a folder with {expected}, but has no config.json")
    check_library_files(folder, name)
    raw_config = read_json_object(folder / "config.json", name)
    check_config(raw_config, name)
    return Checkpoint(folder, parameter, name, raw_config, patterns, None if is_local else str(model))


def check_config(raw_config: Mapping[str, Any], name: str) -> None:
    """Check the values of a config.json that say what a checkpoint is.

    Args:
        raw_config: content of the file.
        name: how error messages refer to the checkpoint.

    Raises:
        InputError: one is of a wrong type, or the weights are quantised.
    """
    model_type, architectures = raw_config.get("model_type"), raw_config.get("architectures")
    if not isinstance(model_type, str | None):
        raise InputError(f"{name} has an unusable config.json: model_type must be a name; got {model_type!r:.40}")
    is_list = isinstance(architectures, list) and all(isinstance(each, str) for each in architectures)
    if architectures is not None and not is_list:
        raise InputError(
            f"{name} has an unusable config.json: architectures must be a list of names; got {architectures!r:.40}"
        )
    if quantization := raw_config.get("quantization_config"):
        method = quantization.get("quant_method") if isinstance(quantization, dict) else quantization
        raise InputError(
            f"{name} is quantised ({method!r:.40}), which is not supported; give the checkpoint in float32, float16 or "
            "bfloat16"
        )


def check_architecture(checkpoint: Checkpoint, expected: str, *, allow_unknown: bool = False) -> None:
    """Check that a checkpoint is of an expected class, or of another class for the same task.

    Args:
        checkpoint: the checkpoint.
        expected: name of the model class.
        allow_unknown: accept classes that are not in `TASKS`.

    Raises:
        InputError: its config.json names a class for another task.
    """
    for architecture in checkpoint.raw_config.get("architectures") or ():
        task = _task(architecture)
        is_expected = architecture == expected or (task is not None and task == _task(expected))
        if not is_expected and (task or not allow_unknown):
            reason = task or "it is for another task"
            raise InputError(f"{checkpoint.name} is a {architecture}, not a {expected}: {reason}")


def check_model(model: Any, ending: str) -> None:
    """Check that a model of transformers, or Photism, is not for another task.

    Args:
        model: the model. A class that is not in `TASKS` is accepted.
        ending: end of the class names of models for the task, one of `TASKS`.

    Raises:
        InputError: the model is for another task.
    """
    name = type(model).__name__
    task = _task(name)
    if isinstance(model, PreTrainedModel) and task is not None and not name.endswith(ending):
        raise InputError(f"model must be a model {ending}, but is a {name}: {task}")


def read_config(checkpoint: Checkpoint) -> Any:
    """Return the transformers configuration of a checkpoint.

    Raises:
        InputError: transformers does not accept it.
    """
    from transformers import AutoConfig

    with as_input_error(f"{checkpoint.name} has an unusable config.json"):
        return AutoConfig.from_pretrained(checkpoint.folder)


def read_feature_extractor(checkpoint: Checkpoint, config: Any) -> Any:
    """Return the feature extractor of a checkpoint, checked against the model's configuration.

    Args:
        checkpoint: the checkpoint.
        config: its configuration.

    Raises:
        InputError: the checkpoint has no feature extractor, or one whose output the model does not accept.
    """
    from transformers import AutoFeatureExtractor

    folder, name = checkpoint.folder, checkpoint.name
    if not any((folder / file).is_file() for file in EXTRACTOR_FILES):
        raise InputError(
            f"{name} has no feature extractor: {EXTRACTOR_FILES[0]} is missing; copy it from the base checkpoint"
        )
    with as_input_error(f"{name} has an unusable feature extractor"):
        extractor: Any = AutoFeatureExtractor.from_pretrained(folder)
        return check_feature_extractor(extractor, config, name)


def check_feature_extractor(extractor: Any, config: Any, name: str) -> Any:
    """Return a feature extractor that was checked against a model's configuration: Photism's own for Wav2Vec2-BERT.

    Args:
        extractor: feature extractor of transformers, or Photism's.
        config: configuration of the model.
        name: how error messages refer to the model.

    Raises:
        InputError: the model does not accept its output.
    """
    from transformers.models.auto.feature_extraction_auto import FEATURE_EXTRACTOR_MAPPING

    if config.model_type == Wav2Vec2BertConfig.model_type:
        expected: Any = SeamlessM4TFeatureExtractor
        if not isinstance(extractor, expected) and type(extractor).__name__ == SAVED_AS:
            extractor = expected(**extractor.to_dict())
    else:
        expected = FEATURE_EXTRACTOR_MAPPING.get(type(config), object)  # anything for a class that is not transformers'
    if not isinstance(extractor, expected):
        class_name = SAVED_AS if expected is SeamlessM4TFeatureExtractor else expected.__name__
        raise InputError(f"{name} has a {type(extractor).__name__}, but a {config.model_type} needs a {class_name}")
    if not isinstance(getattr(extractor, "padding_value", 0.0), int | float):
        raise InputError(f"{name} has a feature extractor whose padding_value is {extractor.padding_value!r:.40}")
    if extractor.sampling_rate != SAMPLING_RATE:
        raise InputError(f"{name} expects {extractor.sampling_rate} Hz; only {SAMPLING_RATE} Hz is supported")
    for size in EXTRACTOR_SIZES:
        if not _is_count(getattr(extractor, size, 1)):
            raise InputError(
                f"{name} has a feature extractor whose {size} must be a whole number from 1; "
                f"got {getattr(extractor, size)!r:.40}"
            )
    for quantity, extracted, accepted in _input_sizes(extractor, config):
        if extracted != accepted:
            raise InputError(f"{name} accepts {accepted} {quantity}, but its feature extractor makes {extracted}")
    return extractor


def resolve_dtype(dtype: str | torch.dtype, checkpoint: Checkpoint) -> torch.dtype:
    """Return the dtype of that name; for "auto" that of the checkpoint's config.json or, without one, of its weights.

    Raises:
        SettingError: models are not computed in that dtype.
        InputError: there are no safetensors.
    """
    if dtype != "auto":
        return choose_dtype(dtype)
    config = checkpoint.raw_config
    saved = config.get("dtype") or config.get("torch_dtype")
    if saved is None:
        from safetensors import safe_open

        folder = checkpoint.fetch_weights()
        read_tensor_headers(folder, checkpoint.name)  # raises an error if there are no weights
        with safe_open(default_files(folder)[0], framework="pt") as file:
            saved = file.get_tensor(next(iter(file.keys()))).dtype
    return choose_dtype(saved)


def read_tensor_headers(folder: Path, name: str) -> dict[str, TensorHeader]:
    """Return the headers of the tensors in a folder's weight files, by name.

    Args:
        folder: folder with weights.
        name: how error messages refer to the checkpoint.

    Raises:
        InputError: there are no safetensors, or a file is damaged.
    """
    files = default_files(folder)
    if not files:
        raise InputError(
            f"{name} has no safetensors weights, and pickled weights are not read; convert them, for a hub model with "
            "https://huggingface.co/spaces/safetensors/convert"
        )
    return read_headers(files, name)


def load_weights(
    model_class: Any,
    folder: Path | None,
    name: str,
    *,
    device: torch.device,
    dtype: torch.dtype,
    **arguments: Any,
) -> Any:
    """Load a model in evaluation mode.

    Args:
        model_class: class of the model.
        folder: folder with weights; None if `arguments` has a `state_dict`.
        name: how error messages refer to the checkpoint.
        device: device of the model.
        dtype: dtype of its weights.
        **arguments: further arguments of transformers' `from_pretrained`.

    Raises:
        InputError: tensors are missing, damaged, of a wrong shape or type, or unused.
    """
    config = arguments.get("config")
    with as_input_error(f"{name} cannot be loaded"), quiet_libraries, loading_lock:
        if folder is not None:
            check_library_files(folder, name)  # the index of shards was fetched with the weights
            config = config or model_class.config_class.from_pretrained(folder)
            check_fit(lambda: model_class(config), config.to_dict(), read_tensor_headers(folder, name), name)
        model, report = model_class.from_pretrained(
            folder,
            dtype=dtype,
            output_loading_info=True,
            local_files_only=True,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # to name the tensor in the error
            **arguments,
        )
    for key, shape, described in sorted(report["mismatched_keys"]):
        raise misfit(name, key, tuple(shape), tuple(described))
    missing = [key for key in report["missing_keys"] if not key.endswith(TRAINING_ONLY)]
    if missing:
        raise InputError(f"{name} is incomplete: it lacks {_first(missing)}; give a trained model")
    if unused := report["unexpected_keys"]:
        raise InputError(
            f"{name} has weights that its config.json does not describe: {_first(unused)}; give the config.json "
            "that the weights were saved with"
        )
    check_values(model, name)
    torch.nn.Module.to(model, device)  # the type annotation of transformers' own `to` is wrong
    return model.eval()


def load_head(
    model_class: type[Head], model: str | Path, *, device: str | torch.device | None, dtype: torch.dtype | str
) -> tuple[Head, Any]:
    """Load a Wav2Vec2-BERT with a head, in evaluation mode, and its feature extractor.

    Args:
        model_class: class of the model.
        model: folder or hub id.
        device: device; by default CUDA if there is a GPU, else MPS, else the CPU.
        dtype: dtype of the weights.

    Raises:
        InputError: the checkpoint does not exist, has another head, has no matching feature extractor, or is
            incomplete. All but the last is checked before weights are loaded.
    """
    chosen_device, chosen_dtype = choose_device(device), choose_dtype(dtype)
    checkpoint = find_checkpoint(model, expected=f"a {model_class.__name__}")
    model_type = checkpoint.raw_config.get("model_type")
    if model_type != Wav2Vec2BertConfig.model_type:
        raise InputError(f"{checkpoint.name} has model_type {model_type!r}; it must be {Wav2Vec2BertConfig.model_type}")
    check_architecture(checkpoint, model_class.__name__)
    config = read_config(checkpoint)
    extractor = read_feature_extractor(checkpoint, config)
    folder = checkpoint.fetch_weights()
    loaded = load_weights(model_class, folder, checkpoint.name, device=chosen_device, dtype=chosen_dtype, config=config)
    return loaded, extractor


def _task(architecture: str) -> str | None:
    return next((task for ending, task in TASKS.items() if architecture.endswith(ending)), None)


def _first(keys: Iterable[str]) -> str:
    """Return the first of some tensor names in alphabetical order, and how many follow it."""
    first, *others = sorted(keys)
    return f"{first} and {len(others)} more" if others else first


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _input_sizes(extractor: Any, config: Any) -> Iterable[tuple[str, int, int]]:
    """Yield the name of each size of the model's input, the extracted size and the accepted size."""
    if config.model_type == Wav2Vec2BertConfig.model_type:
        extracted = extractor.num_mel_bins * extractor.stride
        yield "features per token", extracted, config.feature_projection_input_dim
    elif config.model_type == "whisper":
        yield "mel bins", extractor.feature_size, config.num_mel_bins
        yield "frames", extractor.nb_max_frames, 2 * config.max_source_positions
    elif config.model_type == "audio-spectrogram-transformer":
        yield "mel bins", extractor.num_mel_bins, config.num_mel_bins
        yield "frames", extractor.max_length, config.max_length
