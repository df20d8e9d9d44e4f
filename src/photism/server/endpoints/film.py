"""/v1/film: films of recordings, drawn in the background: start, progress, result, cancel, resume and delete."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, get_args

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from photism.audio.reading_settings import ReadingSettings
from photism.audio.sources import SoundFile
from photism.drawing.video.settings import ExcerptSettings, FilmSettings
from photism.prompts.diffusion.lora_weights import check_lora_names, default_weights
from photism.server.answers.accept import NOT_ACCEPTABLE, VARY, choose
from photism.server.answers.files import file_responses, send_file
from photism.server.answers.sse import EventStream, event, progress_event
from photism.server.disconnect import until_closed
from photism.server.endpoints.draw import describe_entry
from photism.server.endpoints.image_limits import check_size
from photism.server.fields.body import Given, RequestBody
from photism.server.fields.field_set import FileField
from photism.server.film_jobs import FilmJob, FilmKind
from photism.server.media_types import EVENT_STREAM, JSON, MP4, PNG
from photism.server.problems import Problem, problem_for
from photism.server.services import Services, services_of
from photism.settings import SettingError, setting, settings

if TYPE_CHECKING:
    from photism.drawing.video.audio_features import MeasuredRecording
    from photism.server.settings import LimitSettings


@settings
class StoryboardFields:
    """Whether a storyboard is drawn, which the command line says by the name of its file."""

    storyboard: bool = setting(False, "Draw some frames on one sheet, a PNG file, instead of the film.")


BODY = RequestBody(
    FilmSettings,
    ExcerptSettings,
    StoryboardFields,
    ReadingSettings,
    model="drawing",
    files={"file": FileField("Recording of the film; with mix, several.", is_list=True, is_long=True)},
)
CANCEL_S = 5.0
"""Seconds that a request to cancel waits for the end of the step that is being computed."""
SCHEMA = {
    "type": "object",
    "required": ["id", "kind", "filename", "state", "frames", "frames_done"],
    "properties": {
        "id": {"type": "string"},
        "kind": {"enum": list(get_args(FilmKind))},
        "filename": {"type": "string", "description": "Name of the file of the result."},
        "state": {"enum": ["queued", "loading", "running", "done", "failed", "cancelled"]},
        "position": {"type": ["integer", "null"], "description": "Films before it in the queue."},
        "frames": {"type": "integer", "description": "Number of frames that are drawn."},
        "frames_done": {"type": "integer"},
        "remaining_s": {"type": ["number", "null"], "description": "Estimated seconds until the film is done."},
        "problem": {"type": ["object", "null"], "description": "Why it failed, as problem details."},
        "film": {"type": ["object", "null"], "description": "Duration and settings of the film that is done."},
    },
}
JSON_ANSWER = {JSON: {"schema": SCHEMA}}
Responses: TypeAlias = "dict[int | str, dict[str, Any]]"
"""OpenAPI description of answers by their status."""
GONE: Responses = {410: {"description": "The film has expired."}}
OTHER_STATE: Responses = {409: {"description": "The state of the film does not allow it."}}
ACCEPTED: Responses = {
    202: {
        "description": "The film is drawn in the background.",
        "headers": {"Location": {"schema": {"type": "string"}, "description": "Where its progress is."}},
        "content": JSON_ANSWER,
    }
}
ROUTER = APIRouter(tags=["drawing"])


@ROUTER.post(
    "/v1/film",
    summary="Draw a film of a recording",
    openapi_extra=BODY.openapi(),
    responses=ACCEPTED,
    response_class=Response,
    status_code=HTTPStatus.ACCEPTED,
)
async def start_film(request: Request) -> Response:
    """Begin a film that follows a recording, with its audio, and return where its progress is.

    It is drawn in the background, and gives way to requests for single images. The film is kept for some time after it
    is done, failed or was cancelled; only the client that began it can see it. `preview` draws its five liveliest
    seconds, `storyboard` a sheet of its frames.
    """
    choose(request, (JSON,))
    services = services_of(request)
    with services.films.place(request.state.client):
        async with BODY.read(request, partial(_check, limits=services.limits)) as given:
            job = await _prepare(request, given)
    try:
        await services.films.start(job, partial(problem_for, request))
    except BaseException:
        services.storage.discard(job.target)
        raise
    return _accepted(request, job)


@ROUTER.get(
    "/v1/film/{film_id}",
    summary="Progress of a film",
    responses={
        200: {"description": "State.", "content": {**JSON_ANSWER, EVENT_STREAM: {"schema": {"type": "string"}}}},
        **GONE,
        **NOT_ACCEPTABLE,
    },
    response_class=Response,
)
async def get_film(request: Request, film_id: str) -> Response:
    """Return the state of a film, or with `Accept: text/event-stream` its progress until it ends."""
    job = _find(request, film_id)
    if choose(request, (JSON, EVENT_STREAM)) == EVENT_STREAM:
        return EventStream(_events(job))
    return JSONResponse(job.as_dict(), headers=VARY)


async def _held(request: Request, film_id: str) -> AsyncGenerator[FilmJob]:
    """Yield a film of the client, and keep it until the answer is sent."""
    with services_of(request).storage.in_use(_find(request, film_id).target):
        yield _find(request, film_id)  # again: it may have expired just before


@ROUTER.get(
    "/v1/film/{film_id}/result",
    summary="A film that is done",
    responses={
        **file_responses("The film; a storyboard is a PNG file.", MP4, PNG),
        **GONE,
        **OTHER_STATE,
    },
    response_class=Response,
)
async def get_result(request: Request, job: Annotated[FilmJob, Depends(_held)]) -> Response:
    """Return the file of a film that is done, MP4, or PNG of a storyboard; or a range of its bytes."""
    choose(request, (job.media_type,))
    if job.is_active:
        raise Problem(
            HTTPStatus.CONFLICT,
            "film-not-done",
            f"The film is {job.state}: {job.as_dict()['frames_done']} of {job.frames} frames are drawn.",
            remedy="Wait until its state is done.",
            headers={"Retry-After": "5"},
        )
    if job.problem is not None:
        raise job.problem
    return send_file(request, job.target, media_type=job.media_type, filename=job.filename)


@ROUTER.post(
    "/v1/film/{film_id}/cancel",
    summary="Cancel a film",
    responses={200: {"description": "State.", "content": JSON_ANSWER}, **GONE},
    response_class=Response,
)
async def cancel_film(request: Request, film_id: str) -> Response:
    """Cancel a film. What is drawn stays for some time, in which it can be resumed."""
    job = _find(request, film_id)
    job.ticket.cancel()
    if job.task is not None:
        await asyncio.wait((job.task,), timeout=CANCEL_S)
    return JSONResponse(job.as_dict())


@ROUTER.post(
    "/v1/film/{film_id}/resume",
    summary="Resume a film",
    responses={**ACCEPTED, **GONE, **OTHER_STATE},
    response_class=Response,
    status_code=HTTPStatus.ACCEPTED,
)
async def resume_film(request: Request, film_id: str) -> Response:
    """Go on with a film that was cancelled or has failed, after its last finished segment of about two seconds."""
    job = _find(request, film_id)
    if job.is_active or job.problem is None:
        detail = f"The film is {job.state}; only one that failed or was cancelled can be resumed."
        raise Problem(HTTPStatus.CONFLICT, "film-not-resumable", detail)
    await services_of(request).films.start(job, partial(problem_for, request))
    return _accepted(request, job)


@ROUTER.delete("/v1/film/{film_id}", summary="Delete a film", status_code=HTTPStatus.NO_CONTENT, responses=GONE)
async def delete_film(request: Request, film_id: str) -> None:
    """Cancel a film and remove all that is drawn of it."""
    services_of(request).films.remove(_find(request, film_id))


def _check(given: Given, limits: LimitSettings) -> None:
    """Check the size of the frames, the weights of the recordings, and what is drawn.

    Raises:
        SettingError: they cannot be used, or the server does not allow them.
    """
    settings = given.settings(FilmSettings)
    check_size(settings, limits)
    check_lora_names(settings.weight_of_loras, default_weights(given.model.settings))
    settings.weights(len(given.filenames["file"]))
    if _kind(given) != "storyboard":
        return
    excerpt, most = given.settings(ExcerptSettings), limits.max_images
    if excerpt.preview:
        raise SettingError(
            "preview", "cannot be combined with {}; draw one, then the other", "storyboard", code="excludes-field"
        )
    if excerpt.stills > most:
        problem = f"must be at most {most} on this server; got {excerpt.stills}"
        raise SettingError("stills", problem, values={"maximum": most})


def _kind(given: Given) -> FilmKind:
    """Return what a request wants to be drawn of a film."""
    if given.settings(StoryboardFields).storyboard:
        return "storyboard"
    return "preview" if given.settings(ExcerptSettings).preview else "film"


async def _prepare(request: Request, given: Given) -> FilmJob:
    """Return the film of a request, with its recordings in its folder.

    Raises:
        InputError: it cannot be made.
    """
    services, client = services_of(request), request.state.client
    settings = await services.reader.run(given.settings(FilmSettings).decoded, client)
    kind = _kind(given)
    suffix = ".png" if kind == "storyboard" else ".mp4"
    target = services.storage.new_result(suffix)
    try:
        with services.storage.in_use(target):
            recordings = await until_closed(request, _keep(given, target.parent, services, client))
            frames = _count_frames(recordings[0], settings, kind, given.settings(ExcerptSettings).stills)
            _check_frames(frames, services.limits)
    except BaseException:
        services.storage.discard(target)
        raise
    request.state.model = given.model.name
    names = given.filenames["file"]
    return FilmJob(
        client,
        given.model,
        settings,
        recordings,
        target,
        kind=kind,
        frames=frames,
        filename=f"{Path(names[0]).stem}{'' if kind == 'film' else f'.{kind}'}{suffix}",
        about={**describe_entry(given.model, settings.weight_of_loras), "sound": ", ".join(names)},
    )


def _find(request: Request, film_id: str) -> FilmJob:
    """Return a film of the client."""
    return services_of(request).films.find(request.state.client, film_id)


def _accepted(request: Request, job: FilmJob) -> Response:
    """Return the answer to a request that has begun a film."""
    location = f"{request.scope.get('root_path', '')}/v1/film/{job.id}"
    return JSONResponse(job.as_dict(), HTTPStatus.ACCEPTED, headers={"Location": location, **VARY})


async def _keep(given: Given, folder: Path, services: Services, client: str) -> list[MeasuredRecording]:
    """Move the recordings of a request to the folder of its film, and read each once.

    Raises:
        InputError: a recording cannot be used for a film.
    """
    from photism.drawing.video.audio_features import measure_recording

    measured: list[MeasuredRecording] = []
    for number, sound in enumerate(given.sounds["file"]):
        kept = Path(str(sound.source)).rename(folder / f"sound-{number}")
        moved = SoundFile(kept, sound.name, given.settings(ReadingSettings))
        measured.append(await services.reader.measure(partial(measure_recording, moved), client))
    return measured


def _count_frames(recording: MeasuredRecording, settings: FilmSettings, kind: FilmKind, stills: int) -> int:
    """Return the number of frames that are drawn of a film."""
    from photism.drawing.video.film import count_frames
    from photism.drawing.video.preview import count_preview_frames

    frames = count_frames(recording, settings)
    if kind == "storyboard":
        return min(frames, stills)
    return count_preview_frames(frames, settings.frame_rate) if kind == "preview" else frames


def _check_frames(frames: int, limits: LimitSettings) -> None:
    """Check the number of frames.

    Raises:
        SettingError: there are more than the server allows.
    """
    if frames > limits.max_frames:
        raise SettingError(
            "fps", f"must give a film of at most {limits.max_frames} frames on this server; got {frames}"
        )


async def _events(job: FilmJob) -> AsyncGenerator[bytes]:
    """Yield the progress of a film until it ends, and then its state or its problem."""
    while job.is_active and job.task is not None:
        async for progress in job.ticket.updates():
            if progress.state == "running":
                yield event("progress", {"done": progress.done, "total": job.frames, "remaining_s": job.remaining_s})
            else:
                yield progress_event(progress)
        await asyncio.wait((job.task,))
    if job.problem is not None:
        yield event("error", job.problem.as_dict())
    else:
        yield event("result", job.as_dict())
