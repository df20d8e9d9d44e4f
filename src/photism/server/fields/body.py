"""The body of a request: settings and files, as a multipart form or as JSON with files in base64."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from http import HTTPStatus
from typing import Any, TypeVar, cast

from starlette.requests import Request

from photism.audio.reading_settings import ReadingSettings
from photism.audio.sources import SoundFile
from photism.errors import InputError
from photism.server.fields.schema import Field, field_name, fields_of, file_schema, schema
from photism.server.fields.sounds import RequestReader
from photism.server.fields.upload import Upload, Uploads, read_form, read_json
from photism.server.fields.values import form_value, json_value, shown
from photism.server.problems import Problem, problem_of
from photism.settings import PEER_WORDS, declarations, setting, settings

Settings = TypeVar("Settings")
MULTIPART, JSON = "multipart/form-data", "application/json"


@settings
class ModelChoice:
    """Choice of a model."""

    model: str | None = setting(None, "Name of a model, as /v1/models lists them. Default: the first of its kind.")


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


@dataclass(frozen=True)
class Given:
    """What a request has given, checked.

    Attributes:
        sounds: recordings by the names of file fields; a field that is not given has none.
        filenames: what the client calls its files, by the names of fields.
        model: name of the model; None for the first of its kind.
        fields: names of the fields that were given.
    """

    sounds: Mapping[str, tuple[SoundFile, ...]]
    filenames: Mapping[str, str]
    model: str | None
    fields: frozenset[str]
    _settings: Mapping[type, Any]

    def settings(self, kind: type[Settings]) -> Settings:
        """Return the settings of a class of the request's body."""
        return cast("Settings", self._settings[kind])

    @property
    def sound(self) -> SoundFile:
        """The recording of a body with one."""
        return next(sound for sounds in self.sounds.values() for sound in sounds)


