"""/v1/live/transcription: a WebSocket that transcribes samples while they arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

from fastapi import APIRouter
from starlette.websockets import WebSocket

from photism.audio.sampling import SAMPLING_RATE
from photism.listening.transcription.decoding_options import DecodingSettings, StreamingSettings
from photism.server.endpoints.live_samples import SampleQueue
from photism.server.endpoints.live_session import RETRY_S, LiveSession, serve_live
from photism.server.engine.busy import Busy
from photism.server.engine.entries import ModelEntry
from photism.server.engine.ticket import Ticket
from photism.server.fields.body import Given, RequestBody
from photism.server.problems import Problem
from photism.settings import SettingError

if TYPE_CHECKING:
    from photism.listening.transcription.streaming import StreamUpdate, TranscriptStream
    from photism.listening.transcription.transcriber import Transcriber

Result = TypeVar("Result")
ROUTER = APIRouter()
PATH = "/v1/live/transcription"

BODY = RequestBody(StreamingSettings, DecodingSettings, model="recognizer")


@ROUTER.websocket(PATH)
async def transcribe_live(websocket: WebSocket) -> None:
    """Transcribe speech while it is spoken."""
    await serve_live(websocket, BODY, _serve)


async def _serve(session: LiveSession, given: Given) -> None:
    streaming, limits = given.settings(StreamingSettings), session.services.limits
    delay_s = streaming.delay_s
    if delay_s > limits.max_seconds:
        problem = f"must be at most {limits.max_seconds:g} s together with {{}}; got {delay_s:g}"
        raise SettingError("step_s", problem, "lookahead_s")
    waiting = SampleQueue(round((limits.max_seconds + delay_s) * SAMPLING_RATE))
    with session.services.registry.hold(given.model):  # the stream refers to the model between its steps
        # What waits is resampled, so that its memory does not depend on the rate.
        rate = streaming.sampling_rate or SAMPLING_RATE
        await session.run(waiting, rate, _transcribe(session, given, waiting))


async def _transcribe(session: LiveSession, given: Given, waiting: SampleQueue) -> None:
    """Send words as they are recognised, and at the end the whole transcript.

    Raises:
        Problem: the recording is longer than it may be; its transcript up to there was sent.
    """
    streaming = replace(given.settings(StreamingSettings), sampling_rate=None)  # the samples are resampled already
    decoding, entry = given.settings(DecodingSettings), given.model
    stream: TranscriptStream = await session.compute(entry, lambda model, _: model.stream(streaming, decoding))
    await session.send("ready", model=entry.name, delay_s=stream.delay_s)
    partial_text = ""

    async def advance(step: Callable[[], StreamUpdate]) -> None:
        """Compute the next words, and send them if they differ from those sent before."""
        nonlocal partial_text
        fields = (await _patiently(session, entry, step)).as_dict()
        if fields["final"] or fields["partial"] != partial_text:
            partial_text = fields["partial"]
            await session.send("update", **fields)

    limits = session.services.limits
    left = round(limits.max_long_seconds * SAMPLING_RATE)
    while len(samples := await waiting.take(min(stream.missing_samples, left))):
        left -= len(samples)
        await advance(partial(stream.feed, samples))
    await advance(stream.finish)
    await session.send("transcript", **stream.transcript.as_dict())
    if not left:
        limit = f"{limits.max_long_seconds:g} s"
        raise Problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "too-long",
            f"The recording has reached {limit}, and was ended there.",
            allowed=f"at most {limit}",
            remedy="Open another connection for the rest.",
            values={"maximum": limits.max_long_seconds},
        )


async def _patiently(session: LiveSession, entry: ModelEntry, step: Callable[[], Result]) -> Result:
    """Run a step of a stream in the queue of its model; if that is full, try again while the samples wait."""

    def work(model: Transcriber, ticket: Ticket) -> Result:
        """Run the step, which has its model already."""
        return step()

    while True:
        try:
            return await session.compute(entry, work)
        except Busy:
            await asyncio.sleep(RETRY_S)
