"""Answer a request with the row of its recording, as the command line prints it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from math import ceil, inf
from typing import TYPE_CHECKING, Any, NoReturn

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from photism.jobs.rows import json_value
from photism.listening.recording_names import recording_names
from photism.server.answers.accept import VARY, choose
from photism.server.answers.run import run_for
from photism.server.answers.sse import event_stream
from photism.server.engine.work import Batchable
from photism.server.media_types import CSV, EVENT_STREAM, JSON, JSON_LINES, TEXT
from photism.settings import SettingError

if TYPE_CHECKING:
    from photism.audio.sources import SoundFile
    from photism.errors import InputError
    from photism.jobs.job import Job, Outcome, Worker
    from photism.server.engine.entries import ModelEntry
    from photism.server.engine.ticket import Ticket

LABEL_FORMATS: Mapping[str, str] = {CSV: "csv", TEXT: "table"}
"""Format of the command line for each media type of labels, apart from JSON."""
VECTOR_FORMATS: Mapping[str, str] = {JSON_LINES: "jsonl"}
"""Format of the command line for each media type of vectors, apart from JSON."""
MAX_BATCH = 8
"""Recordings of different requests that are processed at once."""
MAX_BATCH_S = 60.0
"""Seconds of recordings of different requests that are processed at once."""
MAX_VALUES = 100_000
"""Largest number of scores or values of vectors in an answer, which is held in memory as objects and as text."""
ALL_LABELS = 1000
"""Number of scores of a window that count where a request wants those of all labels."""
VECTOR_VALUES = 100
"""Values that count for a vector, which takes less memory than as many scores and more than one."""


async def answer_row(
    request: Request,
    entry: ModelEntry,
    job: Job,
    worker_of: Callable[[Any], Worker],
    sound: SoundFile,
    *,
    name: str,
    formats: Mapping[str, str],
    as_object: Callable[[Outcome], Mapping[str, Any]] | None = None,
    is_batched: bool = False,
    resources: AsyncExitStack | None = None,
) -> Response:
    """Process a recording, and answer with its row as JSON, as text or as the last of server-sent events.

    Args:
        request: request.
        entry: model that processes the recording.
        job: job of the same command.
        worker_of: makes the job's worker of the loaded model.
        sound: the recording.
        name: name of the recording in the answer.
        formats: text format of the job for each further media type that is offered.
        as_object: returns the JSON object, apart from the name of the recording, of an outcome; by default its fields,
            with those of windows in `windows`.
        is_batched: process the recording together with those of other requests that wait with an equal job.
        resources: holds the upload of a recording that is not decoded yet, which a stream of events still reads after
            this function has returned.

    Raises:
        Problem: no media type is acceptable, the queue is full, or the client has left.
        InputError: the recording or a setting cannot be used.
    """
    media_type = choose(request, (JSON, *formats, EVENT_STREAM))

    def process(model: Any, sounds: Sequence[SoundFile], ticket: Ticket) -> list[Outcome]:
        """Process recordings of requests with the same settings."""

        def report(number: int, done_s: float, duration_s: float) -> None:
            """Report the seconds that are done."""
            ticket.report(ceil(done_s), ceil(duration_s))

        return list(worker_of(model).stream(sounds, on_error=_raise, on_progress=report))

    share = _share(sound) if is_batched else inf
    work = Batchable(job, sound, lambda model: share, process, is_quick=is_batched)
    make_object = partial(_with_name, name=name, as_object=as_object or fields_of)
    if media_type == EVENT_STREAM:
        kept = None if resources is None else resources.pop_all()
        return await event_stream(request, entry, work, make_object, resources=kept)
    outcome = await run_for(request, entry, work)
    if media_type == JSON:
        return await run_in_threadpool(lambda: JSONResponse(make_object(outcome), headers=VARY))
    chosen = job.text_format(formats[media_type])
    text = await run_in_threadpool(chosen.as_text, {"file": name, **outcome.fields}, outcome, *recording_names([name]))
    return Response(f"{chosen.header}{text}", media_type=media_type, headers=VARY)


def _share(sound: SoundFile) -> float:
    """Return the part of a full batch that a recording takes, above 1 if it is not held in memory."""
    duration_s = inf if sound.decoded is None else sound.decoded.duration_s
    return max(1 / MAX_BATCH, duration_s / MAX_BATCH_S)


def check_windows(window_s: float | None, hop_s: float | None, sound: SoundFile, *, values: int | None) -> None:
    """Check that the windows of a recording have no more than `MAX_VALUES` values.

    Args:
        window_s: length of the windows; None for the whole recording.
        hop_s: time from the start of one window to the start of the next; by default half of a window.
        sound: the recording.
        values: number of values of a window; None for the scores of all labels.

    Raises:
        SettingError: they have more.
    """
    if window_s is None or sound.decoded is None:
        return
    duration_s, hop, most = sound.decoded.duration_s, hop_s or window_s / 2, MAX_VALUES // (values or ALL_LABELS)
    if duration_s > most * hop:
        least = duration_s / max(most, 1)
        problem = f"must be at least {least:.3g} s here: at most {most} windows can be answered at once; got {hop:g} s"
        raise SettingError("hop_s", problem, values={"minimum": least})


def row_schema(columns: Mapping[str, Any], *, windows: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the JSON schema of the objects with the columns of a job.

    Args:
        columns: columns with their types, as `photism.jobs.job.Job` has them.
        windows: columns of each of the `windows`, if there are any.
    """
    listed = {"windows": [windows]} if windows else {}
    return _schema({"file": str, **columns, **listed})


def row_responses(schema: Mapping[str, Any], formats: Mapping[str, str]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI description of the answers with a row."""
    texts = {media_type: {"schema": {"type": "string"}} for media_type in (*formats, EVENT_STREAM)}
    return {200: {"description": "The results.", "content": {JSON: {"schema": schema}, **texts}}}


def fields_of(outcome: Outcome) -> dict[str, Any]:
    """Return the fields of an outcome, with those of its windows in `windows`."""
    windows = {} if outcome.windows is None else {"windows": list(outcome.windows)}
    return {**outcome.fields, **windows}


def _schema(type_: Any) -> dict[str, Any]:
    names = {bool: "boolean", int: "integer", float: "number", str: "string"}
    if isinstance(type_, list):
        return {"type": "array", "items": _schema(type_[0])}
    if isinstance(type_, Mapping):
        return {"type": "object", "properties": {name: _schema(each) for name, each in type_.items()}}
    if type_ in names:
        return {"type": [names[type_], "null"]}
    return {"type": "array", "items": {"type": "number"}}  # a vector


def _with_name(outcome: Outcome, *, name: str, as_object: Callable[[Outcome], Mapping[str, Any]]) -> dict[str, Any]:
    return json_value({"file": name, **as_object(outcome)})


def _raise(number: int, error: InputError) -> NoReturn:
    raise error
