"""The fields that a request may have, and the values in what it gave: a JSON object or the parts of a form."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from http import HTTPStatus
from typing import Any, TypeAlias, cast

from photism.server.fields.schema import MAX_FILES, file_schema, schema, settings_fields
from photism.server.fields.upload import Upload
from photism.server.fields.values import shown, value_of_form, value_of_json
from photism.server.problems import Problem
from photism.settings import PEER_WORDS, declarations, field_name

URL_SCHEMES = ("http://", "https://")

FileSource: TypeAlias = Upload | str
"""A file of a form; or a text that stands for a file, base64 or a URL."""


@dataclass(frozen=True)
class FileField:
    """A recording of a request that is no setting.

    Attributes:
        description: one sentence that says what it is.
        is_required: whether a request must have it.
        is_list: whether there may be several.
        is_long: whether it may have the length that the server allows for long recordings; it is not decoded then.
    """

    description: str
    is_required: bool = True
    is_list: bool = False
    is_long: bool = False

    @property
    def allowed(self) -> str:
        """What the field may be, as the end of "must be …"."""
        return f"a list of at most {MAX_FILES} recording files" if self.is_list else "a recording file"


@dataclass(frozen=True)
class Values:
    """Values of settings, and files, by the names of their fields."""

    settings: dict[str, Any]
    files: dict[str, list[FileSource]]

    @property
    def names(self) -> Collection[str]:
        """Names of the fields that were given."""
        return {*self.settings, *self.files}


class FieldSet:
    """The fields of settings classes, and recordings that are no settings.

    Args:
        kinds: settings classes.
        files: recordings by the names of their fields.
        without: settings that are no fields here.

    Attributes:
        fields: fields of settings by their names.
        files: recordings by the names of their fields.
        names: names of fields by the names of settings.
        allowed: what settings may be, by their names.
        required: names of the fields that a request must have.
    """

    def __init__(self, kinds: Sequence[type], files: Mapping[str, FileField], *, without: Collection[str] = ()) -> None:
        found = [field for kind in kinds for field in settings_fields(kind) if field.setting not in without]
        names = [*(field.name for field in found), *files]
        if len(set(names)) < len(names):
            raise TypeError(f"fields must have different names: {', '.join(names)}")
        self.fields, self.files = {field.name: field for field in found}, dict(files)
        self.names = {name: field_name(name, each) for kind in kinds for name, each in declarations(kind).items()}
        self.allowed = {field.setting: field.allowed for field in found}
        self.required = [name for name, each in files.items() if each.is_required]
        self.required += [name for name, field in self.fields.items() if field.is_required]

    def schema(self, *, is_form: bool) -> dict[str, Any]:
        """Return the JSON schema of a form, or of a JSON object."""
        properties: dict[str, Any] = {}
        for name, each in self.files.items():
            whole = file_schema(is_list=each.is_list, is_form=is_form)
            properties[name] = {**whole, "description": each.description}
        properties |= {name: schema(field, is_form=is_form) for name, field in self.fields.items()}
        found: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
        return found | ({"required": self.required} if self.required else {})

    def of_json(self, body: Mapping[str, Any]) -> Values:
        """Return the values in a JSON object.

        Raises:
            Problem: a field is unknown or missing, or its value has another type.
            SettingError: a text does not name a value of its setting.
        """
        values = Values({}, {})
        for name, value in body.items():
            self._check_name(name)
            field = self.fields.get(name)
            if value is None and (field.is_nullable if field else not self.files[name].is_required):
                continue
            if field is not None and field.declaration.file is None:
                values.settings[name] = value_of_json(field, value)
                continue
            is_list = isinstance(value, list) and self._is_list(name)
            given: list[Any] = cast("list[Any]", value) if is_list else [value]
            wrong = [each for each in given if not isinstance(each, str)]
            if wrong:
                raise self._not_a_file(name, wrong[0])
            self._check_count(name, len(given))
            values.files[name] = list[FileSource](given)
        self._check_required(values)
        return values

    def of_form(self, parts: Sequence[tuple[str, FileSource]]) -> Values:
        """Return the values in the parts of a form, in which the name of a list may end with [].

        Raises:
            Problem: a field is unknown or missing, or its value cannot be converted.
            SettingError: a text does not name a value of its setting.
        """
        texts: dict[str, list[str]] = {}
        values = Values({}, {})
        for part, value in parts:
            name = self._without_brackets(part)
            self._check_name(name)
            if name in self.files or self.fields[name].declaration.file is not None:
                if isinstance(value, str) and not value.lower().startswith(URL_SCHEMES):
                    raise self._not_a_file(name, value)
                values.files.setdefault(name, []).append(value)
            elif isinstance(value, str):
                texts.setdefault(name, []).append(value)
            else:
                raise self._invalid(name, f"{name} must be {self.fields[name].allowed}; got a file")
        for name, found in values.files.items():
            self._check_count(name, len(found))
        for name, given in texts.items():
            values.settings[name] = value_of_form(self.fields[name], given)
        self._check_required(values)
        return values

    def _without_brackets(self, name: str) -> str:
        """Return the name of a list for that name followed by [], by which OpenAI's clients send its items."""
        plain = name.removesuffix("[]")
        found = self.fields.get(plain) or self.files.get(plain)
        return plain if found is not None and found.is_list else name

    def _check_name(self, name: str) -> None:
        """Refuse a field that there is not, with the one that takes its place."""
        if name in self.fields or name in self.files:
            return
        known = [*self.files, *self.fields]
        takes_place = self.names.get(PEER_WORDS.get(name, name))
        if takes_place not in known:
            takes_place = next(iter(get_close_matches(name, known, 1)), None)
        remedy = f"Send {takes_place} in its place." if takes_place else f"There are {', '.join(known)}."
        detail, field = f"there is no field {shown(name)}", shown(name).strip("'\"")
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "unknown-field", detail, field=field, remedy=remedy)

    def _check_count(self, name: str, count: int) -> None:
        """Refuse more files of a field than it takes, and none."""
        if not count or count > (MAX_FILES if self._is_list(name) else 1):
            wanted = f"1 to {MAX_FILES} times" if self._is_list(name) else "once"
            raise self._invalid(name, f"{name} must be given {wanted}; got it {count} times")

    def _is_list(self, name: str) -> bool:
        return self.files[name].is_list if name in self.files else self.fields[name].is_list

    def _check_required(self, values: Values) -> None:
        for name in self.required:
            if name not in values.names:
                raise Problem(
                    HTTPStatus.UNPROCESSABLE_ENTITY,
                    "missing-field",
                    f"{name} is missing",
                    field=name,
                    allowed=self._allowed(name),
                    remedy=f"Send {name}, {self._allowed(name)}.",
                )

    def _allowed(self, name: str) -> str:
        return self.files[name].allowed if name in self.files else self.fields[name].allowed

    def _not_a_file(self, name: str, value: Any) -> Problem:
        return self._invalid(
            name,
            f"{name} must be {self._allowed(name)}; got {shown(value)}",
            f"Send it as multipart/form-data, such as curl -F {name}=@FILE, or as base64 in JSON.",
        )

    def _invalid(self, name: str, detail: str, remedy: str | None = None) -> Problem:
        status, allowed = HTTPStatus.UNPROCESSABLE_ENTITY, self._allowed(name)
        return Problem(status, "invalid-field", detail, field=name, allowed=allowed, remedy=remedy)
