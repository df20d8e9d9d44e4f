"""/v1/search: recordings of the server's collection that are similar to texts or recordings, and their sound."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from photism.audio.reading_settings import ReadingSettings
from photism.collection.hit_formats import hit_fields
from photism.collection.search_settings import SearchSettings
from photism.errors import InputError
from photism.jobs.rows import json_value
from photism.server.answers.accept import VARY, choose
from photism.server.answers.run import run_for
from photism.server.collection import OpenCollection, collection_of, unavailable_problem
from photism.server.fields.body import Given, RequestBody
from photism.server.fields.field_set import FileField
from photism.server.media_types import JSON
from photism.server.problems import without_folders
from photism.settings import SettingError, setting, settings

if TYPE_CHECKING:
    from photism.collection.search import Hit
    from photism.listening.audio_embedder import AudioEmbedder
    from photism.server.engine.ticket import Ticket


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
    collection = collection_of(request)
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
    collection = collection_of(request)
    choose(request, (JSON,))
    async with BODY.read(request, _check) as given:
        opened = await run_in_threadpool(collection.open)
        where = await run_in_threadpool(_checked_where, opened, given.settings(SearchSettings).where)
        found = await run_for(request, opened.entry, partial(_search, opened, given, where))
    return JSONResponse(found, headers=VARY)


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

    columns = ", ".join(name for name in opened.index.table.schema.names if name != "vector")
    try:
        condition = opened.locations.condition(where)
        check_where(opened.index.dataset, condition)
    except SettingError as error:
        problem = f"{error.problem}. The columns are {columns}"
        raise SettingError("where", problem, code="columns", values={"columns": columns}) from error
    except InputError as error:
        problem = f"cannot be used: {{}}. The columns are {columns}"
        raise SettingError("where", problem, where, code="columns", values={"columns": columns}) from error
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
