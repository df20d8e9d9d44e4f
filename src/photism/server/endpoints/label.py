"""POST /v1/label: classification of a recording by a trained model."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from fastapi import APIRouter, Request
from fastapi.responses import Response

from photism.audio.reading_settings import ReadingSettings
from photism.jobs.label_job import COLUMNS, LabelJob, LabelWorker
from photism.listening.settings import LabelSettings
from photism.server.answers.rows import LABEL_FORMATS, answer_row, check_windows, row_responses, row_schema
from photism.server.fields.body import RequestBody
from photism.server.fields.field_set import FileField

BODY = RequestBody(
    LabelSettings, ReadingSettings, model="classifier", files={"file": FileField("Recording to classify.")}
)
ROUTER = APIRouter()


@ROUTER.post(
    "/v1/label",
    summary="Classify a recording",
    tags=["listening"],
    openapi_extra=BODY.openapi(),
    responses=row_responses(row_schema(COLUMNS), LABEL_FORMATS),
    response_class=Response,
)
async def label(request: Request) -> Response:
    """Return the classes of a recording or, with `window`, of each of its windows, by a trained classifier.

    Without `model`, the classes are the spoken languages of the bundled classifier.
    """
    async with BODY.read(request) as given:
        classification = given.settings(LabelSettings)
        check_windows(classification.window_s, classification.hop_s, given.sound, values=classification.top_k)
        job = LabelJob(classification=replace(classification, num_workers=0))
        return await answer_row(
            request,
            given.model,
            job,
            partial(LabelWorker, job),
            given.sound,
            name=given.filenames["file"][0],
            formats=LABEL_FORMATS,
            is_batched=classification.window_s is None,
        )
