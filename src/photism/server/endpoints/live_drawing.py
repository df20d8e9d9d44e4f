"""/v1/live/drawing: a WebSocket that draws samples while they arrive."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
from fastapi import APIRouter
from starlette.websockets import WebSocket

from photism.audio.level import measure_level
from photism.audio.sampling import FRAME_SAMPLES, SAMPLING_RATE, sampling_rate_setting
from photism.drawing.live.settings import LiveSettings
from photism.server.endpoints.image_limits import check_size
from photism.server.endpoints.live_samples import NewestSamples
from photism.server.endpoints.live_session import RETRY_S, LiveSession, serve_live
from photism.server.engine.busy import Busy
from photism.server.engine.ticket import Ticket
from photism.server.fields.body import Given, RequestBody
from photism.settings import SettingError, setting, settings

if TYPE_CHECKING:
    from PIL.Image import Image

    from photism.drawing.live.live_drawing import LiveDrawing, LivePicture
    from photism.server.engine.kinds import Drawing

ROUTER = APIRouter()
PATH = "/v1/live/drawing"
MOST_STEPS = 4
"""Default number of denoising steps of a model that was not distilled to a few."""
WAITING_S = 10.0
"""Longest part of the recording that waits for the model; before it, samples are skipped."""
LEAD_S = 0.5
"""Silence before the first sound that is drawn with it."""
CLOSING_S = 0.5
"""Silence that follows the last sample, so that the last word ends and is recognised as a whole."""
SILENCE_HOP_S = 1.0
"""Time from one message of silence to the next."""
SMALL_PIXELS = 256 * 256
"""Largest image that is sent as PNG by default; a larger one has more bytes than a JPEG by far."""
JPEG_QUALITY, WEBP_QUALITY = 90, 85

ImageFormat: TypeAlias = Literal["png", "jpeg", "webp"]
ENCODING: dict[str, dict[str, Any]] = {
    "png": {"compress_level": 1},
    "jpeg": {"quality": JPEG_QUALITY},
    "webp": {"quality": WEBP_QUALITY, "method": 0},
}
"""How images are written in each format: as fast as it can be."""
WITHOUT = (
    *("image", "keep_image_size", "background", "strength"),
    *("style", "control_image", "controlnet_conditioning_scale"),
)
"""Settings of images to start from or to follow."""


@settings
class LiveConnectionSettings:
    """Samples and pictures of a live connection."""

    sampling_rate: float | None = sampling_rate_setting()
    hop_s: float | None = setting(
        None,
        "Time from one picture to the next, in place of fps; it is longer if the model is slower.",
        unit="seconds",
        minimum=1 / 60,
        flag="--hop",
    )
    image_format: ImageFormat | None = setting(
        None,
        "Format of the pictures. Default: png up to 65,536 pixels, and jpeg for larger ones.",
        choices=get_args(ImageFormat),
    )


BODY = RequestBody(LiveSettings, LiveConnectionSettings, model="drawing", without=WITHOUT)


@ROUTER.websocket(PATH)
async def draw_live(websocket: WebSocket) -> None:
    """Draw a recording while it goes on."""
    await serve_live(websocket, BODY, _serve)


async def _serve(session: LiveSession, given: Given) -> None:
    live, own, limits = given.settings(LiveSettings), given.settings(LiveConnectionSettings), session.services.limits
    for name, value in (("window_s", live.window_s), ("hop_s", own.hop_s)):
        if value is not None and value > limits.max_seconds:
            problem = f"must be at most {limits.max_seconds:g}; got {value:g}"
            raise SettingError(name, problem, values={"maximum": limits.max_seconds})
    check_size(live, limits)
    newest = NewestSamples(round(WAITING_S * SAMPLING_RATE))
    with session.services.registry.hold(given.model):  # the drawing refers to the model between its pictures
        work = _LiveConnection(session, given, newest).draw()
        await session.run(newest, own.sampling_rate or SAMPLING_RATE, work)


class _LiveConnection:
    """Pictures of a connection, each of the newest samples.

    Args:
        session: the connection.
        given: its settings.
        newest: its samples.
    """

    def __init__(self, session: LiveSession, given: Given, newest: NewestSamples) -> None:
        self._session, self._entry, self._newest = session, given.model, newest
        self._settings, self._format = given.settings(LiveSettings), given.settings(LiveConnectionSettings).image_format
        hop_s = given.settings(LiveConnectionSettings).hop_s or 1 / self._settings.fps
        self._hop = max(FRAME_SAMPLES, round(hop_s * SAMPLING_RATE))
        self._drawn = 0  # samples before the end of the last picture
        self._lost_s = 0.0  # time of samples that were never drawn

    async def draw(self) -> None:
        """Send pictures until the samples end."""
        drawing = await self._session.compute(self._entry, lambda model, _: _live_drawing(model, self._settings))
        width, height = drawing.size
        steps = drawing.settings.num_inference_steps
        await self._session.send("ready", model=self._entry.name, width=width, height=height, steps=steps)
        if not await self._skip_silence():
            return
        is_open = True
        while await self._wait():
            is_open = not await self._send_picture(drawing)
        if is_open:
            drawing.feed(np.zeros(round(CLOSING_S * SAMPLING_RATE), np.float32))
            await self._send_picture(drawing)

    async def _wait(self) -> bool:
        """Wait until the next picture is due, and return whether there are samples for it."""
        await self._newest.wait(max(self._drawn + self._hop, FRAME_SAMPLES))
        return self._newest.total > self._drawn and self._newest.total >= FRAME_SAMPLES

    async def _skip_silence(self) -> bool:
        """Drop samples while they are silent, and send a message each second; return whether there is sound at last."""
        sent_s = -SILENCE_HOP_S
        while await self._wait():
            level = measure_level(self._newest.newest())
            if not level.is_silent:
                return True
            skipped, self._drawn = self._skipped(self._newest.total), self._newest.total
            self._newest.drop(round(LEAD_S * SAMPLING_RATE))
            end_s = self._drawn / SAMPLING_RATE
            if end_s - sent_s >= SILENCE_HOP_S:
                sent_s, start_s = end_s, end_s - level.duration_s
                await self._session.send("silence", start_s=start_s, end_s=end_s, skipped=skipped, detail=str(level))
        return False

    async def _send_picture(self, drawing: LiveDrawing) -> bool:
        """Draw and send a picture of now, and return whether it is one of silence.

        While the queue of the model is full, it is tried again, each time with the newest samples.
        """

        def work(model: Drawing, ticket: Ticket) -> tuple[LivePicture, int]:
            samples, total = self._newest.take()
            if len(samples):
                drawing.feed(samples)
                self._lost_s = total / SAMPLING_RATE - drawing.duration_s
            return drawing.picture(), total

        while True:
            try:
                picture, total = await self._session.compute_quickly(self._entry, work)
                break
            except Busy:
                await asyncio.sleep(RETRY_S)
        image = picture.image
        image_format = self._format or ("png" if image.width * image.height <= SMALL_PIXELS else "jpeg")
        data = await asyncio.to_thread(_encode, image, image_format)
        await self._session.send(
            "picture",
            start_s=None if picture.segment_start_s is None else picture.segment_start_s + self._lost_s,
            end_s=total / SAMPLING_RATE,
            skipped=self._skipped(total),
            width=image.width,
            height=image.height,
            media_type=f"image/{image_format}",
            seed=self._settings.seed,
            caption=picture.caption,
            known=picture.known,
            heard=list(picture.newest_captions),
            is_silent=picture.is_silent,
            **({"nsfw_content_detected": True} if picture.is_flagged else {}),
        )
        await self._session.send_bytes(data)
        self._drawn = total
        return picture.is_silent

    def _skipped(self, total: int) -> int:
        """Return the number of pictures that were due before this one, and were not drawn."""
        return max(0, (total - self._drawn) // self._hop - 1)


def _live_drawing(model: Drawing, given: LiveSettings) -> LiveDrawing:
    """Start a drawing with the few-step pipeline of a model; others take a few of their steps."""
    from photism.audio.waveform import Waveform
    from photism.drawing.live.live_drawing import LiveDrawing

    pipeline = model.few_step_pipeline
    steps = given.num_inference_steps or min(MOST_STEPS, pipeline.num_inference_steps)
    drawing = LiveDrawing(pipeline, replace(given, num_inference_steps=steps), model.ranker)
    # What a model does but once, such as to encode its captions, is done before the first word comes.
    drawing.picture()
    prompt = pipeline.encoder.encode([Waveform(np.zeros(SAMPLING_RATE, np.float32))], batch_size=1)
    if model.ranker is not None:
        model.ranker.rank_prompts(prompt)
    return drawing


def _encode(image: Image, image_format: str) -> bytes:
    data = BytesIO()
    image.save(data, image_format, **ENCODING[image_format])
    return data.getvalue()
