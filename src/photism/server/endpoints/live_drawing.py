"""/v1/live/drawing: a WebSocket that draws the newest seconds of samples while they arrive."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.websockets import WebSocket

from photism.audio.level import measure_level
from photism.audio.sampling import SAMPLING_RATE, sampling_rate_setting
from photism.audio.waveform import Waveform
from photism.drawing.settings import DrawSettings
from photism.jobs.drawn_recordings import draw_prompts, encode_and_rank
from photism.prompts.settings import MixSettings
from photism.seeds import expand_seeds
from photism.server.endpoints.image_limits import check_size
from photism.server.endpoints.live_samples import LiveWindow, NewestWindow
from photism.server.endpoints.live_session import RETRY_S, LiveSession, serve_live
from photism.server.engine.busy import Busy
from photism.server.engine.ticket import Ticket
from photism.server.fields.body import Given, RequestBody
from photism.settings import SettingError, setting, settings

if TYPE_CHECKING:
    from photism.server.engine.kinds import Drawing

ROUTER = APIRouter()
LIVE_STEPS = 4
"""Default number of denoising steps, if the default of the model is not lower."""

WITHOUT = (
    *("images_per_sound", "batch_size", "preview_steps"),
    *("image", "keep_image_size", "background", "strength", "mask_image", "seam"),
    *("style", "control_image", "controlnet_conditioning_scale"),
)
"""Settings of several images, and of images to start from or follow."""


@settings
class LiveWindowSettings:
    """Windows of a live recording that are drawn."""

    window_s: float = setting(
        2.0, "Length of the newest part of the recording that is drawn.", unit="seconds", minimum=0.1, flag="--window"
    )
    hop_s: float = setting(
        1.0,
        "Time from one picture to the next, which is longer if the model is slower.",
        unit="seconds",
        minimum=0.1,
        flag="--hop",
    )
    sampling_rate: float | None = sampling_rate_setting()


BODY = RequestBody(DrawSettings, LiveWindowSettings, model="drawing", without=WITHOUT)


@ROUTER.websocket("/v1/live/drawing")
async def draw_live(websocket: WebSocket) -> None:
    """Draw a recording while it goes on."""
    await serve_live(websocket, BODY, _serve)


async def _serve(session: LiveSession, given: Given) -> None:
    windows, limit_s = given.settings(LiveWindowSettings), session.services.limits.max_seconds
    for name in ("window_s", "hop_s"):
        if (value := getattr(windows, name)) > limit_s:
            raise SettingError(name, f"must be at most {limit_s:g}; got {value:g}")
    check_size(given.settings(DrawSettings), session.services.limits)
    newest = NewestWindow(length=round(windows.window_s * SAMPLING_RATE), hop=round(windows.hop_s * SAMPLING_RATE))
    await session.run(newest, windows.sampling_rate or SAMPLING_RATE, _draw(session, given, newest))


async def _draw(session: LiveSession, given: Given, newest: NewestWindow) -> None:
    """Send a picture of each newest window, or that there is nothing to hear in it."""
    entry, drawing = given.model, given.settings(DrawSettings)
    if drawing.seed is None:
        (seed,) = expand_seeds(None, 1)
        drawing = replace(drawing, seed=seed)  # the same for all pictures, so that they flow
    settings = await session.compute(entry, lambda model, _: _with_steps(drawing, model))
    await session.send("ready", model=entry.name)
    while (window := await newest.next()) is not None:
        times = {"start_s": window.start_s, "end_s": window.end_s, "skipped": window.skipped}
        level = await asyncio.to_thread(measure_level, window.samples)
        if level.is_silent:
            await session.send("silence", **times, detail=str(level))
            continue
        try:
            fields, png = await session.compute(entry, partial(_picture, window, settings, entry.name))
        except Busy:
            await asyncio.sleep(RETRY_S)
            newest.put_back()
            continue
        await session.send("picture", **times, **fields)
        await session.send_bytes(png)


def _with_steps(settings: DrawSettings, drawing: Drawing) -> DrawSettings:
    """Return settings with the default number of steps."""
    steps = settings.num_inference_steps or min(LIVE_STEPS, drawing.pipeline.num_inference_steps)
    return replace(settings, num_inference_steps=steps)


def _picture(
    window: LiveWindow, settings: DrawSettings, name: str, drawing: Drawing, ticket: Ticket
) -> tuple[dict[str, Any], bytes]:
    """Draw a window, and return what the message before its picture says, and the PNG."""
    recording = Waveform(window.samples)
    prompts, ranked = encode_and_rank(drawing.pipeline, drawing.ranker, [("live", recording)], batch_size=1)
    (drawn,) = draw_prompts(
        drawing.pipeline,
        prompts,
        ranked,
        given=settings,
        decoded=settings,
        mixing=MixSettings(),
        models={"model": name},
        callback_on_step=ticket.report,
    )
    fields = drawn.as_dict()
    return {"known": fields["known"], "heard": fields["heard"], **drawn.images[0].as_dict()}, drawn.images[0].png
