"""POST /v1/hear: zero-shot classification of a recording by captions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from fastapi.responses import Response

from photism.audio.reading_settings import ReadingSettings
from photism.errors import InputError
from photism.jobs.hear_job import COLUMNS, HearJob, HearWorker
from photism.listening.settings import CaptionSettings, HearSettings
from photism.server.answers.rows import LABEL_FORMATS, answer_row, check_windows, row_responses, row_schema
from photism.server.fields.body import RequestBody
from photism.server.fields.field_set import FileField

if TYPE_CHECKING:
    from photism.server.engine.kinds import Drawing

BODY = RequestBody(
    HearSettings,
    CaptionSettings,
    ReadingSettings,
    model="drawing",
    files={"file": FileField("Recording to rank captions for.")},
)
ROUTER = APIRouter()


@ROUTER.post(
    "/v1/hear",
    summary="Rank captions for a recording",
    tags=["listening"],
    openapi_extra=BODY.openapi(),
    responses=row_responses(row_schema(COLUMNS), LABEL_FORMATS),
    response_class=Response,
)
async def hear(request: Request) -> Response:
    """Return the captions nearest to a recording or, with `window`, to each of its windows.

    Scores are from -1 to 1. `known` is false for a sound that the model was not taught.
    """
    async with BODY.read(request) as given:
        ranking = given.settings(HearSettings)
        check_windows(ranking.window_s, ranking.hop_s, given.sound, values=ranking.top_k)
        job = HearJob(ranking=replace(ranking, num_workers=0), captions=given.settings(CaptionSettings).label)

        def worker_of(drawing: Drawing) -> HearWorker:
            """Return the worker of a model with captions."""
            if drawing.ranker is None:
                raise InputError("the model has no captions, or no text encoder; give label, or name another model")
            return HearWorker(job, drawing.ranker)

        return await answer_row(
            request,
            given.model,
            job,
            worker_of,
            given.sound,
            name=given.filenames["file"][0],
            formats=LABEL_FORMATS,
            is_batched=ranking.window_s is None,
        )
