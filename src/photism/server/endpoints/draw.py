"""POST /v1/draw: images of a recording, or of several that are mixed."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from photism.audio.reading_settings import ReadingSettings
from photism.drawing.metadata import describe_models, encode_png
from photism.drawing.settings import DrawSettings, one_or_list
from photism.jobs.rows import json_value
from photism.prompts.diffusion.lora_weights import check_lora_names, default_weights, name_loras
from photism.prompts.settings import MixSettings, PipelineSettings
from photism.seeds import expand_seeds
from photism.server.answers.accept import VARY, choose
from photism.server.answers.run import run_for
from photism.server.answers.sse import event_stream
from photism.server.endpoints.image_limits import check_count, check_size
from photism.server.engine.work import Batchable
from photism.server.fields.body import Given, RequestBody
from photism.server.fields.field_set import FileField
from photism.server.media_types import EVENT_STREAM, JSON, PNG
from photism.server.services import services_of
from photism.settings import SettingError, declarations, field_name

if TYPE_CHECKING:
    from photism.audio.sources import SoundFile
    from photism.drawing.image_files import DrawnImages
    from photism.drawing.previews import Preview
    from photism.server.engine.entries import ModelEntry
    from photism.server.engine.kinds import Drawing
    from photism.server.engine.ticket import Ticket
    from photism.server.settings import LimitSettings

BODY = RequestBody(
    DrawSettings,
    MixSettings,
    ReadingSettings,
    model="drawing",
    files={"file": FileField("Recording to draw; with mix or morph, several.", is_list=True)},
)
"""Fields of a drawing."""
EMPTY: Mapping[str, float] = MappingProxyType({})
MAX_BATCH_PIXELS = 8 * 128**2
"""Pixels of the images of different requests that are drawn at once; larger images gain nothing from that."""
ONE_IMAGE = "Accept application/json for several images, or set images to 1."
SCHEMA = {
    "type": "object",
    "properties": {
        "file": {"type": "string"},
        "known": {"type": ["boolean", "null"]},
        "heard": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"caption": {"type": "string"}, "score": {"type": "number"}},
            },
        },
        "warnings": {"type": "array", "items": {"type": "string"}},
        "sounds": {"type": "array", "description": "Each recording, in place of the above, if they were mixed."},
        "pictures": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "width": {"type": "integer"},
                    "height": {"type": "integer"},
                    "seed": {"type": "integer"},
                    "nsfw_content_detected": {"type": "boolean"},
                    "png": {"type": "string", "contentEncoding": "base64", "contentMediaType": PNG},
                },
            },
        },
        "settings": {"type": "object", "description": "Models and settings that generated the images."},
    },
}
ROUTER = APIRouter()


class Recordings(NamedTuple):
    """What may differ in requests that are drawn together.

    Attributes:
        sounds: names and recordings.
        seed: seed of the first image, or of each one.
        preview_steps: denoising steps from one preview to the next; None for no previews.
    """

    sounds: Sequence[tuple[str, SoundFile]]
    seed: int | Sequence[int] | None
    preview_steps: int | None


@ROUTER.post(
    "/v1/draw",
    summary="Draw a recording",
    tags=["drawing"],
    openapi_extra=BODY.openapi(),
    responses={
        200: {
            "description": "The image, or all images with what was recognised.",
            "content": {
                PNG: {"schema": {"type": "string", "format": "binary"}},
                JSON: {"schema": SCHEMA},
                EVENT_STREAM: {"schema": {"type": "string"}},
            },
        }
    },
    response_class=Response,
)
async def draw(request: Request) -> Response:
    """Return an image of a recording as PNG; or as JSON, any number of images with what was recognised.

    A PNG holds its seed, model and settings as metadata. With `Accept: text/event-stream`, the denoising steps are
    reported, with `preview_steps` also previews of the images, and the last event has the JSON object.
    """
    async with BODY.read(request, partial(_check, limits=services_of(request).limits)) as given:
        is_one = given.settings(DrawSettings).images_per_sound == 1
        offered = (PNG, JSON, EVENT_STREAM) if is_one else (JSON, EVENT_STREAM)
        media_type = choose(request, offered, remedy=None if is_one else ONE_IMAGE)
        entry, work = given.model, _work(given)
        if media_type == EVENT_STREAM:
            return await event_stream(request, entry, work, _as_object)
        drawn = await run_for(request, entry, work)
        if media_type == PNG:
            return Response(drawn.images[0].png, media_type=PNG, headers=VARY)
        return await run_in_threadpool(lambda: JSONResponse(_as_object(drawn), headers=VARY))


def _check(given: Given, limits: LimitSettings) -> None:
    """Check the number of recordings, and the number and size of images.

    Raises:
        SettingError: there are more than one answer has, or than the server allows; or the model has no such LoRA.
    """
    wanted, mixing = given.settings(DrawSettings), given.settings(MixSettings)
    check_lora_names(wanted.weight_of_loras, default_weights(given.model.settings))
    if len(mixing.groups(given.filenames["file"])) > 1:
        raise SettingError("file", "must be given once, unless {} or {} is given", "mix", "morph")
    check_count(wanted, mixing, limits)
    check_size(wanted, limits)


def _work(given: Given) -> Batchable[Recordings, DrawnImages]:
    """Return the work of a request: its recordings with their names and, unless they are mixed, the seeds.

    Requests that differ in the recording, its seed and the previews only are drawn together.
    """
    wanted, mixing, names = given.settings(DrawSettings), given.settings(MixSettings), given.filenames["file"]
    item = Recordings(tuple(zip(names, given.sounds["file"], strict=True)), wanted.seed, wanted.preview_steps)
    is_plain = mixing.name is None and not any(
        getattr(wanted, name) for name, declared in declarations(DrawSettings).items() if declared.file == "image"
    )

    def draw_all(drawing: Drawing, items: Sequence[Recordings], ticket: Ticket) -> list[DrawnImages]:
        """Draw the recordings of requests with the same settings."""
        from photism.audio.long_recording import load_recording
        from photism.jobs.drawn_recordings import draw_prompts, encode_and_rank

        steps = [item.preview_steps for item in items if item.preview_steps is not None]
        decoded = replace(wanted.decoded(), preview_steps=min(steps, default=None))
        if len(items) > 1:
            count = wanted.images_per_sound
            seeds = [each for item in items for each in expand_seeds(item.seed, count, count_name="images_per_sound")]
            decoded = replace(decoded, seed=seeds, batch_size=max(decoded.batch_size, len(seeds)))
        pipeline = drawing.pipeline.for_task(wanted.task)
        recordings = [(name, load_recording(sound)) for item in items for name, sound in item.sounds]
        prompts, ranked = encode_and_rank(pipeline, drawing.ranker, recordings, batch_size=wanted.batch_size)
        ranked = [  # with the warnings that the command line prints on the error stream
            each._replace(warnings=(*each.warnings, *recording.level.warnings))
            for each, (_, recording) in zip(ranked, recordings, strict=True)
        ]
        ticket.check()
        return list(
            draw_prompts(
                pipeline,
                prompts,
                ranked,
                given=_with_file_names(wanted, given),
                decoded=decoded,
                mixing=mixing,
                models=describe_entry(given.model, wanted.weight_of_loras),
                callback_on_step=ticket.report,
                callback_on_preview=partial(_emit_preview, items, wanted.images_per_sound, ticket),
            )
        )

    key = ("draw", replace(wanted, seed=None, preview_steps=None)) if is_plain else object()  # which equals no other
    return Batchable(key, item, partial(_share, wanted=wanted), draw_all)


def _emit_preview(items: Sequence[Recordings], images_per_item: int, ticket: Ticket, preview: Preview) -> None:
    """Send each client that wants previews its images, numbered as in the result."""
    pictures: dict[int, list[dict[str, Any]]] = {}
    for number, image in enumerate(preview.images, preview.first):
        item, own = divmod(number, images_per_item) if len(items) > 1 else (0, number)
        if items[item].preview_steps is not None:
            png = base64.b64encode(encode_png(image, {})).decode()
            pictures.setdefault(item, []).append({"number": own, "png": png})
    for item, found in pictures.items():
        data = {"done": preview.done, "total": preview.total, "pictures": found}
        ticket.of_item(item).emit("preview", data, replaces=True)


def _share(drawing: Drawing, wanted: DrawSettings) -> float:
    """Return the part of a full batch that the images of a recording are."""
    from photism.drawing.conditioning_images import ConditioningImages
    from photism.drawing.image_size import choose_size

    diffusion = drawing.pipeline.diffusion
    height, width = choose_size(diffusion, ConditioningImages(), height=wanted.height, width=wanted.width)
    return wanted.images_per_sound * height * width / MAX_BATCH_PIXELS


def _as_object(drawn: DrawnImages) -> dict[str, Any]:
    """Return the JSON object of images: that of the command line, with the images and the settings that were used."""
    fields = drawn.as_dict()
    for picture, image in zip(fields["pictures"], drawn.images, strict=True):
        picture["png"] = base64.b64encode(image.png).decode()
    return json_value(fields | {"settings": {name: value for name, value in drawn.about.items() if value is not None}})


def _with_file_names(wanted: DrawSettings, given: Given) -> DrawSettings:
    """Return settings with the client's names of images in place of the images, for the metadata."""
    names = {
        name: given.filenames.get(field_name(name, declared), ())
        for name, declared in declarations(DrawSettings).items()
        if declared.file is not None
    }
    return replace(wanted, **{name: one_or_list(list(found)) for name, found in names.items() if found})


def describe_entry(entry: ModelEntry, lora_weights: Mapping[str, float] = EMPTY) -> dict[str, Any]:
    """Return which models generate an image, as its metadata names them: without folders of the server.

    Args:
        entry: the model.
        lora_weights: weights of LoRAs that differ from those that it was loaded with, by their names.
    """
    settings: PipelineSettings = entry.settings
    names = name_loras(source for source, _ in settings.loras)
    loras = [(source, lora_weights.get(names[source], weight)) for source, weight in settings.loras]
    named = replace(
        settings,
        lora=[(_without_folders(source), weight) for source, weight in loras if weight] or None,
        embedding=[(_without_folders(source), token) for source, token in settings.embeddings] or None,
        controlnet=[_without_folders(each) for each in settings.controlnets] or None,
        **{name: _without_folders(getattr(settings, name)) for name in ("diffusion", "vae", "ip_adapter")},
    )
    return {**describe_models(named), "model": entry.name}


def _without_folders(source: Any) -> Any:
    """Return the name of a file or folder of the server, and anything else, such as the id of a hub, as it is."""
    is_path = isinstance(source, str | Path) and Path(source).exists()
    return Path(source).name if is_path else source
