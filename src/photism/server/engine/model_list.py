"""Models that `photism serve` is given besides the bundled ones: a YAML file of models, and checkpoints by name.

    letters:
      model: facebook/wav2vec2-base-960h
      dtype: float16
    night:
      kind: drawing
      model: trained/night
      lora: [ink.safetensors:0.7]

Other keys than `kind` are settings of that kind's class, under their names in Python. Without `kind`, it is the kind of
the checkpoint; a checkpoint of several kinds is used as all of those that have the settings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from photism.errors import InputError
from photism.server.engine.checkpoint_kinds import check_location, checkpoint_kinds
from photism.server.engine.entries import BUNDLED, ModelEntry
from photism.server.engine.kinds import KINDS
from photism.server.settings import ModelsSettings
from photism.settings import SettingError, converted_values, declarations, make_settings, read_yaml

KIND = "kind"
NAME = re.compile(r"[A-Za-z0-9][\w.:+-]*(/[\w.:+-]+)*")
NAME_RULE = "with letters, digits and the signs . : + - _ /"


def read_entries(given: ModelsSettings) -> tuple[ModelEntry, ...]:
    """Read the models that a server is given, without loading any.

    Args:
        given: file of models, and checkpoints by name.

    Raises:
        InputError: the file, a name, a checkpoint or a setting cannot be used.
    """
    return (*_from_file(given.models), *(each for text in given.add for each in _from_flag(text)))


def _from_flag(text: str) -> Iterator[ModelEntry]:
    """Yield the models of a text NAME=FOLDER|ID."""
    name, _, model = text.partition("=")
    if not NAME.fullmatch(name) or not model:
        raise SettingError("add", f"must be NAME=FOLDER or NAME=ID, a name {NAME_RULE}; got {text}")
    try:
        kinds = checkpoint_kinds(model)
    except InputError as error:
        raise SettingError("add", f"{text}: {error}") from error
    for kind in kinds:
        yield ModelEntry(name, kind, KINDS[kind].settings(model=_located(model)))


def _from_file(path: Path | None) -> Iterator[ModelEntry]:
    """Yield the models of a YAML file."""
    for name, values in ({} if path is None else read_yaml(path)).items():
        source = f"{path}: {name}"
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise InputError(f"{path} must name its models {NAME_RULE}; got {name!r}")
        if not isinstance(values, Mapping):
            raise InputError(f"{source} must be a mapping from names of settings to values; got {values!r:.60}")
        try:
            yield from _from_mapping(name, cast("Mapping[str, Any]", values), source)
        except SettingError as error:
            raise InputError(f"{source}: {error}") from error


def _from_mapping(name: str, given: Mapping[str, Any], source: str) -> Iterator[ModelEntry]:
    """Yield the models that the value of a name in the file describes."""
    model, kind = given.get("model"), given.get(KIND)
    if not isinstance(model, str | None):
        raise SettingError("model", f"must be a folder or hub id; got {model!r:.60}")
    if kind is not None and kind not in KINDS:
        raise SettingError(KIND, f"must be one of {', '.join(KINDS)}; got {kind!r:.60}")
    if model is None and kind not in BUNDLED:
        raise SettingError("model", "is missing: give a folder or hub id")
    if model is not None and kind is not None:
        check_location(model)
    values = {key: value for key, value in given.items() if key != KIND}
    values |= {} if model is None else {"model": _located(model)}
    main, *others = [kind] if kind is not None else checkpoint_kinds(str(model))
    yield _entry(name, main, values, source)
    for each in others:
        if values.keys() <= declarations(KINDS[each].settings).keys():
            yield _entry(name, each, values, source)


def _entry(name: str, kind: str, values: Mapping[str, Any], source: str) -> ModelEntry:
    class_ = KINDS[kind].settings
    parsed = dict(values)
    for key, declared in declarations(class_).items():
        if declared.parse is not None and _is_text(value := values.get(key)):
            parsed[key] = declared.parse([value] if isinstance(value, str) else value)
    return ModelEntry(name, kind, make_settings(class_, converted_values(class_, parsed, source)))


def _located(model: str) -> str:
    """Return the absolute path of a folder, which answers do not show, and a hub id as it is."""
    return str(Path(model).resolve()) if Path(model).is_dir() else model


def _is_text(value: Any) -> bool:
    """Return whether a value is a text, or a list of texts, as a flag that may be given several times takes them."""
    texts: Any = [value] if isinstance(value, str) else value
    return isinstance(texts, list) and all(isinstance(each, str) for each in texts)
