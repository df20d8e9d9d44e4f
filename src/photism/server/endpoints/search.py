"""/v1/search: recordings of the server's collection that are similar to texts or recordings, and their sound."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from photism.audio.reading_settings import ReadingSettings
from photism.collection.hit_formats import hit_fields
from photism.collection.search_settings import SearchSettings
from photism.errors import InputError
from photism.jobs.rows import json_value
from photism.server.answers.accept import VARY, choose
from photism.server.answers.files import file_responses, send_file
from photism.server.answers.run import run_for
from photism.server.collection import Collection, OpenCollection, unavailable_problem
from photism.server.fields.body import Given, RequestBody
from photism.server.fields.field_set import FileField
from photism.server.media_types import JSON
from photism.server.problems import Problem, without_folders
from photism.server.services import services_of
from photism.settings import SettingError, setting, settings

if TYPE_CHECKING:
    from photism.collection.search import Hit
    from photism.listening.audio_embedder import AudioEmbedder
    from photism.server.engine.ticket import Ticket
    from photism.server.storage import Storage

WAV = "audio/wav"
MEDIA_TYPES = ("audio/wav", "audio/mpeg", "audio/flac", "audio/ogg", "audio/mp4")


@settings
class QueryTexts:
    """Texts of a search."""

    text: tuple[str, ...] = setting(
        (), "Description of the recordings to find; the vectors of several texts are averaged."
    )
    not_text: tuple[str, ...] = setting(
        (), "Description of recordings to rank lower; may be given several times.", flag="--not"
    )


BODY = RequestBody(
    QueryTexts,
    SearchSettings,
    ReadingSettings,
    model=None,
    files={
        "file": FileField(
            "Recording that the results are to be similar to, alone or with a text.", is_required=False, is_list=True
        ),
        "not_sound": FileField("Recording; those similar to it are ranked lower.", is_required=False, is_list=True),
    },
    example={"text": ["rain on a roof"], "top_k": 3},
)
NUMBER_OR_NULL = {"type": ["number", "null"]}
HIT = {
    "type": "object",
    "required": ["file", "start_s", "end_s", "score", "id"],
    "properties": {
        "file": {"type": "string", "description": "Its location, without the folder that all recordings are in."},
        "start_s": {"type": "number", "description": "Start of the segment that was found."},
        "end_s": {**NUMBER_OR_NULL, "description": "Its end; null for the end of the file."},
        "score": {"type": "number", "description": "Cosine similarity, less that to what is excluded."},
        "id": {"type": "string", "description": "Name of the recording at /v1/search/recordings."},
    },
}
SCHEMA = {
    "type": "object",
    "required": ["hits", "meanings"],
    "properties": {
        "hits": {"type": "array", "items": HIT},
        "meanings": {
            "type": "array",
            "description": "Captions that texts in other languages were taken for.",
            "items": {
                "type": "object",
                "properties": {
                    "text": {"type": "string"},
                    "captions": {"type": "array", "items": {"type": "string"}},
                    "language": {"type": "string"},
                },
            },
        },
    },
}
ABOUT_SCHEMA = {
    "type": "object",
    "required": ["name", "rows", "has_texts", "columns"],
    "properties": {
        "name": {"type": "string"},
        "rows": {"type": "integer", "description": "Number of recordings, or of windows if it has several of each."},
        "has_texts": {"type": "boolean", "description": "Whether it can be searched by texts."},
        "columns": {"type": "array", "items": {"type": "string"}, "description": "Names that `where` can use."},
    },
}
NO_COLLECTION: dict[int | str, dict[str, Any]] = {404: {"description": "The server has no collection."}}
GONE: dict[int | str, dict[str, Any]] = {
    404: {"description": "There is no collection, or no such recording in it."},
    410: {"description": "The recording has changed since it was indexed, or cannot be read."},
}
ROUTER = APIRouter(tags=["collection"])


def _answers(schema: dict[str, Any], description: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"description": description, "content": {JSON: {"schema": schema}}}, **NO_COLLECTION}


@ROUTER.get(
    "/v1/search",
    summary="Describe the collection",
    responses=_answers(ABOUT_SCHEMA, "What it has."),
    response_class=Response,
)
async def describe_collection(request: Request) -> Response:
    """Return the name, the size and the columns of the collection that can be searched."""
    collection = _collection(request)
    index = (await run_in_threadpool(collection.open)).index
    columns = [name for name in index.table.schema.names if name != "vector"]
    about = {"name": collection.name, "rows": len(index), "has_texts": index.kind == "prompt", "columns": columns}
    return JSONResponse(about)


@ROUTER.post(
    "/v1/search",
    summary="Search the collection",
    openapi_extra=BODY.openapi(),
    responses=_answers(SCHEMA, "The most similar recordings, the best first."),
    response_class=Response,
)
async def search(request: Request) -> Response:
    """Return the recordings of the collection that are the most similar to texts, recordings or both.

    Conditions in `where` compare columns with values; functions are not allowed.
    """
    collection = _collection(request)
    choose(request, (JSON,))
    async with BODY.read(request, _check) as given:
        opened = await run_in_threadpool(collection.open)
        where = await run_in_threadpool(_checked_where, opened, given.settings(SearchSettings).where)
        found = await run_for(request, opened.entry, partial(_search, opened, given, where))
    return JSONResponse(found, headers=VARY)


@dataclass(frozen=True)
class _Sound:
    """The file of a result, its media type and its name for the client."""

    path: Path
    media_type: str
    filename: str


async def _held(request: Request, row_id: str) -> AsyncGenerator[_Sound]:
    """Yield the sound of a result, and keep it until the answer is sent.

    Raises:
        Problem: there is no such recording, or it is not the one that was indexed.
    """
    from photism.collection.segment_file import playable_file

    services, collection = services_of(request), _collection(request)
    opened = await run_in_threadpool(collection.open)
    hit = await run_in_threadpool(opened.find, row_id)
    if hit is None:
        raise Problem(HTTPStatus.NOT_FOUND, "recording-not-found", "The collection has no recording with this id.")
    await run_in_threadpool(_check_unchanged, hit)
    name = Path(opened.locations.shown(hit.location)).name
    found = await run_in_threadpool(playable_file, hit)
    if found is not None:
        path, media_type = found
        yield _Sound(path, media_type, name)
        return
    write = partial(_write_once, collection, services.storage, hit)
    path = await services.reader.run(write, request.state.client)
    with services.storage.in_use(path):
        yield _Sound(path, WAV, f"{Path(name).stem}.wav")


@ROUTER.get(
    "/v1/search/recordings/{row_id}",
    summary="The sound of a result",
    responses={**file_responses("The recording, or the segment that was found.", *MEDIA_TYPES), **GONE},
    response_class=Response,
)
async def get_recording(request: Request, sound: Annotated[_Sound, Depends(_held)]) -> Response:
    """Return the file of a result, or as WAV its segment, or what browsers do not play; or a range of its bytes.

    A recording whose file is no longer the one that was indexed is not sent.
    """
    choose(request, (sound.media_type,))
    return send_file(request, sound.path, media_type=sound.media_type, filename=sound.filename)


def _collection(request: Request) -> Collection:
    """Return the collection of the server.

    Raises:
        Problem: 404, it has none.
    """
    found = services_of(request).collection
    if found is None:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            "no-collection",
            "This server has no collection of recordings.",
            remedy="Start it with --collection TABLE, an index of photism index.",
        )
    return found


def _check(given: Given) -> None:
    """Check that something is searched for, before recordings are decoded.

    Raises:
        SettingError: nothing is, or a text is blank.
    """
    texts = given.settings(QueryTexts)
    if not texts.text and "file" not in given.filenames:
        raise SettingError("text", "or {} must be given: what to search for", "file")
    for name, found in (("text", texts.text), ("not_text", texts.not_text)):
        if any(not text.strip() for text in found):
            raise SettingError(name, "must not be blank")


def _checked_where(opened: OpenCollection, where: str | None) -> str | None:
    """Return a condition for the table, after checking it.

    Raises:
        SettingError: it cannot be used.
    """
    if where is None:
        return None
    from photism.collection.where import check_where

    condition = opened.locations.condition(where)
    try:
        check_where(opened.index.dataset, condition)
    except InputError as error:
        columns = ", ".join(name for name in opened.index.table.schema.names if name != "vector")
        raise SettingError("where", f"cannot be used: {{}}. The columns are {columns}", where) from error
    return condition


def _search(
    opened: OpenCollection, given: Given, where: str | None, embedder: AudioEmbedder, ticket: Ticket
) -> dict[str, Any]:
    """Search the collection with the model of its vectors.

    Raises:
        InputError: the vectors cannot be compared with texts, or a recording cannot be used.
        Problem: the model is not the one of the vectors.
    """
    from photism.collection.search_index import search_index

    texts, wanted = given.settings(QueryTexts), given.settings(SearchSettings)
    try:
        opened.check_model(embedder)
    except InputError as error:
        raise unavailable_problem() from error
    hits = search_index(
        opened.index,
        replace(wanted, where=where),
        text=texts.text,
        sound=given.sounds.get("file", ()),
        not_=texts.not_text,
        not_sound=given.sounds.get("not_sound", ()),
        embedder=embedder,
    )
    ticket.check()
    read = [] if wanted.literal else [*texts.text, *texts.not_text]
    meanings = zip(read, embedder.find_meanings(read) if read else [], strict=True)
    return {
        "hits": [_as_object(opened, hit) for hit in hits],
        "meanings": [
            {"text": text, "captions": list(found.captions), "language": found.language}
            for text, found in meanings
            if found is not None
        ],
    }


def _as_object(opened: OpenCollection, hit: Hit) -> dict[str, Any]:
    """Return the JSON object of a hit as the command line prints it, without the folder of the collection."""
    fields = hit_fields(hit) | {"file": opened.locations.shown(hit.location)}
    if fields.get("warnings"):
        fields["warnings"] = [without_folders(each) for each in fields["warnings"]]
    return json_value(fields)


def _check_unchanged(hit: Hit) -> None:
    """Check that a recording is the one that was indexed.

    Raises:
        Problem: 410, it is gone, or its file has changed.
    """
    from photism.manifest.places import entry_at

    entry = entry_at(hit.location)
    if entry is None or entry.problem or (entry.version or "") != (hit.row["version"] or ""):
        raise _gone("The recording is gone, or has changed since it was indexed.")


def _gone(detail: str) -> Problem:
    return Problem(HTTPStatus.GONE, "recording-changed", detail, remedy="Run photism index again on the server.")


def _write_once(collection: Collection, storage: Storage, hit: Hit) -> Path:
    """Return the WAV file of a hit, which is written when it is first wanted, and kept for some time.

    Raises:
        Problem: 410, the recording cannot be read.
    """
    from photism.collection.segment_file import write_segment

    key = hit.row["id"], hit.row["version"]
    path = collection.written.get(key)
    if path is not None and path.is_file():
        return path
    target = storage.new_result(".wav")
    try:
        with storage.in_use(target):
            write_segment(hit, target)
    except InputError as error:
        storage.discard(target)
        raise _gone("The recording cannot be read.") from error
    except BaseException:
        storage.discard(target)
        raise
    collection.written[key] = target
    return target
