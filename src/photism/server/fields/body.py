"""The body of a request: settings and files, as a multipart form or as JSON with files in base64.

BODY = RequestBody(
    LabelSettings, ReadingSettings, model="classifier", files={"file": FileField("Recording to classify.")}
)

@router.post("/v1/label", openapi_extra=BODY.openapi())
async def label(request: Request) -> Response:
    async with BODY.read(request) as given:
        settings, sound = given.settings(LabelSettings), given.sound
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar, cast

from starlette.requests import HTTPConnection, Request

from photism.audio.reading_settings import ReadingSettings
from photism.audio.sources import SoundFile
from photism.errors import InputError
from photism.server.disconnect import until_closed
from photism.server.fields.field_set import FieldSet, FileField, Values
from photism.server.fields.form import read_form
from photism.server.fields.json_body import read_json
from photism.server.fields.reader import RequestReader
from photism.server.fields.schema import Field
from photism.server.fields.upload import Upload, Uploads
from photism.server.media_types import JSON, MULTIPART
from photism.server.problems import Problem, problem_for
from photism.server.services import services_of
from photism.settings import setting, settings

if TYPE_CHECKING:
    from photism.server.engine.entries import ModelEntry

Settings = TypeVar("Settings")
WAV_HEADER = b"RIFF\x18\2\0\0WAVEfmt \x10\0\0\0\1\0\1\0\xe8\3\0\0\xe8\3\0\0\1\0\x08\0data\xf4\1\0\0"
EXAMPLE_RECORDING = b64encode(WAV_HEADER + b"\x40\x80\xc0\x80" * 125).decode()
"""Half a second of a tone of 250 Hz."""


@settings
class ModelChoice:
    """Choice of a model."""

    model: str | None = setting(None, "Name of a model, as /v1/models lists them. Default: the first of its kind.")


@dataclass(frozen=True)
class Given:
    """What a request has given, checked.

    Attributes:
        sounds: recordings by the names of file fields; a field that is not given has none.
        filenames: what the client calls its files, without folders, by the names of fields and in their order; by
            default the name of the field.
    """

    sounds: Mapping[str, tuple[SoundFile, ...]]
    filenames: Mapping[str, tuple[str, ...]]
    _model: ModelEntry | None
    _settings: Mapping[type, Any]

    def settings(self, kind: type[Settings]) -> Settings:
        """Return the settings of a class of the request's body."""
        return cast("Settings", self._settings[kind])

    @property
    def model(self) -> ModelEntry:
        """The model that the request names, or the first of its kind."""
        if self._model is None:
            raise RuntimeError("this body names no model")
        return self._model

    @property
    def sound(self) -> SoundFile:
        """The recording of a body with one."""
        return next(sound for sounds in self.sounds.values() for sound in sounds)


