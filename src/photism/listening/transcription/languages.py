"""Languages of a CTC checkpoint that has an adapter and a vocabulary for each, such as facebook/mms-1b-all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from photism.encoder.pretrained import Checkpoint
from photism.errors import InputError, as_input_error
from photism.hub import fetch_files
from photism.settings import SettingError

VOCABULARY_FILE = "vocab.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
ADAPTER_FILE = "adapter.{}.safetensors"
HEAD_WEIGHT = "lm_head.weight"
DEFAULT_LANGUAGE = "eng"
"""Language of the weights, if the tokenizer declares none, as in transformers."""
EXAMPLES = ("ara", "deu", "fra", "hin", "ind", "por", "rus", "spa", "swh", "tur")
"""Languages to name first where a checkpoint has many."""
MAX_EXAMPLES = 5


def read_languages(checkpoint: Checkpoint) -> tuple[str, ...]:
    """Return the languages of a checkpoint whose vocab.json has a vocabulary for each; otherwise none."""
    path = checkpoint.folder / VOCABULARY_FILE
    vocabulary = _read_object(path) if path.is_file() else {}
    return tuple(vocabulary) if vocabulary and all(isinstance(each, dict) for each in vocabulary.values()) else ()


def tokenizer_languages(tokenizer: Any) -> tuple[str, ...]:
    """Return the languages of a tokenizer that has a vocabulary for each; otherwise none."""
    return tuple(tokenizer.vocab) if getattr(tokenizer, "target_lang", None) is not None else ()


def choose_language(checkpoint: Checkpoint, languages: Sequence[str], language: str | None) -> str | None:
    """Return the language to use: the given one, or else that of the weights; None if there are no languages.

    Raises:
        SettingError: the checkpoint does not have the language.
    """
    if not languages:
        if language is not None:
            raise SettingError("language", f"is for checkpoints with adapters; {checkpoint.name} has one language")
        return None
    if language is None:
        path = checkpoint.folder / TOKENIZER_CONFIG
        declared = _read_object(path).get("target_lang") if path.is_file() else None
        return next((each for each in (declared, DEFAULT_LANGUAGE) if each in languages), languages[0])
    if language not in languages:
        similar = [each for each in languages if each.startswith(language[:2].lower())][:MAX_EXAMPLES]
        similar = similar or get_close_matches(language, languages, MAX_EXAMPLES)
        raise SettingError(
            "language",
            f"must be one of the {len(languages)} languages of {checkpoint.name}, "
            f"such as {', '.join(similar or some_languages(languages))}; got {language}",
        )
    return language


def some_languages(languages: Sequence[str], *, without: str | None = None) -> list[str]:
    """Return the names of a few languages, large ones first."""
    others = [each for each in languages if each != without]
    return [*(each for each in EXAMPLES if each in others), *(each for each in others if each not in EXAMPLES)][
        :MAX_EXAMPLES
    ]


def fetch_adapter(checkpoint: Checkpoint, language: str) -> Path:
    """Return the file of a language's adapter, after fetching it if the checkpoint is on the hub.

    Raises:
        InputError: there is none.
    """
    name, folder = ADAPTER_FILE.format(language), checkpoint.folder
    if checkpoint.hub_id is not None:
        folder = fetch_files(checkpoint.parameter, checkpoint.hub_id, (*checkpoint.patterns, name))
    if not (folder / name).is_file():
        raise InputError(f"{checkpoint.name} has no adapter for {language}: {name} is missing")
    return folder / name


def adapter_vocab_size(path: Path) -> int:
    """Return the number of outputs of the head in an adapter's file.

    Raises:
        InputError: the file is damaged, or has no head.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return file.get_slice(HEAD_WEIGHT).get_shape()[0]
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} is not an adapter with {HEAD_WEIGHT}: {error}") from None


def load_adapter(model: Any, language: str, name: str) -> None:
    """Load the adapter and head of a language into a model, in place, from the folder that it was loaded from.

    Raises:
        InputError: the model has no adapters, or others.
    """
    if getattr(model.config, "adapter_attn_dim", None) is None:
        raise InputError(
            f"{name} has vocabularies of several languages, but no adapters: its config.json lacks adapter_attn_dim"
        )
    with as_input_error(f"{name} has an unusable adapter for {language}"):
        model.load_adapter(language, local_files_only=True, use_safetensors=True)


def _read_object(path: Path) -> dict[str, Any]:
    """Return a JSON object; an empty one if the file is not one, which the tokenizer reports."""
    try:
        content = json.loads(path.read_text(encoding="utf8"))
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
