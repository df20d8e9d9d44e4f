"""Kinds of models that a checkpoint can be used as, read from its configuration files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from photism.errors import InputError
from photism.hub import fetch_files, is_path
from photism.json_files import read_json_object

PIPELINE_FILE, CONFIG_FILE = "model_index.json", "config.json"
SOUND_PIPELINE = "AudioLDM2Pipeline"
ARCHITECTURES = {
    "AudioPromptEncoder": ("drawing", "embedder"),
    "ForCTC": ("recognizer",),
    "ForSequenceClassification": ("classifier",),
    "ForAudioClassification": ("classifier",),
    "ForAudioFrameClassification": ("diarizer",),
    "ForXVector": ("xvector", "embedder"),
    "Wav2Vec2BertModel": ("embedder",),
}
"""Kinds of models by the end of the name of an architecture in config.json."""


def checkpoint_kinds(model: str) -> tuple[str, ...]:
    """Return the kinds of models that a checkpoint can be used as, the main one first.

    Args:
        model: folder or hub id, of which no weights are fetched.

    Raises:
        InputError: there is no such checkpoint, or it is of no kind that is served.
    """
    folder = Path(model)
    if not folder.is_dir():
        folder = fetch_files("model", model, (PIPELINE_FILE, CONFIG_FILE))
    name = f"model {model}"
    if (folder / CONFIG_FILE).is_file():  # of a Photism model, which may hold a diffusers pipeline
        return _kinds_of_config(read_json_object(folder / CONFIG_FILE, name), name)
    if not (folder / PIPELINE_FILE).is_file():
        raise InputError(f"{name} must be a checkpoint, but has neither {CONFIG_FILE} nor {PIPELINE_FILE}")
    pipeline = read_json_object(folder / PIPELINE_FILE, name).get("_class_name")
    if pipeline != SOUND_PIPELINE:
        raise InputError(
            f"{name} is a diffusers pipeline ({pipeline!r:.60}); give it as diffusion of a model of the kind drawing"
        )
    return ("sound",)


def check_location(model: str) -> None:
    """Check that a model is a folder or may be a hub id.

    Raises:
        InputError: it can only be a path, and there is no such folder.
    """
    if is_path(model) and not Path(model).is_dir():
        raise InputError(f"model {model}: no such folder")


def _kinds_of_config(config: Mapping[str, Any], name: str) -> tuple[str, ...]:
    architectures = config.get("architectures")
    names = [each for each in architectures if isinstance(each, str)] if isinstance(architectures, list) else []
    for architecture in names:
        for end, kinds in ARCHITECTURES.items():
            if architecture.endswith(end):
                return ("drawing", *kinds) if end == "Wav2Vec2BertModel" and _is_audio2img(config) else kinds
    shown = ", ".join(names) or "no architecture"
    raise InputError(f"{name} is of no kind that is served: its {CONFIG_FILE} names {shown:.80}")


def _is_audio2img(config: Mapping[str, Any]) -> bool:
    from photism.prompts.audio2img import is_audio2img

    return is_audio2img(config)
