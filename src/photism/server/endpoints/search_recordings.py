"""GET /v1/search/recordings/{id}: the sound of what a search has found."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from photism.errors import InputError
from photism.server.answers.accept import choose
from photism.server.answers.files import file_responses, send_file
from photism.server.collection import collection_of
from photism.server.media_types import FLAC, M4A, MP3, OGG, WAV
from photism.server.problems import Problem
from photism.server.services import services_of

if TYPE_CHECKING:
    from photism.collection.search import Hit
    from photism.server.storage import Storage

MEDIA_TYPES = (WAV, MP3, FLAC, OGG, M4A)
GONE: dict[int | str, dict[str, Any]] = {
    404: {"description": "There is no collection, or no such recording in it."},
    410: {"description": "The recording has changed since it was indexed, or cannot be read."},
}
ROUTER = APIRouter(tags=["collection"])


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

    services, collection = services_of(request), collection_of(request)
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
    write = partial(services.reader.run, partial(_write, services.storage, hit), request.state.client)
    path = await collection.written.get((row_id, hit.row["version"]), write)
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


def _write(storage: Storage, hit: Hit) -> Path:
    """Write the WAV file of a hit, which is kept for some time, and return it.

    Raises:
        Problem: 410, the recording cannot be read.
    """
    from photism.collection.segment_file import write_segment

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
    return target
