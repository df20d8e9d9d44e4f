"""Read JSON files that others have written, with one error for everything that can be wrong with them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, cast

from photism.errors import InputError, os_error_message

LIBRARY_FILES = (
    "config.json",
    "*_config.json",
    "*.index.json",
    "*.index.*.json",
    "model_index.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.json",
    "vocab.json",
)
"""Patterns of the files that transformers and diffusers read; each holds a JSON object."""
LIMITS: dict[str, tuple[float, float]] = {
    # Mel filters, names of classes and noise levels are allocated as soon as the libraries read their numbers.
    "feature_size": (1, 2**12),
    "fft_window_size": (1, 2**16),
    "hop_length": (1, 2**16),
    "max_length_s": (1, 3600),
    "model_max_length": (1, math.inf),
    "n_fft": (1, 2**16),
    "num_labels": (0, 10**6),
    "num_mel_bins": (1, 2**12),
    "num_train_timesteps": (1, 10**6),
    "sampling_rate": (1, 768_000),
}
"""Lowest and highest plausible value of numbers that are used unchecked by the libraries."""
COUNTS = ("channels", "groups", "head", "layer", "n_embd", "positions", "size")
"""Words in the names of numbers that are never negative."""


def read_json(path: Path, owner: str) -> Any:
    """Return the content of a JSON file in UTF-8, with or without a byte order mark.

    Args:
        path: the file.
        owner: how error messages refer to what the file belongs to, such as "model talk".

    Raises:
        InputError: the file cannot be read, or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        reason = os_error_message(error)
    except RecursionError:  # json's own parser calls itself for each level
        reason = "it is nested too deeply"
    except ValueError as error:  # not JSON, not UTF-8, or a number of thousands of digits
        reason = str(error)
    raise InputError(f"{owner} has an unreadable {path.name}: {reason}")


def read_json_object(path: Path, owner: str) -> dict[str, Any]:
    """Return the content of a JSON file that holds an object.

    Args:
        path: the file.
        owner: how error messages refer to what the file belongs to, such as "model talk".

    Raises:
        InputError: the file cannot be read, or holds anything else.
    """
    content = read_json(path, owner)
    if not isinstance(content, dict):
        raise InputError(f"{owner} has an unreadable {path.name}: it is not a JSON object")
    return cast("dict[str, Any]", content)


def read_texts(path: Path, owner: str) -> tuple[str, ...]:
    """Return the content of a JSON file that holds a list of texts, none of them empty.

    Args:
        path: the file.
        owner: how error messages refer to what the file belongs to, such as "model talk".

    Raises:
        InputError: the file cannot be read, or holds anything else.
    """
    content = read_json(path, owner)
    if not isinstance(content, list):
        raise InputError(f"{owner} has an unreadable {path.name}: it is not a list of texts")
    texts = cast("list[Any]", content)
    for index, text in enumerate(texts):
        if not isinstance(text, str) or not text.strip():
            raise InputError(
                f"{owner} has an unreadable {path.name}: entry {index} of its list must be a text; got {text!r:.40}"
            )
    return tuple(texts)


def check_library_files(folder: Path, owner: str) -> None:
    """Check the JSON files of a folder that transformers or diffusers are about to read.

    The libraries fail at damaged files in many ways, at some of them only after the weights are loaded.

    Args:
        folder: the folder; its subfolders are not looked at.
        owner: how error messages refer to what the files belong to, such as "model talk".

    Raises:
        InputError: a file of `LIBRARY_FILES` cannot be read, is not a JSON object, has a value beyond `LIMITS`, or is
            an index of shards that names no files of its folder.
    """
    for path in sorted({path for pattern in LIBRARY_FILES for path in folder.glob(pattern)}):
        content = read_json_object(path, owner)
        if ".safetensors.index." in path.name:
            _check_index(content, path, owner)
        if not path.name.endswith("config.json"):  # words of a vocabulary, not settings
            continue
        # A processor, or a model of several parts, has the configurations of its parts as values.
        for part in (content, *(value for value in content.values() if isinstance(value, dict))):
            _check_limits(cast("dict[str, Any]", part), path, owner)


def _check_index(content: dict[str, Any], path: Path, owner: str) -> None:
    """Check an index of shards: the libraries read any path that it names."""
    shards, metadata = content.get("weight_map"), content.get("metadata")
    if not isinstance(shards, dict) or not shards or not isinstance(metadata, dict):
        raise InputError(f"{owner} has an unreadable {path.name}: it must have the objects metadata and weight_map")
    for file in cast("dict[str, Any]", shards).values():
        if not isinstance(file, str) or file in ("", ".", "..") or set(file) & set("/\\\0"):
            raise InputError(
                f"{owner} has an unreadable {path.name}: its shards must be files in the same folder; got {file!r:.80}"
            )


def _check_limits(config: dict[str, Any], path: Path, owner: str) -> None:
    for name, value in config.items():
        lowest, highest = LIMITS.get(name, (0 if any(word in name for word in COUNTS) else -math.inf, math.inf))
        is_number = isinstance(value, int | float)
        if (is_number and not lowest <= value <= highest) or (name in LIMITS and isinstance(value, str)):
            raise InputError(
                f"{owner}: {name} in its {path.name} must be a number from {lowest:,} to {highest:,}; got {value!r:.40}"
            )