class RequestBody:
    """What the body of a request may have: the fields of settings classes, files, and perhaps the name of a model.

    Args:
        kinds: settings classes.
        model: kind of the model that the request may name; None for work without a model.
        files: recordings that are no settings, by the names of their fields.
        without: settings of these classes that the request cannot set.
        example: values of an example of the body, besides its required recordings.
    """

    def __init__(
        self,
        *kinds: type,
        model: str | None,
        files: Mapping[str, FileField] | None = None,
        without: Collection[str] = (),
        example: Mapping[str, Any] | None = None,
    ) -> None:
        self._example = dict(example or {})
        self.kinds, self._model_kind = (*kinds, ModelChoice) if model else kinds, model
        self.fields = FieldSet(self.kinds, files or {}, without=without)

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI description of the body, for `openapi_extra` of a route."""
        forms = {MULTIPART: True, JSON: False}
        content = {media_type: {"schema": self.fields.schema(is_form=is_form)} for media_type, is_form in forms.items()}
        required = (name for name, field in self.fields.files.items() if field.is_required)
        content[JSON]["example"] = dict.fromkeys(required, EXAMPLE_RECORDING) | self._example
        return {"requestBody": {"required": True, "content": content}}

    def check(self, connection: HTTPConnection, body: Mapping[str, Any]) -> Given:
        """Check a JSON object without files, such as the first message of a WebSocket.

        Raises:
            Problem: a field cannot be used, or is a file, or there is no such model.
        """
        self._name_fields(connection)
        try:
            values = self.fields.of_json(body)
            for name in values.files:
                status = HTTPStatus.UNPROCESSABLE_ENTITY
                raise Problem(status, "invalid-field", f"{name} is a file, which cannot be sent here", field=name)
            made = {kind: self._make(kind, values.settings) for kind in self.kinds}
        except InputError as error:
            raise problem_for(connection, error) from error
        return Given({}, {}, self._model(connection, values), made)

    @asynccontextmanager
    async def read(self, request: Request, check: Callable[[Given], None] | None = None) -> AsyncGenerator[Given]:
        """Read and check the body of a request; its files are removed at the end of the block.

        Args:
            request: the request.
            check: checks what is given before its recordings are decoded, which may take long.

        Raises:
            Problem: the body is malformed or too large, a field or file cannot be used, or there is no such model.
        """
        reader = services_of(request).reader
        self._name_fields(request)
        uploads = reader.uploads()
        try:
            try:
                given = await self._read(request, reader, uploads, check)
            except InputError as error:
                raise problem_for(request, error) from error
            yield given
        finally:
            uploads.remove()

    async def _read(
        self, request: Request, reader: RequestReader, uploads: Uploads, check: Callable[[Given], None] | None
    ) -> Given:
        client = request.state.client
        values = await self._values(request, reader, uploads, client)
        return await until_closed(request, self._decode(request, values, reader, uploads, client, check))

    async def _decode(
        self,
        request: Request,
        values: Values,
        reader: RequestReader,
        uploads: Uploads,
        client: str,
        check: Callable[[Given], None] | None,
    ) -> Given:
        """Check the settings of a request, and decode its files."""
        model = self._model(request, values)
        has_reading = ReadingSettings in self.kinds
        reading = self._make(ReadingSettings, values.settings) if has_reading else ReadingSettings()
        saved: dict[str, list[Upload]] = {}
        for name, found in values.files.items():  # Python 3.10 has no await in a comprehension within another one
            saved[name] = [await reader.save(name, each, uploads, client) for each in found]
        for name in saved.keys() & self.fields.fields.keys():
            field = self.fields.fields[name]
            values.settings[name] = await _read_files(field, saved[name], reader, reading, uploads, client)
        made = {kind: self._make(kind, values.settings) for kind in self.kinds}
        filenames = {name: tuple(each.filename or name for each in found) for name, found in saved.items()}
        given = Given({}, filenames, model, made)
        if check is not None:
            check(given)
        sounds: dict[str, tuple[SoundFile, ...]] = {}
        for name, field in self.fields.files.items():
            read = partial(reader.read_sound, name, reading=reading, client=client, is_long=field.is_long)
            sounds[name] = tuple([await read(upload=each) for each in saved.get(name, [])])
        of_sounds = [sound.measured_s or 0.0 for found in sounds.values() for sound in found]
        request.state.audio_s = sum(of_sounds)  # for the log
        return replace(given, sounds=sounds)

    async def _values(self, request: Request, reader: RequestReader, uploads: Uploads, client: str) -> Values:
        """Return the values of settings, and the files, of a form or of JSON."""
        from python_multipart.multipart import parse_options_header

        media_type, options = parse_options_header(request.headers.get("content-type", ""))
        if media_type == MULTIPART.encode():
            return self.fields.of_form(await read_form(request, options.get(b"boundary", b""), uploads))
        if media_type == JSON.encode():
            run = partial(reader.run, client=client)
            return self.fields.of_json(await read_json(request, uploads, lambda work: until_closed(request, run(work))))
        allowed = f"{MULTIPART} or {JSON}"
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            f"the body must be {allowed}",
            allowed=allowed,
            remedy=f"Set the header Content-Type, and send the body as {allowed}.",
            headers={"Accept-Post": f"{MULTIPART}, {JSON}"},
        )

    def _name_fields(self, connection: HTTPConnection) -> None:
        """Let the problem of a later error name the field, and not the setting."""
        connection.state.fields = (self.fields.names, self.fields.allowed)

    def _make(self, kind: type[Settings], values: Mapping[str, Any]) -> Settings:
        """Make the settings of a class."""
        own = (field for field in self.fields.fields.values() if field.kind is kind and field.name in values)
        return kind(**{field.setting: values[field.name] for field in own})

    def _model(self, connection: HTTPConnection, values: Values) -> ModelEntry | None:
        """Return the model that is named, or the first of its kind; None if the work needs none."""
        if self._model_kind is None:
            return None
        name = self._make(ModelChoice, values.settings).model
        return services_of(connection).registry.find(self._model_kind, name, is_local=connection.state.is_local)


async def _read_files(
    field: Field, found: list[Upload], reader: RequestReader, reading: ReadingSettings, uploads: Uploads, client: str
) -> Any:
    """Return the value of a setting that holds a file, or several."""
    read: list[Any]
    if field.declaration.file == "recording":
        read = [await reader.read_sound(field.name, each, reading, client) for each in found]
    elif field.declaration.file == "text":
        read = [await reader.read_text(field.name, each, client) for each in found]
    else:
        read = [await reader.read_image(field.name, each, uploads, client) for each in found]
    parse = field.declaration.parse
    return parse(read) if field.is_list and parse else read[0]
