"""POST /v1/decode: the samples of a recording, for clients that cannot decode it themselves."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from photism.audio.reading_settings import ReadingSettings
from photism.audio.sampling import SAMPLING_RATE
from photism.audio.sources import SoundFile
from photism.audio.streaming import stream_samples
from photism.server.answers.accept import VARY, choose
from photism.server.fields.body import RequestBody
from photism.server.fields.field_set import FileField
from photism.server.media_types import WAV
from photism.server.problems import Problem
from photism.server.services import services_of

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

SAMPLE_BYTES = 2
FULL_SCALE = 1 << 15
HEADER_BYTES = 44
MAX_DATA_BYTES = 2**32 - HEADER_BYTES
"""Size of the samples of a WAV file, which gives the size of what follows in 32 bits."""
BODY = RequestBody(
    ReadingSettings, model=None, files={"file": FileField("Recording or video to decode.", is_long=True)}
)
CONTENT: dict[str, Any] = {WAV: {"schema": {"type": "string", "format": "binary"}}}

ROUTER = APIRouter(tags=["audio"])


@ROUTER.post(
    "/v1/decode",
    summary="Decode a recording",
    openapi_extra=BODY.openapi(),
    responses={200: {"description": "The samples, as the models read them.", "content": CONTENT}},
    response_class=Response,
)
async def decode(request: Request) -> Response:
    """Return the sound of an audio or video file as WAV: 16 bits, one channel, 16 kHz, as the models read it."""
    choose(request, (WAV,))
    async with AsyncExitStack() as stack:
        stack.enter_context(services_of(request).decodings.place(request.state.client))
        given = await stack.enter_async_context(BODY.read(request))
        data_bytes = SAMPLE_BYTES * round((given.sound.measured_s or 0.0) * SAMPLING_RATE)
        _check_size(data_bytes)
        return WavStream(given.sound, data_bytes, resources=stack.pop_all())


def _check_size(data_bytes: int) -> None:
    """Check that samples fit in a WAV file.

    Raises:
        Problem: 422, the recording is too long.
    """
    if data_bytes > MAX_DATA_BYTES:
        longest_s = MAX_DATA_BYTES // (SAMPLE_BYTES * SAMPLING_RATE)
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "too-long",
            f"A WAV file holds no more than {longest_s} s, and the recording is longer.",
            field="file",
            allowed=f"at most {longest_s} s",
            remedy="Cut the recording.",
            values={"maximum": longest_s},
        )


class WavStream(StreamingResponse):
    """An answer that decodes a recording while it is sent.

    Args:
        sound: recording.
        data_bytes: size of its samples, of at most `MAX_DATA_BYTES`.
        resources: closed when the answer has been sent or the client has left, such as the upload.
    """

    def __init__(self, sound: SoundFile, data_bytes: int, *, resources: AsyncExitStack) -> None:
        header = wav_header(data_bytes)
        headers = {"Content-Length": str(len(header) + data_bytes), **VARY}
        super().__init__(_wav(header, sound), media_type=WAV, headers=headers)
        self._resources = resources

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file until it ends or the client closes the connection."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._resources.aclose()


def wav_header(data_bytes: int) -> bytes:
    """Return the header of a WAV file with 16-bit mono samples at 16 kHz.

    Args:
        data_bytes: size of the samples that follow it.
    """
    format_chunk = struct.pack(
        "<4sIHHIIHH", b"fmt ", 16, 1, 1, SAMPLING_RATE, SAMPLING_RATE * SAMPLE_BYTES, SAMPLE_BYTES, 8 * SAMPLE_BYTES
    )
    chunks = b"WAVE" + format_chunk + struct.pack("<4sI", b"data", data_bytes)
    return struct.pack("<4sI", b"RIFF", len(chunks) + data_bytes) + chunks


def _wav(header: bytes, sound: SoundFile) -> Iterator[bytes]:
    """Yield a WAV file in blocks of some seconds."""
    yield header
    for block in stream_samples(sound, warnings=[]):
        yield np.rint(block * FULL_SCALE).clip(-FULL_SCALE, FULL_SCALE - 1).astype("<i2").tobytes()
