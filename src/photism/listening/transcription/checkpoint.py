"""A CTC checkpoint of transformers, from a folder or the hub: what does not fit is told before weights are loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from photism.encoder import Wav2Vec2BertForCTC
from photism.errors import InputError
from photism.hub import fetch_files
from photism.listening.transcription.acoustic_model import AcousticModel
from photism.listening.transcription.vocabulary import Vocabulary
from photism.model_folder import choose_device
from photism.tiny import MODEL_FOLDER

BUNDLED = MODEL_FOLDER / "characters"
SETTINGS = ("*.json", "*.txt", "*.model")
"""What is fetched of a model on the hub first."""
WEIGHTS = ("*.safetensors",)
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
EXTRACTOR_FILES = ("preprocessor_config.json", "processor_config.json")
EXTRACTORS = {LOG_MEL: ("SeamlessM4TFeatureExtractor", "Wav2Vec2BertFeatureExtractor")}
"""Classes of feature extractors; of all other kinds `WAVEFORM_EXTRACTORS`."""
WAVEFORM_EXTRACTORS = ("Wav2Vec2FeatureExtractor",)


def load_ctc(
    model: str | Path | None, *, device: str | torch.device | None, dtype: torch.dtype, int8: bool
) -> AcousticModel:
    """Loads a CTC model with its feature extractor and its vocabulary.

    Args:
        model: folder or hub id; None for the bundled one, where there is one.
        device: by default the best there is.
        dtype: of the weights.
        int8: linear layers in int8, on a processor.

    Raises:
        InputError: something is missing, damaged, of another kind, or does not fit together.
    """
    place = choose_device(device)
    if int8 and (place.type != "cpu" or dtype != torch.float32):
        raise InputError(f"int8 is for the processor, from float32; got device={place} and dtype={dtype}")
    name = str(BUNDLED if model is None else model)
    if model is None and not BUNDLED.is_dir():
        raise InputError(
            "model is missing: no model for speech is bundled; give the folder or hub id of a CTC checkpoint, "
            "such as facebook/wav2vec2-base-960h for English"
        )
    folder = Path(name)
    is_local = folder.is_dir()
    if not is_local:
        folder = fetch_files("model", name, SETTINGS)
    config = _config(folder)
    kind = config["model_type"]
    if int8 and kind in NOT_INT8:
        raise InputError(f"int8 must be left out for {kind}, whose attention cannot take it")
    extractor = _feature_extractor(folder, config)
    vocabulary = Vocabulary.of(_tokenizer(folder), config["vocab_size"])
    if not is_local:
        folder = fetch_files("model", name, (*SETTINGS, *WEIGHTS))
    _check_head(folder, config)
    return AcousticModel(_load(folder, kind, place, dtype, int8), extractor, vocabulary)


def _config(folder: Path) -> dict[str, Any]:
    """With `vocab_size`, whether the file says it or leaves it at transformers' default."""
    from transformers import AutoConfig

    path = folder / "config.json"
    if not path.is_file():
        raise InputError(f"model must be a folder with a CTC checkpoint, but {folder} has no config.json")
    try:
        config = json.loads(path.read_text(encoding="utf8"))
        kind = config.get("model_type")
    except (ValueError, AttributeError) as error:
        raise InputError(f"model {folder} is damaged: config.json cannot be read: {error}") from None
    if kind != LOG_MEL and kind not in WAVEFORM:
        known = ", ".join((LOG_MEL, *WAVEFORM))
        raise InputError(f"model must be a CTC checkpoint of {known}; {folder} holds {kind!r}")
    made_for = [name for name in config.get("architectures") or () if not name.endswith("ForCTC")]
    if made_for:
        raise InputError(
            f"model must have a CTC head; {folder} is a {made_for[0]}: give a checkpoint that was fine-tuned for CTC"
        )
    try:
        complete = AutoConfig.from_pretrained(folder)
    except Exception as error:  # transformers has no error of its own
        raise InputError(f"model {folder} is damaged: config.json cannot be used: {error}") from error
    if complete.vocab_size is None:
        raise InputError(f"model must have a CTC head; config.json of {folder} has no vocab_size")
    return {**config, "vocab_size": complete.vocab_size, "complete": complete}


def _feature_extractor(folder: Path, config: dict[str, Any]) -> Any:
    from transformers import AutoFeatureExtractor

    if not any((folder / name).is_file() for name in EXTRACTOR_FILES):
        raise InputError(f"model must bring its processor, but {folder} has no {EXTRACTOR_FILES[0]}: save it there")
    try:
        extractor = AutoFeatureExtractor.from_pretrained(folder)
    except Exception as error:
        raise InputError(f"the processor of model {folder} cannot be loaded: {error}") from error
    kind = config["model_type"]
    allowed = EXTRACTORS.get(kind, WAVEFORM_EXTRACTORS)
    found = type(extractor).__name__
    if found not in allowed or extractor.sampling_rate != 16_000:
        raise InputError(
            f"a {kind} model must have the processor that it was trained with, a {allowed[0]} at 16000 Hz; "
            f"{folder} has a {found} at {extractor.sampling_rate} Hz"
        )
    width = getattr(config["complete"], "feature_projection_input_dim", None)
    if kind == LOG_MEL and extractor.num_mel_bins * extractor.stride != width:
        raise InputError(
            f"the processor of model {folder} must make tokens of {width} numbers; it makes "
            f"{extractor.num_mel_bins} mel bins × {extractor.stride} frames"
        )
    return extractor


def _tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise InputError(
            f"model must bring its tokenizer, but {folder} has no {' or '.join(TOKENIZER_FILES)}: save it there"
        )
    try:
        return AutoTokenizer.from_pretrained(folder)
    except Exception as error:
        raise InputError(f"the tokenizer of model {folder} cannot be loaded: {error}") from error


def _check_head(folder: Path, config: dict[str, Any]) -> None:
    """Transformers would make a missing head, or one of another size, of random numbers."""
    from safetensors import SafetensorError, safe_open

    index = folder / "model.safetensors.index.json"
    name = "model.safetensors"
    try:
        if index.is_file():
            name = json.loads(index.read_text(encoding="utf8"))["weight_map"].get(HEAD)
        elif not (folder / name).is_file():
            raise InputError(f"model must have weights in safetensors, but {folder} has no {name}: convert them")
        shape = None
        if name is not None:
            with safe_open(folder / name, "pt") as weights:
                shape = weights.get_slice(HEAD).get_shape() if HEAD in weights.keys() else None  # noqa: SIM118
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise InputError(f"model {folder} is damaged: its weights cannot be read: {error}") from None
    if shape is None:
        raise InputError(f"model must have a CTC head, {HEAD}; the weights of {folder} have none")
    if shape[0] != config["vocab_size"]:
        raise InputError(
            f"the head of model {folder} has {shape[0]} outputs, but config.json says vocab_size={config['vocab_size']}"
        )


def _load(folder: Path, kind: str, device: torch.device, dtype: torch.dtype, int8: bool) -> Any:
    from transformers import AutoModelForCTC

    from photism.encoder.quantization import quantize_int8

    loader: Any = Wav2Vec2BertForCTC if kind == LOG_MEL else AutoModelForCTC
    try:
        model = loader.from_pretrained(folder, dtype=dtype, use_safetensors=True)
    except Exception as error:
        raise InputError(f"model {folder} cannot be loaded: {error}") from error
    if int8:
        quantize_int8(model)
    torch.nn.Module.to(model, device)  # the type of transformers' own `to` is wrong
    return model.eval()
