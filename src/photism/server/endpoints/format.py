"""POST /v1/format: a transcript, turns or labels, which may have been corrected, in a format of their command."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from photism.errors import InputError
from photism.listening import label_formats, turn_formats
from photism.listening.recording_names import as_field
from photism.listening.saved_results import read_segments, read_transcript, read_turns
from photism.listening.transcription.formats import CSV_HEADERS, TRANSCRIPT_FORMATS, write_transcript
from photism.output_files import sound_stem
from photism.server.fields.body import RequestBody
from photism.server.fields.json_body import json_object
from photism.server.media_types import CSV, JSON, RTTM, SUBRIP, TEXT, TSV, WEBVTT
from photism.server.problems import Problem
from photism.settings import REQUIRED, setting, settings

if TYPE_CHECKING:
    from photism.listening.turn_formats import TurnFormat

LISTS: Mapping[str, tuple[str, ...]] = {
    "words": TRANSCRIPT_FORMATS,
    "turns": tuple(each for each in turn_formats.TURN_FORMATS if each != "table"),
    "segments": ("csv", "audacity"),
}
"""Formats by the list that a result has: that of words, of speaker turns, or of segments with labels."""
FORMATS = tuple(dict.fromkeys(each for formats in LISTS.values() for each in formats))
MEDIA_TYPES = {"srt": SUBRIP, "vtt": WEBVTT, "tsv": TSV, "csv": CSV, "rttm": RTTM}
RESULT = f"a JSON object with one of {', '.join(LISTS)}"
"""What the result may be."""
TEXT_SCHEMA: Mapping[str, Any] = {"schema": {"type": "string"}}
EXAMPLE = b'{"turns": [{"start_s": 0.5, "end_s": 2, "speaker": "Anna"}]}'


@settings
class FormatFields:
    """A result, and the format to write it in."""

    result: str = setting(
        REQUIRED,
        "JSON that /v1/transcribe, /v1/speakers/timeline, /v1/hear or /v1/label has answered, with words, turns or "
        "segments that may have been changed.",
        file="text",
    )
    format: str = setting(REQUIRED, "Format of the command line, such as srt or rttm.", choices=FORMATS)
    words: bool = setting(
        False, "Make a subtitle or row for each word; with JSON and TextGrid, add the characters of words."
    )


BODY = RequestBody(FormatFields, model=None, example={"result": b64encode(EXAMPLE).decode(), "format": "rttm"})
ROUTER = APIRouter(tags=["listening"])


@ROUTER.post(
    "/v1/format",
    summary="Write a result in another format",
    openapi_extra=BODY.openapi(),
    responses={
        200: {
            "description": "The text.",
            "content": {
                JSON: {"schema": {"type": "object"}},
                **dict.fromkeys((TEXT, *MEDIA_TYPES.values()), TEXT_SCHEMA),
            },
        }
    },
    response_class=Response,
)
async def format_result(request: Request) -> Response:
    """Write a transcript, speaker turns or labels as a file, such as subtitles, by the rules of the command line.

    So a transcript that was corrected, or a timeline whose speakers were named, becomes a file.
    """
    async with BODY.read(request) as given:
        chosen = given.settings(FormatFields)
        text = await run_in_threadpool(_formatted, chosen)
        media_type = JSON if chosen.format == "json" else MEDIA_TYPES.get(chosen.format, TEXT)
        return Response(text, media_type=media_type)


def _formatted(chosen: FormatFields) -> str:
    """Return the text of a result.

    Raises:
        Problem: 422, the result cannot be used, or not in the format.
    """
    try:
        values = json_object(chosen.result, name="it")
    except Problem as problem:
        raise _invalid("result", f"cannot be used: {problem}", RESULT) from None
    try:
        kinds = [name for name in LISTS if name in values]
        if len(kinds) != 1:
            raise InputError(f"it must have one of {', '.join(LISTS)}")
        (kind,) = kinds
        if chosen.format not in LISTS[kind]:
            allowed = f"one of {', '.join(LISTS[kind])}"
            raise _invalid("format", f"must be {allowed} for {kind}; got {chosen.format}", allowed)
        text = _written(values, kind, chosen)
        text.encode()
        return text
    except UnicodeEncodeError:
        raise _invalid("result", "must be valid Unicode; it has half of a surrogate pair", RESULT) from None
    except InputError as error:
        raise _invalid("result", f"cannot be used: {error}", RESULT) from None


def _invalid(field: str, problem: str, allowed: str) -> Problem:
    """Return the problem of a field that depends on the other one, so that its declaration lacks what it may be."""
    detail, status = f"{field} {problem}", HTTPStatus.UNPROCESSABLE_ENTITY
    return Problem(status, "invalid-field", detail, field=field, allowed=allowed)


def _written(values: Mapping[str, Any], kind: str, chosen: FormatFields) -> str:
    file = values.get("file")
    file = file if isinstance(file, str) and file else "recording"
    name, format_ = as_field(sound_stem(file)), chosen.format
    if kind == "words":
        header = CSV_HEADERS[chosen.words] if format_ == "csv" else ""
        return header + write_transcript(read_transcript(values), format_, words=chosen.words, file=file, name=name)
    if kind == "turns":
        header = turn_formats.CSV_HEADER if format_ == "csv" else ""
        return header + turn_formats.format_turns(file, read_turns(values), cast("TurnFormat", format_), name=name)
    segments = read_segments(values)
    if format_ == "csv":
        return label_formats.CSV_HEADER + label_formats.as_csv(file, segments)
    return label_formats.as_audacity(segments)
