"""Values of fields: JSON, which is strict about types, and the texts of a form, which are converted."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from photism.errors import InputError
from photism.server.fields.schema import MAX_CHARACTERS, MAX_ITEMS, Field
from photism.server.problems import Problem
from photism.settings import SettingError

SURROGATE = re.compile("[\ud800-\udfff]")
"""What JSON can write and no text in UTF-8 holds."""
WHOLE_NUMBER = re.compile(r"[+-]?\d{1,40}")
TRUE, FALSE = ("true", "1", "on", "yes"), ("false", "0", "off", "no")
SHOWN_CHARACTERS = 60
"""Longest value that an error message quotes in full."""
WRONG = object()
"""In place of a value that is not of a type."""


def value_of_json(field: Field, value: Any) -> Any:
    """Return the value of a setting from a value of JSON.

    Raises:
        Problem: it is not of the field's type.
    """
    if field.is_list:
        if not isinstance(value, list):
            raise wrong_value(field, value)
        return _parsed(field, _items(field, value, _of_json))
    return _parsed(field, _single(field, value, _of_json))


def value_of_form(field: Field, texts: Sequence[str]) -> Any:
    """Return the value of a setting from the texts of a form's fields of its name.

    Raises:
        Problem: a text cannot be converted to the field's type, or there are several and the field is not a list.
    """
    if field.is_list:
        return _parsed(field, _items(field, texts, _of_text))
    if len(texts) != 1:
        raise _invalid(field, f"must be given once; got it {len(texts)} times", f"Send {field.name} once.")
    return _parsed(field, _single(field, texts[0], _of_text))


def wrong_value(field: Field, value: Any) -> Problem:
    """Return the problem of a value that is not of a field's type."""
    problem, remedy = f"must be {field.allowed}; got {shown(value)}", f"Send {field.name} as {field.allowed}."
    return _invalid(field, problem, remedy, field.declaration.bounds)


def _invalid(field: Field, problem: str, remedy: str, values: Mapping[str, float] | None = None) -> Problem:
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid-field",
        f"{field.name} {problem}",
        field=field.name,
        allowed=field.allowed,
        remedy=remedy,
        values=values,
    )


def shown(value: Any) -> str:
    """Return a value of JSON as an error message quotes it."""
    if value is None:
        return "null"
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and value.bit_length() > 3 * SHOWN_CHARACTERS:
        return "a number with many digits"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 1]}…"


def _items(field: Field, values: Sequence[Any], convert: Callable[[Any, type], Any]) -> list[Any]:
    """Return the items of a list that is not too long."""
    if len(values) > MAX_ITEMS:
        raise _invalid(field, f"must have at most {MAX_ITEMS} items; got {len(values)}", "Send fewer items.")
    return [_single(field, each, convert) for each in values]


def _single(field: Field, value: Any, convert: Callable[[Any, type], Any]) -> Any:
    """Return a value of the first type of a field that it can be converted to."""
    for type_ in field.types:
        converted = convert(value, type_)
        if converted is WRONG:
            continue
        if isinstance(converted, str) and SURROGATE.search(converted):
            raise _invalid(field, "must be valid Unicode; got half of a surrogate pair", "Send valid Unicode.")
        if isinstance(converted, str) and len(converted) > MAX_CHARACTERS:
            problem = f"must have at most {MAX_CHARACTERS} characters; got {len(converted)}"
            raise _invalid(field, problem, "Send a shorter text.")
        if not field.declaration.allows(converted):
            raise wrong_value(field, value)
        return converted
    raise wrong_value(field, value)


def _of_json(value: Any, type_: type) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if type_ is float and is_number:
        return _finite(value)
    if type_ is int and isinstance(value, float) and value.is_integer():
        return int(value)  # 1.0 is an integer in JSON Schema
    return value if type(value) is type_ else WRONG


def _of_text(text: str, type_: type) -> Any:
    if type_ is bool:
        word = text.strip().lower()
        return True if word in TRUE else False if word in FALSE else WRONG
    if type_ is int:
        return int(text) if WHOLE_NUMBER.fullmatch(text.strip()) else WRONG
    if type_ is float:
        return _finite(text)
    return text


def _finite(value: str | float) -> Any:
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return WRONG
    return number if math.isfinite(number) else WRONG


def _parsed(field: Field, value: Any) -> Any:
    """Return what a setting's own function makes of a value: of a text, or of a list."""
    parse = field.declaration.parse_field or field.declaration.parse
    if parse is None or not isinstance(value, str | list):
        return tuple(value) if isinstance(value, list) else value
    try:
        return parse(value)
    except InputError:
        raise
    except ValueError as error:
        raise SettingError(field.setting, str(error)) from error
