"""Fields of a request, derived from the declarations of settings: their names, types, bounds and JSON schemas."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from photism.settings import REQUIRED, Declaration, declarations, field_name, value_type

MAX_CHARACTERS = 4096
"""Longest text."""
MAX_FILES = 16
"""Most files of one field."""
MAX_ITEMS = 1000
"""Longest list of texts or numbers."""
JSON_TYPES: dict[type, str] = {bool: "boolean", int: "integer", float: "number", str: "string"}
WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
NUMBERS = (int, float)


@dataclass(frozen=True)
class Field:
    """A setting that a request may have.

    Attributes:
        name: in requests: that of the flag, with underscores.
        setting: name of the setting.
        kind: settings class.
        declaration: what is declared of the setting, with the bounds of requests.
        default: its default; `REQUIRED` if it has none.
        types: types of a single value in JSON: some of bool, int, float and str.
        is_list: whether the value is a list of these.
        is_nullable: whether null stands for no value.
    """

    name: str
    setting: str
    kind: type
    declaration: Declaration
    default: Any
    types: tuple[type, ...]
    is_list: bool
    is_nullable: bool

    @property
    def is_required(self) -> bool:
        """Whether a request must have it."""
        return self.default is REQUIRED

    @property
    def allowed(self) -> str:
        """What the value may be, as the end of "must be …"."""
        declared = self.declaration
        if declared.choices is not None:
            return declared.allowed
        if declared.file is not None:
            return f"{_article(declared.file)} file"
        one = " or ".join(WORDS[each] for each in self.types)
        bounds = (declared.minimum, declared.above, declared.maximum, declared.below)
        if any(bound is not None for bound in bounds):
            one += f", {declared.allowed}"
        return f"a list, each {one}" if self.is_list else one


def settings_fields(kind: type) -> list[Field]:
    """Return the fields of a settings class, in the order of its settings.

    Raises:
        TypeError: a setting that is a field has a type that requests cannot have.
    """
    types = get_type_hints(kind)
    defaults = {each.name: each.default for each in dataclasses.fields(kind)}
    found: list[Field] = []
    for name, declared in declarations(kind).items():
        if not (declared.is_flag if declared.is_field is None else declared.is_field):
            continue
        wanted = value_type(types[name])
        is_list = isinstance(origin := get_origin(wanted), type) and issubclass(origin, Sequence)
        of_item = get_args(wanted)[0] if is_list else wanted
        options = _options(types[name]) if declared.parse and not is_list else (of_item,)
        scalars = (str,) if declared.file else _scalars(options, declared)
        if not scalars:
            raise TypeError(f"{kind.__name__}.{name} cannot be a field of a request: {types[name]}")
        found.append(
            Field(
                name=field_name(name, declared),
                setting=name,
                kind=kind,
                declaration=_within_requests(declared),
                default=defaults[name],
                types=scalars,
                is_list=is_list,
                is_nullable=type(None) in _options(types[name]),
            )
        )
    return found


def _within_requests(declared: Declaration) -> Declaration:
    """Return a declaration with the bounds of requests."""
    lower = {} if declared.field_minimum is None else {"minimum": declared.field_minimum, "above": None}
    upper = {} if declared.field_maximum is None else {"maximum": declared.field_maximum, "below": None}
    return dataclasses.replace(declared, **lower, **upper)


def schema(field: Field, *, is_form: bool) -> dict[str, Any]:
    """Return the JSON schema of a field.

    Args:
        field: the field.
        is_form: of a form, in which files are parts and null does not exist; otherwise of JSON.
    """
    declared = field.declaration
    whole: dict[str, Any]
    if declared.file is not None:
        whole = file_schema(is_list=field.is_list, is_form=is_form)
    else:
        one = _value_schema(field)
        least = {"minItems": 1} if field.is_required else {}  # an empty list has no part of a form
        whole = {"type": "array", "items": one, **least, "maxItems": MAX_ITEMS} if field.is_list else one
    if field.is_nullable and not is_form:
        whole = {"anyOf": [whole, {"type": "null"}]}
    unit = f" ({declared.unit})" if declared.unit else ""
    whole["description"] = f"{declared.description}{unit}"
    if field.default not in (None, REQUIRED, ()):
        whole["default"] = field.default
    return whole


def file_schema(*, is_list: bool, is_form: bool) -> dict[str, Any]:
    """Return the JSON schema of a file, or of several: parts of a form, or base64 in JSON, where one may be no list."""
    if is_form:
        one = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
    else:
        one = {"type": "string", "format": "byte", "contentEncoding": "base64", "minLength": 1}
    if not is_list:
        return one
    whole = {"type": "array", "items": one, "minItems": 1, "maxItems": MAX_FILES}
    return whole if is_form else {"anyOf": [one, whole]}


def _value_schema(field: Field) -> dict[str, Any]:
    """Return the JSON schema of a single value, with its bounds or choices."""
    declared = field.declaration
    names = sorted(JSON_TYPES[each] for each in field.types)
    found: dict[str, Any] = {"type": names[0] if len(names) == 1 else names}
    if declared.choices is not None:
        found["enum"] = list(declared.choices)
    elif str in field.types:
        found["maxLength"] = MAX_CHARACTERS
    if any(each in NUMBERS for each in field.types):
        found |= declared.bounds
    return found


def _options(declared: Any) -> tuple[Any, ...]:
    return get_args(declared) if get_origin(declared) in (UnionType, Union) else (declared,)


def _scalars(options: tuple[Any, ...], declared: Declaration) -> tuple[type, ...]:
    """Return the JSON types among types; a text, if there is none of them and a text is parsed."""
    found = [str if get_origin(option) is Literal else option for option in options]
    scalars = tuple(dict.fromkeys(each for each in found if each in JSON_TYPES))
    return scalars or ((str,) if declared.parse else ())


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