class RequestBody:
    """What the body of a request may have: the fields of settings classes, files, and the name of a model.

    Args:
        kinds: settings classes.
        files: recordings that are no settings, by the names of their fields.
        has_model: whether the request may name a model.
    """

    def __init__(self, *kinds: type, files: Mapping[str, FileField] | None = None, has_model: bool = True) -> None:
        self.kinds = (*kinds, *((ModelChoice,) if has_model else ()))
        self.files = dict(files or {})
        found = [field for kind in self.kinds for field in fields_of(kind)]
        self.fields = {field.name: field for field in found}
        names = [*(field.name for field in found), *self.files]
        if len(set(names)) < len(names):
            raise TypeError(f"fields must have different names: {', '.join(names)}")
        declared = [each for kind in self.kinds for each in declarations(kind).items()]
        self.names = {name: field_name(name, each) for name, each in declared}
        self.allowed = {field.setting: field.allowed for field in found}

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI description of the body, for `openapi_extra` of a route."""
        content = {
            media_type: {"schema": self._schema(is_form=media_type == MULTIPART)} for media_type in (MULTIPART, JSON)
        }
        return {"requestBody": {"required": bool(self._required), "content": content}}

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncGenerator[Given]:
        """Read and check the body of a request; its files are removed at the end of the block.

        Raises:
            Problem: the body is malformed or too large, or a field or file cannot be used.
        """
        reader: RequestReader = request.app.state.request_reader
        request.state.fields = (self.names, self.allowed)
        uploads = Uploads(reader.folder, reader.max_bytes)
        try:
            yield await self._read(request, reader, uploads)
        finally:
            uploads.remove()

    async def _read(self, request: Request, reader: RequestReader, uploads: Uploads) -> Given:
        values, files = await self._values(request, reader, uploads)
        for name in self._required:
            if name not in values and name not in files:
                allowed = self.fields[name].allowed if name in self.fields else "a recording file"
                raise Problem(
                    HTTPStatus.UNPROCESSABLE_ENTITY,
                    "missing-field",
                    f"{name} is missing",
                    field=name,
                    allowed=allowed,
                    remedy=f"Send {name}, {allowed}.",
                )
        try:
            reading = self._make(ReadingSettings, values) if ReadingSettings in self.kinds else ReadingSettings()
            sounds: dict[str, tuple[SoundFile, ...]] = {}
            for name, declared in self.files.items():
                found = [
                    await reader.read_sound(name, each, reading, is_long=declared.is_long)
                    for each in files.get(name, [])
                ]
                sounds[name] = tuple(found)
            for name, field in self.fields.items():
                if field.declaration.file is not None and name in files:
                    values[name] = await self._read_files(field, files[name], reader, reading)
            made = {kind: self._make(kind, values) for kind in self.kinds}
        except InputError as error:
            raise problem_of(error, self.names, self.allowed) from error
        filenames = {name: each.filename for name, found in files.items() for each in found if each.filename}
        model = made[ModelChoice].model if ModelChoice in made else None
        return Given(sounds, filenames, model, frozenset({*values, *files}), made)

    async def _values(
        self, request: Request, reader: RequestReader, uploads: Uploads
    ) -> tuple[dict[str, Any], dict[str, list[Upload]]]:
        """Return the values of settings, and the files, by the names of their fields."""
        from python_multipart.multipart import parse_options_header

        media_type, options = parse_options_header(request.headers.get("content-type", ""))
        try:
            if media_type == MULTIPART.encode():
                if not options.get(b"boundary"):
                    raise Problem(HTTPStatus.BAD_REQUEST, "invalid-body", "the form has no boundary")
                parts = await read_form(request, options[b"boundary"], uploads)
                return await self._form_values(parts, reader, uploads)
            if media_type == JSON.encode():
                return await self._json_values(await read_json(request, reader.max_bytes), reader, uploads)
        except InputError as error:
            raise problem_of(error, self.names, self.allowed) from error
        allowed = f"{MULTIPART} or {JSON}"
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            f"the body must be {allowed}",
            allowed=allowed,
            remedy=f"Set the header Content-Type, and send the body as {allowed}.",
            headers={"Accept-Post": f"{MULTIPART}, {JSON}"},
        )

    async def _form_values(
        self, parts: list[tuple[str, str | Upload]], reader: RequestReader, uploads: Uploads
    ) -> tuple[dict[str, Any], dict[str, list[Upload]]]:
        texts: dict[str, list[str]] = {}
        files: dict[str, list[Upload]] = {}
        for name, value in parts:
            self._check_name(name)
            if self._is_file(name):
                if isinstance(value, str) and not value.lower().startswith(("http://", "https://")):
                    raise self._not_a_file(name, value)
                upload = await reader.save_text(name, value, uploads) if isinstance(value, str) else value
                files.setdefault(name, []).append(upload)
            elif isinstance(value, str):
                texts.setdefault(name, []).append(value)
            else:
                raise self._invalid(name, f"{name} must be {self.fields[name].allowed}; got a file")
        for name, found in files.items():
            self._check_count(name, len(found))
        return {name: form_value(self.fields[name], found) for name, found in texts.items()}, files

    async def _json_values(
        self, body: Mapping[str, Any], reader: RequestReader, uploads: Uploads
    ) -> tuple[dict[str, Any], dict[str, list[Upload]]]:
        values: dict[str, Any] = {}
        files: dict[str, list[Upload]] = {}
        for name, value in body.items():
            self._check_name(name)
            field = self.fields.get(name)
            if value is None and (field.is_nullable if field else not self.files[name].is_required):
                continue
            if not self._is_file(name):
                values[name] = json_value(self.fields[name], value)
                continue
            texts = cast("list[Any]", value) if isinstance(value, list) else [value]
            self._check_count(name, len(texts))
            files[name] = []
            for each in texts:
                if not isinstance(each, str):
                    raise self._not_a_file(name, each)
                files[name].append(await reader.save_text(name, each, uploads))
        return values, files

    async def _read_files(
        self, field: Field, found: list[Upload], reader: RequestReader, reading: ReadingSettings
    ) -> Any:
        """Return the value of a setting that holds a file."""
        if field.declaration.file == "recording":
            read: list[Any] = [await reader.read_sound(field.name, each, reading) for each in found]
        else:
            read = [await reader.read_image(field.name, each) for each in found]
        parse = field.declaration.parse
        return parse(read) if field.is_list and parse else read[0]

    def _make(self, kind: type[Settings], values: Mapping[str, Any]) -> Settings:
        """Make the settings of a class."""
        own = (field for field in self.fields.values() if field.kind is kind and field.name in values)
        return kind(**{field.setting: values[field.name] for field in own})

    @property
    def _required(self) -> list[str]:
        files = [name for name, each in self.files.items() if each.is_required]
        return [*files, *(name for name, field in self.fields.items() if field.is_required)]

    def _is_file(self, name: str) -> bool:
        return name in self.files or self.fields[name].declaration.file is not None

    def _check_name(self, name: str) -> None:
        """Refuse a field that there is not, with the one that takes its place."""
        if name in self.fields or name in self.files:
            return
        known = [*self.files, *self.fields]
        takes_place = self.names.get(PEER_WORDS.get(name, name))
        if takes_place not in known:
            takes_place = next(iter(get_close_matches(name, known, 1)), None)
        remedy = f"Send {takes_place} in its place." if takes_place else f"There are {', '.join(known)}."
        detail = f"there is no field {shown(name)}"
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "unknown-field", detail, field=name[:60], remedy=remedy)

    def _check_count(self, name: str, count: int) -> None:
        """Refuse several files of a field that takes one, and none."""
        is_list = self.files[name].is_list if name in self.files else self.fields[name].is_list
        if not count or (count > 1 and not is_list):
            raise self._invalid(name, f"{name} must be given once; got it {count} times")

    def _not_a_file(self, name: str, value: Any) -> Problem:
        return self._invalid(
            name,
            f"{name} must be a file; got {shown(value)}",
            f"Send it as multipart/form-data, such as curl -F {name}=@recording.ogg, or as base64 in JSON.",
        )

    def _invalid(self, name: str, detail: str, remedy: str | None = None) -> Problem:
        allowed = self.fields[name].allowed if name in self.fields else "a recording file"
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return Problem(status, "invalid-field", detail, field=name, allowed=allowed, remedy=remedy)

    def _schema(self, *, is_form: bool) -> dict[str, Any]:
        properties: dict[str, Any] = {}
        for name, each in self.files.items():
            one = file_schema("recording", is_form=is_form)
            properties[name] = {
                **({"type": "array", "items": one} if each.is_list else one),
                "description": each.description,
            }
        properties |= {name: schema(field, is_form=is_form) for name, field in self.fields.items()}
        found: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
        return found | ({"required": self._required} if self._required else {})
