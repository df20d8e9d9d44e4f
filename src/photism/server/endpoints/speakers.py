"""/v1/speakers/…: who spoke when, embeddings of voices, and whether two voices are the same speaker's."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from photism.audio.reading_settings import ReadingSettings
from photism.errors import warning_field
from photism.jobs.timeline_job import COLUMNS, TimelineJob, TimelineWorker
from photism.listening.settings import TimelineSettings, VerifySettings
from photism.server.answers.rows import answer_row, row_responses, row_schema
from photism.server.answers.run import run_for
from photism.server.engine.ticket import Ticket
from photism.server.fields.body import EXAMPLE_RECORDING, Given, RequestBody
from photism.server.fields.field_set import FileField
from photism.server.media_types import CSV, JSON, RTTM, SUBRIP
from photism.settings import REQUIRED, SettingError, setting, settings

if TYPE_CHECKING:
    from photism.listening.verification import Embedding, SpeakerVerifier, Verification

TURN_FORMATS = {CSV: "csv", RTTM: "rttm", SUBRIP: "srt"}
"""Format of the command line for each media type of turns, apart from JSON."""
ROUTER = APIRouter(tags=["speakers"])


@settings
class KnownVoice(VerifySettings):
    """A voice that a recording is compared with."""

    threshold: float = REQUIRED
    embedding: tuple[float, ...] | None = setting(
        None, "Embedding of a voice, as /v1/speakers/embed returns it, in place of the other recording."
    )


TIMELINE = RequestBody(
    TimelineSettings,
    ReadingSettings,
    model="diarizer",
    files={"file": FileField("Recording in which people speak.", is_long=True)},
)
EMBED = RequestBody(
    ReadingSettings,
    model="xvector",
    files={"file": FileField("Recording of one speaker; several give the mean of their embeddings.", is_list=True)},
)
VERIFY = RequestBody(
    KnownVoice,
    ReadingSettings,
    model="xvector",
    files={
        "file": FileField("Recording whose speaker is verified."),
        "other": FileField("Recording of a known speaker.", is_required=False),
    },
    example={"other": EXAMPLE_RECORDING, "threshold": 0.5},
)


def _answer(**properties: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI description of an answer with these properties, and with what is missing in recordings."""
    described = {**properties, "warnings": {"type": "array", "items": {"type": "string"}}}
    schema = {"type": "object", "required": list(properties), "properties": described}
    return {200: {"description": "The result.", "content": {JSON: {"schema": schema}}}}


@ROUTER.post(
    "/v1/speakers/timeline",
    summary="Find who spoke when",
    openapi_extra=TIMELINE.openapi(),
    responses=row_responses(row_schema(COLUMNS), TURN_FORMATS),
    response_class=Response,
)
async def speaker_timeline(request: Request) -> Response:
    """Return the turns of speakers in a recording, in order of time; turns of different speakers may overlap."""
    async with AsyncExitStack() as stack:
        given = await stack.enter_async_context(TIMELINE.read(request))
        job = TimelineJob(given.model.settings, replace(given.settings(TimelineSettings), num_workers=0))
        return await answer_row(
            request,
            given.model,
            job,
            partial(TimelineWorker, job),
            given.sound,
            name=given.filenames["file"][0],
            formats=TURN_FORMATS,
            resources=stack,
        )


@ROUTER.post(
    "/v1/speakers/embed",
    summary="Embed the voice of a speaker",
    openapi_extra=EMBED.openapi(),
    responses=_answer(embedding={"type": "array", "items": {"type": "number"}}),
)
async def embed_speaker(request: Request) -> JSONResponse:
    """Return the embedding of a speaker, of unit length: the dot product of two says how similar the voices are."""
    async with EMBED.read(request) as given:
        sounds = given.sounds["file"]

        def embed_voice(model: SpeakerVerifier, ticket: Ticket) -> Embedding:
            """Embed one recording, or enrol a speaker with several."""
            compute = model.embed if len(sounds) == 1 else model.enrol
            return compute(list(sounds)).reshape(-1)

        found = await run_for(request, given.model, embed_voice)
        return JSONResponse({"embedding": found.tolist(), **_warnings(given)})


@ROUTER.post(
    "/v1/speakers/verify",
    summary="Verify the speaker of a recording",
    openapi_extra=VERIFY.openapi(),
    responses=_answer(
        file={"type": "string"},
        speaker={"type": "string"},
        is_same={"type": "boolean"},
        score={"type": "number", "minimum": -1, "maximum": 1},
        threshold={"type": "number"},
    ),
)
async def verify_speaker(request: Request) -> JSONResponse:
    """Decide whether the speaker of a recording is that of another one, or of an embedding."""
    async with VERIFY.read(request, _check_other) as given:
        settings, others = given.settings(KnownVoice), given.sounds["other"]

        def compare(model: SpeakerVerifier, ticket: Ticket) -> Verification:
            """Compare the recording with the known voice."""
            if settings.embedding is None:
                voice = model.embed(others[0])
            else:
                voice = np.array(settings.embedding, np.float32)
                model.check_speakers({"embedding": voice})
            return model.verify(voice, given.sound, threshold=settings.threshold)

        from photism.listening.verification import Comparison

        found = await run_for(request, given.model, compare)
        names = given.filenames
        compared = Comparison(names["file"][0], names.get("other", ("embedding",))[0], found)
        return JSONResponse(compared.as_dict() | _warnings(given))


def _check_other(given: Given) -> None:
    """Check that the known voice is given once.

    Raises:
        SettingError: there are both a recording and an embedding of it, or neither.
    """
    if (given.settings(KnownVoice).embedding is None) == ("other" not in given.filenames):
        raise SettingError("embedding", "or {} must be given, and not both", "other")


def _warnings(given: Given) -> dict[str, Any]:
    """Return what is missing in the recordings."""
    return warning_field([each for sounds in given.sounds.values() for sound in sounds for each in sound.warnings])
