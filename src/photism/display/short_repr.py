"""`repr` of a result in one line: arrays and long lists are summarised."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, cast

MAX_LENGTH = 119
"""Characters of a `repr`: a line of a terminal or notebook."""
MAX_TEXT_LENGTH = 40
MAX_ITEMS = 3
"""Number of items up to which a tuple, list or mapping is written out."""


def short_repr(instance: Any, **fields: Any) -> str:
    """Return the name of the class of an instance and its fields, in one line of at most 119 characters.

    Args:
        instance: instance of any class.
        fields: fields to name; by default those of a dataclass or NamedTuple that differ from their defaults.
    """
    shown = ", ".join(f"{name}={summarize(value)}" for name, value in (fields or _fields(instance)).items())
    return shortened(f"{type(instance).__name__}({shown})", MAX_LENGTH)


def summarize(value: Any) -> str:
    """Return a value in a few characters: an array as its dtype and shape, an image as its size and mode."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, str):
        return shortened(repr(value), MAX_TEXT_LENGTH)
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    if hasattr(value, "mode") and hasattr(value, "size"):  # an image of PIL
        return f"{value.width}×{value.height} {value.mode}"
    if isinstance(value, tuple | list | Mapping) and type(value) in (tuple, list, dict):
        return _summarize_items(cast("tuple[Any, ...]", value))
    return shortened(repr(value), MAX_LENGTH)


def shortened(text: str, max_length: int) -> str:
    """Return a text in one line, whose end is replaced by … if it is longer than `max_length` characters."""
    text = " ".join(text.split())
    return text if len(text) <= max_length else f"{text[: max_length - 1]}…"


def _fields(instance: Any) -> dict[str, Any]:
    """Return the fields of a dataclass or NamedTuple whose values differ from their defaults."""
    if dataclasses.is_dataclass(instance):
        values = {each.name: getattr(instance, each.name) for each in dataclasses.fields(instance) if each.repr}
        defaults = {each.name: each.default for each in dataclasses.fields(instance)}
    else:
        values, defaults = instance._asdict(), instance._field_defaults
    # Values of the same type only: an array cannot be compared with None.
    return {
        name: value
        for name, value in values.items()
        if name not in defaults or type(value) is not type(defaults[name]) or value != defaults[name]
    }


def _summarize_items(value: tuple[Any, ...] | list[Any] | dict[Any, Any]) -> str:
    opening, closing = {tuple: "()", list: "[]", dict: "{}"}[type(value)]
    if len(value) > MAX_ITEMS:
        return f"{opening}{len(value):,} items{closing}"
    if isinstance(value, dict):
        items = [f"{summarize(name)}: {summarize(each)}" for name, each in value.items()]
    else:
        items = [summarize(each) for each in value]
    return f"{opening}{', '.join(items)}{',' if isinstance(value, tuple) and len(value) == 1 else ''}{closing}"
