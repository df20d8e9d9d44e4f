"""The settings of a training, a frozen dataclass of them: from YAML, from flags, or from Python."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_type_hints

from photism.errors import InputError

Settings = TypeVar("Settings")


def setting(default: Any, help: str) -> Any:
    """A field of such a dataclass; its help is that of its flag."""
    return field(default=default, metadata={"help": help})


def check(settings: Any, name: str, works: bool, allowed: str) -> None:
    """Raises InputError where a field does not work: what is allowed, and what it is."""
    if not works:
        raise InputError(f"{name} must be {allowed}; got {getattr(settings, name)!r}")


def check_library(name: str, user: str) -> None:
    """See whether a library is there, before the sounds are read for what needs it.

    Raises:
        InputError: it is not installed.
    """
    if find_spec(name) is None:
        raise InputError(f"{user} needs {name}: pip install 'photism[train]'")


def check_training(settings: Any) -> None:
    """Of the fields that the settings of every training have.

    Raises:
        InputError: one has a value that cannot be.
    """
    value = partial(getattr, settings)
    check(settings, "data", bool(settings.data), "named")
    check(settings, "output", bool(settings.output), "a folder")
    for name in ("max_unreadable", "warmup_share"):
        check(settings, name, 0 <= value(name) <= 1, "from 0 to 1")
    for name in ("validation_share", "ema_decay"):
        check(settings, name, 0 <= value(name) < 1, "from 0 to below 1")
    for name in ("max_duration_s", "chunk_s", "learning_rate", "max_grad_norm", "epochs"):
        check(settings, name, 0 < value(name) < float("inf"), "above 0")
    for name in ("weight_decay", "checkpoint_every_s"):
        check(settings, name, 0 <= value(name) < float("inf"), "0 or more")
    check(settings, "layer_decay", 0 < settings.layer_decay <= 1, "above 0, at most 1")
    for name in ("evaluate_every", "validation_clips", "keep_checkpoints"):
        check(settings, name, value(name) >= 1, "at least 1")
    for name in ("lora_rank", "seed"):
        check(settings, name, value(name) >= 0, "0 or more")
    check(settings, "limit", settings.limit is None or settings.limit >= 2, "at least 2")
    check(settings, "frozen_layers", settings.frozen_layers >= -1, "0 or more, or -1")
    check(settings, "precision", settings.precision in ("bf16", "fp32"), "bf16 or fp32")
    is_frozen = settings.frozen_layers == -1
    check(settings, "lora_rank", not (settings.lora_rank and is_frozen), "0 where the whole encoder is frozen")
    if settings.lora_rank:
        check_library("peft", "lora_rank")


def read_settings(kind: type[Settings], path: Path | None, given: Mapping[str, Any]) -> Settings:
    """Settings from a YAML file, where there is one, and what is given beside it.

    Args:
        kind: dataclass of the settings.
        path: of a mapping of its fields.
        given: fields that go before those of the file.

    Raises:
        InputError: the file is no mapping, has a field that there is not, or a value of another type.
    """
    values: dict[str, Any] = {} if path is None else _read_yaml(path)
    types = get_type_hints(kind)
    for name, value in values.items():
        if name not in types:
            raise InputError(f"{path} must hold settings of this training; there is none of the name {name!r}")
        values[name] = _of_type(name, value, types[name])
    return kind(**{**values, **given})


def write_settings(settings: Any, path: Path) -> None:
    """As YAML, in the order of the fields."""
    import yaml

    path.write_text(yaml.safe_dump(dataclasses.asdict(settings), sort_keys=False, allow_unicode=True), encoding="utf8")


def differences(one: Any, other: Any, *, running: frozenset[str]) -> list[str]:
    """What a resumed training must not change, and that does: "name: one value, other value".

    Args:
        one: settings of a kind.
        other: likewise.
        running: fields that may differ.
    """
    pairs = [
        (item.name, getattr(one, item.name), getattr(other, item.name))
        for item in dataclasses.fields(one)
        if item.name not in running
    ]
    return [f"{name}: {before}, {after}" for name, before, after in pairs if before != after]


def _read_yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        values: Any = yaml.safe_load(path.read_text(encoding="utf8"))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} must be YAML: {error}") from None
    if not isinstance(values, Mapping):
        raise InputError(f"{path} must be a mapping of settings; it is not")
    return dict(values)


def _of_type(name: str, value: Any, type_: Any) -> Any:
    """As the type says; YAML takes 1e-4 for a text."""
    options: tuple[Any, ...] = get_args(type_) if isinstance(type_, UnionType) else (type_,)
    if value is None:
        if type(None) in options:
            return None
        raise InputError(f"{name} must have a value")
    wanted: Any = next(option for option in options if option is not type(None))
    if wanted is float and not isinstance(value, bool):
        try:
            return float(value)
        except (TypeError, ValueError):
            pass
    elif type(value) is wanted:
        return value
    raise InputError(f"{name} must be of type {wanted.__name__}; got {value!r}")
