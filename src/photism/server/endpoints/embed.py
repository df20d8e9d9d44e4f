"""POST /v1/embed: vectors of a recording or of texts, by which they are compared."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from photism.audio.reading_settings import ReadingSettings
from photism.jobs.embed_job import COLUMNS, EmbedJob, EmbedWorker
from photism.jobs.rows import json_value
from photism.listening.settings import EmbedSettings
from photism.server.answers.accept import VARY, choose
from photism.server.answers.rows import (
    VECTOR_FORMATS,
    VECTOR_VALUES,
    answer_row,
    check_windows,
    fields_of,
    row_responses,
    row_schema,
)
from photism.server.answers.run import run_for
from photism.server.answers.sse import event_stream
from photism.server.fields.body import Given, RequestBody
from photism.server.fields.field_set import FileField
from photism.server.media_types import EVENT_STREAM, JSON
from photism.settings import SettingError, setting, settings

if TYPE_CHECKING:
    from photism.jobs.job import Outcome
    from photism.listening.audio_embedder import AudioEmbedder
    from photism.server.engine.ticket import Ticket

EncodingFormat: TypeAlias = Literal["float", "base64"]


@settings
class VectorSettings:
    """Texts to embed, and the form of vectors in JSON."""

    text: tuple[str, ...] = setting(
        (), "Text to embed in place of a recording, to compare it with recordings; may be given several times."
    )
    literal: bool = setting(False, "Leave texts in other languages to the text encoder, instead of translating them.")
    encoding_format: EncodingFormat = setting(
        "float",
        "Vectors as lists of numbers, or as base64 of little-endian float32.",
        choices=get_args(EncodingFormat),
    )


BODY = RequestBody(
    EmbedSettings,
    VectorSettings,
    ReadingSettings,
    model="embedder",
    files={"file": FileField("Recording to embed.", is_required=False)},
    example={"text": ["A rooster.", "Rain."]},
)
WINDOW_COLUMNS = ("start_s", "end_s", "known", "vector")
SCHEMA = row_schema(COLUMNS, windows={name: COLUMNS[name] for name in WINDOW_COLUMNS})
VECTOR = {"anyOf": [SCHEMA["properties"]["vector"], {"type": "string", "contentEncoding": "base64"}]}
for each in (SCHEMA, SCHEMA["properties"]["windows"]["items"]):
    each["properties"]["vector"] = VECTOR
ROUTER = APIRouter()


@ROUTER.post(
    "/v1/embed",
    summary="Embed a recording or texts",
    tags=["listening"],
    openapi_extra=BODY.openapi(),
    responses=row_responses(SCHEMA, VECTOR_FORMATS),
    response_class=Response,
)
async def embed(request: Request) -> Response:
    """Return the vector of a recording or, with `window`, of each of its windows; or the vectors of texts.

    The dot product of two vectors, which have unit length, says how similar they are.
    """
    async with BODY.read(request, _check) as given:
        chosen, texts = given.settings(EmbedSettings), given.settings(VectorSettings).text
        if texts:
            return await _embed_texts(request, given)
        check_windows(chosen.window_s, chosen.hop_s, given.sound, values=VECTOR_VALUES)
        job = EmbedJob(embedding=replace(chosen, num_workers=0))
        return await answer_row(
            request,
            given.model,
            job,
            partial(EmbedWorker, job),
            given.sound,
            name=given.filenames["file"][0],
            formats=VECTOR_FORMATS,
            as_object=partial(_with_vectors, encoding_format=given.settings(VectorSettings).encoding_format),
            is_batched=chosen.window_s is None,
        )


def _check(given: Given) -> None:
    """Check that there are texts or a recording.

    Raises:
        SettingError: there are both, or neither.
    """
    if bool(given.settings(VectorSettings).text) == ("file" in given.filenames):
        raise SettingError("text", "or {} must be given, and not both", "file")


async def _embed_texts(request: Request, given: Given) -> Response:
    """Answer with the vectors of texts."""
    wanted = given.settings(VectorSettings)
    media_type = choose(request, (JSON, EVENT_STREAM))

    def work(embedder: AudioEmbedder, ticket: Ticket) -> dict[str, Any]:
        """Embed the texts."""
        vectors = embedder.embed_texts(wanted.text, literal=wanted.literal)
        rows = [{"text": text, "vector": vector} for text, vector in zip(wanted.text, vectors, strict=True)]
        return {"texts": [_encoded(row, wanted.encoding_format) for row in rows]}

    if media_type == EVENT_STREAM:
        return await event_stream(request, given.model, work, json_value)
    return JSONResponse(json_value(await run_for(request, given.model, work)), headers=VARY)


def _with_vectors(outcome: Outcome, *, encoding_format: EncodingFormat) -> dict[str, Any]:
    """Return the JSON object of a recording with its vectors in a form."""
    fields = _encoded(fields_of(outcome), encoding_format)
    if "windows" in fields:
        fields["windows"] = [_encoded(window, encoding_format) for window in fields["windows"]]
    return fields


def _encoded(row: Mapping[str, Any], encoding_format: EncodingFormat) -> dict[str, Any]:
    """Return a row with its vector, if it has one, in a form."""
    if encoding_format == "float" or "vector" not in row:
        return dict(row)
    return {**row, "vector": base64.b64encode(np.asarray(row["vector"], "<f4").tobytes()).decode()}
