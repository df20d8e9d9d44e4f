"""Checkpoints of transformers, in a folder or on the hub: what is wrong is told before weights are loaded."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from photism.audio.waveform import SAMPLING_RATE
from photism.encoder.processor import SAVED_AS, Wav2Vec2BertFeatureExtractor
from photism.errors import InputError, as_input_error
from photism.hub import fetch_files

CONFIGS = ("config.json", "preprocessor_config.json", "processor_config.json")
"""What is fetched of a model on the hub first."""
WEIGHTS = "model*.safetensors"
"""What transformers loads, in one file or in several: other weights may lie beside them, such as adapters."""
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
"""What heads are for, by the ends of their models' names."""


@dataclass(frozen=True)
class Source:
    """Where a checkpoint is.

    Attributes:
        folder: with its configuration.
        name: what messages call it.
        settings: its configuration, as it is written.
        patterns: of the files that have been fetched.
        hub_id: whose weights are yet to be fetched; None of a folder that is there.
    """

    folder: Path
    name: str
    settings: Mapping[str, Any]
    patterns: Sequence[str]
    hub_id: str | None

    def with_weights(self) -> Path:
        """The folder, weights and all."""
        if self.hub_id is None:
            return self.folder
        return fetch_files("model", self.hub_id, (*self.patterns, WEIGHTS, f"{WEIGHTS}.index.json"))


def find_checkpoint(model: str | Path, *, wanted: str, patterns: Sequence[str] = CONFIGS) -> Source:
    """Looks at the configuration of a checkpoint.

    Args:
        model: folder or hub id.
        wanted: what it is to be, such as "a classifier".
        patterns: of the files that are fetched before the weights.

    Raises:
        InputError: there is none.
    """
    folder = Path(model)
    is_local = folder.is_dir()
    if not is_local:
        folder = fetch_files("model", str(model), patterns)
    name = f"model {model}"
    try:
        settings = json.loads((folder / "config.json").read_text(encoding="utf8"))
    except FileNotFoundError:
        raise InputError(f"{name} must be a folder with {wanted}, but has no config.json") from None
    except ValueError as error:
        raise InputError(f"{name} has a config.json that cannot be read: {error}") from None
    if not isinstance(settings, dict):
        raise InputError(f"{name} has a config.json that cannot be read: it is no object")
    return Source(folder, name, settings, patterns, None if is_local else str(model))


def check_head(source: Source, wanted: str, *, others: bool = False) -> None:
    """See whether a checkpoint is of this class, or of one for the same task.

    Args:
        source: of the checkpoint.
        wanted: name of the class.
        others: let classes pass of which nothing is known here.

    Raises:
        InputError: it says that it is not.
    """
    for other in source.settings.get("architectures") or ():
        verb = _verb(other)
        is_alike = other == wanted or (verb is not None and verb == _verb(wanted))
        if not is_alike and (verb or not others):
            raise InputError(f"{source.name} is a {other}, not a {wanted}: {verb or 'it is for something else'}")


def read_config(source: Source) -> Any:
    """The configuration of a checkpoint.

    Raises:
        InputError: transformers cannot use it.
    """
    from transformers import AutoConfig

    with as_input_error(f"{source.name} has a config.json that cannot be used"):
        return AutoConfig.from_pretrained(source.folder)


def read_extractor(source: Source, config: Any) -> Any:
    """The feature extractor of a checkpoint, which makes what a model of this configuration takes.

    Raises:
        InputError: there is none, or it makes something else.
    """
    from transformers import AutoFeatureExtractor
    from transformers.models.auto.feature_extraction_auto import FEATURE_EXTRACTOR_MAPPING

    folder, name = source.folder, source.name
    if not any((folder / file).is_file() for file in EXTRACTOR_FILES):
        raise InputError(
            f"{name} has no feature extractor: {EXTRACTOR_FILES[0]} is missing; copy it from what it was trained from"
        )
    with as_input_error(f"{name} has a feature extractor that cannot be loaded"):
        extractor: Any = AutoFeatureExtractor.from_pretrained(folder)
        if config.model_type == "wav2vec2-bert":
            kind: Any = Wav2Vec2BertFeatureExtractor
            if type(extractor).__name__ == SAVED_AS:
                extractor = kind(**extractor.to_dict())
        else:
            kind = FEATURE_EXTRACTOR_MAPPING[type(config)]
    if not isinstance(extractor, kind):
        wanted = SAVED_AS if kind is Wav2Vec2BertFeatureExtractor else kind.__name__
        raise InputError(f"{name} has a {type(extractor).__name__}, but a {config.model_type} needs a {wanted}")
    if extractor.sampling_rate != SAMPLING_RATE:
        raise InputError(f"{name} hears at {extractor.sampling_rate} Hz; only {SAMPLING_RATE} Hz can be given")
    for what, made, taken in _widths(extractor, config):
        if made != taken:
            raise InputError(f"{name} takes {taken} {what}, but its feature extractor makes {made}")
    return extractor


def stored_shapes(folder: Path, name: str) -> dict[str, tuple[int, ...]]:
    """Of the tensors, by the headers of their files.

    Raises:
        InputError: there are no weights, or damaged ones.
    """
    from safetensors import SafetensorError, safe_open

    files = sorted(folder.glob(WEIGHTS))
    if not files:
        raise InputError(
            f"{name} must have its weights as safetensors, of which there are none; pickled ones are not read: convert "
            "them, on the hub with https://huggingface.co/spaces/safetensors/convert"
        )
    shapes: dict[str, tuple[int, ...]] = {}
    for path in files:
        try:
            with safe_open(path, framework="pt") as file:
                shapes.update((key, tuple(file.get_slice(key).get_shape())) for key in file.keys())  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise InputError(f"{name} cannot be loaded: {path.name} is damaged ({error}); fetch it again") from None
    return shapes


def load_weights(
    kind: Any, folder: Path | None, name: str, *, device: torch.device, dtype: torch.dtype, **arguments: Any
) -> Any:
    """A model, in evaluation, all of whose weights are those of its checkpoint.

    Args:
        kind: its class.
        folder: with the weights; None where they are among the arguments.
        name: what messages call it.
        device: where it goes.
        dtype: of its weights.
        **arguments: of transformers' `from_pretrained`.

    Raises:
        InputError: weights are missing, damaged, or do not fit.
    """
    with as_input_error(f"{name} cannot be loaded"):
        model, report = kind.from_pretrained(
            folder, dtype=dtype, output_loading_info=True, local_files_only=True, use_safetensors=True, **arguments
        )
    # What hides states in training is nothing to us.
    missing = sorted(key for key in report["missing_keys"] if not key.endswith("masked_spec_embed"))
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(f"{name} is not whole: {missing[0]}{more} would be random; give a trained model")
    torch.nn.Module.to(model, device)  # the type of transformers' own `to` is wrong
    return model.eval()


def choose_dtype(dtype: torch.dtype | str) -> torch.dtype:
    """That of weights, by its name too.

    Raises:
        InputError: it is none that a model is computed in.
    """
    found = DTYPES.get(dtype) if isinstance(dtype, str) else dtype
    if found is None or found not in DTYPES.values():
        raise InputError(f"dtype must be one of {', '.join(DTYPES)}; got {dtype}")
    return found


def _verb(architecture: str) -> str | None:
    return next((verb for end, verb in VERBS.items() if architecture.endswith(end)), None)


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
