"""POST /v1/sound: sound that is generated from text."""

from __future__ import annotations

import base64
import math
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from photism.audio.reading_settings import ReadingSettings
from photism.audio.writing import check_channels
from photism.audioldm2.settings import SeededSoundSettings, parse_span
from photism.audioldm2.sound_files import sounds_of
from photism.server.answers.accept import VARY, choose
from photism.server.answers.run import run_for
from photism.server.answers.sse import event_stream
from photism.server.fields.body import RequestBody
from photism.server.media_types import EVENT_STREAM, FLAC, JSON, MP3, OGG, WAV
from photism.server.services import services_of
from photism.settings import REQUIRED, SettingError, setting, settings

if TYPE_CHECKING:
    from photism.audio.sources import SoundFile
    from photism.audioldm2.pipeline import AudioLDM2Pipeline
    from photism.audioldm2.settings import SoundSettings
    from photism.audioldm2.sound_files import GeneratedSound
    from photism.server.engine.ticket import Ticket
    from photism.server.settings import LimitSettings

SoundFormat: TypeAlias = Literal["wav", "flac", "ogg", "mp3"]
MEDIA_TYPES: dict[str, SoundFormat] = {
    WAV: "wav",
    FLAC: "flac",
    OGG: "ogg",
    MP3: "mp3",
}
"""Format of a single sound by media type."""
MAX_ORIGINAL_SAMPLES = 60 * 48_000 * 8
"""Most samples, in all channels, of a recording to start from."""
ONE_SOUND = "Accept application/json for several sounds."


@settings
class SoundFields:
    """What is generated, and in which form it is returned."""

    text: tuple[str, ...] = setting(REQUIRED, "Description of the sound; may be given several times.")
    all_candidates: bool = setting(False, "Return all candidates, the best first.", flag="--all")
    response_format: SoundFormat = setting("wav", "Format of the sounds in JSON.", choices=get_args(SoundFormat))

    def check(self) -> None:
        """Check that there is a text.

        Raises:
            SettingError: there is none.
        """
        if not self.text:
            raise SettingError("text", "must have at least one text")


BODY = RequestBody(SoundFields, SeededSoundSettings, ReadingSettings, model="sound", example={"text": ["a rooster"]})
SCHEMA = {
    "type": "object",
    "properties": {
        "texts": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "text": {"type": "string"},
                    "sounds": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {
                                "seed": {"type": "integer"},
                                "score": {"type": "number", "description": "CLAP similarity to the text, -1 to 1."},
                                "seconds": {"type": "number"},
                                "format": {"enum": list(get_args(SoundFormat))},
                                "audio": {"type": "string", "contentEncoding": "base64"},
                            },
                        },
                    },
                },
            },
        }
    },
}
CONTENT: dict[str, Any] = {
    **{media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in MEDIA_TYPES},
    JSON: {"schema": SCHEMA},
    EVENT_STREAM: {"schema": {"type": "string"}},
}

ROUTER = APIRouter(tags=["audio"])


@ROUTER.post(
    "/v1/sound",
    summary="Generate sound from text",
    openapi_extra=BODY.openapi(),
    responses={200: {"description": "The sound, or all sounds with their seeds and scores.", "content": CONTENT}},
    response_class=Response,
)
async def generate_sound(request: Request) -> Response:
    """Return a generated sound as WAV, FLAC, Ogg Opus or MP3, by Accept; or as JSON, any number of sounds in base64.

    A file holds its text, seed, model and settings in its tags. With `Accept: text/event-stream`, the denoising steps
    are reported, and the last event has the JSON object.
    """
    async with AsyncExitStack() as stack:
        given = await stack.enter_async_context(BODY.read(request))
        entry, limits = given.model, services_of(request).limits
        fields, generation = given.settings(SoundFields), given.settings(SeededSoundSettings)
        count = generation.num_waveforms_per_prompt if fields.all_candidates else 1
        is_one = len(fields.text) * count == 1
        offered = (*MEDIA_TYPES, JSON, EVENT_STREAM) if is_one else (JSON, EVENT_STREAM)
        media_type = choose(request, offered, remedy=None if is_one else ONE_SOUND)
        format_ = MEDIA_TYPES.get(media_type, fields.response_format)

        def work(pipeline: AudioLDM2Pipeline, ticket: Ticket) -> dict[str, Any]:
            """Generate the sounds, and encode them."""
            chosen = with_original(generation, f".{format_}")
            check_total_length(pipeline, chosen, len(fields.text), limits)
            generated = pipeline(list(fields.text), callback_on_step=ticket.report, **vars(chosen))
            texts: list[dict[str, Any]] = []
            for row, text in enumerate(fields.text):
                sounds = sounds_of(text, row, count, generated, pipeline, model=entry.name)
                texts.append({"text": text, "sounds": [_as_object(sound, format_) for sound in sounds]})
            return {"texts": texts}

        if media_type == EVENT_STREAM:
            return await event_stream(request, entry, work, _with_base64, resources=stack.pop_all())
        found = await run_for(request, entry, work)
        if media_type == JSON:
            return JSONResponse(await run_in_threadpool(_with_base64, found), headers=VARY)
        return Response(found["texts"][0]["sounds"][0]["audio"], media_type=media_type, headers=VARY)


def with_original(generation: SeededSoundSettings, suffix: str) -> SeededSoundSettings:
    """Return settings whose recording to start from is read, if there is one.

    Args:
        generation: settings with a recording of a request, whose duration was checked.
        suffix: suffix of the files of the sounds.

    Raises:
        InputError: the recording has more samples than `MAX_ORIGINAL_SAMPLES`, or a file cannot hold its channels.
    """
    sound: SoundFile | None = generation.audio
    if sound is None:
        return generation
    import av

    from photism.audio.original import load_original

    with av.open(sound.open()) as container:
        context = container.streams.audio[0].codec_context
        samples = context.rate * context.channels * sound.decoded.duration_s if sound.decoded else math.inf
    if samples > MAX_ORIGINAL_SAMPLES:
        raise SettingError(
            "audio", f"must have at most {MAX_ORIGINAL_SAMPLES:,} samples in all channels; got {samples:,.0f}"
        )
    original = load_original(sound)
    if generation.span_s is not None:
        check_channels(Path(f"sound{suffix}"), len(original.samples))
    return replace(generation, audio=original)


def check_total_length(pipeline: AudioLDM2Pipeline, settings: SoundSettings, texts: int, limits: LimitSettings) -> None:
    """Check the length of all waveforms of a request together.

    Args:
        pipeline: pipeline that generates them.
        settings: settings, whose recording is read.
        texts: number of texts.
        limits: limits of the server.

    Raises:
        SettingError: they are longer than a recording may be.
    """
    length_s = settings.audio_length_in_s
    if length_s is None and settings.audio is not None:
        recorded_s = settings.audio.samples.shape[1] / settings.audio.sampling_rate
        length_s = recorded_s if settings.span_s is None else max(recorded_s, parse_span(settings.span_s)[1])
    if length_s is None:
        checkpoint = pipeline.checkpoint
        length_s = checkpoint.window_frames * checkpoint.latent_samples / checkpoint.sampling_rate
    total_s = texts * settings.num_waveforms_per_prompt * length_s
    if total_s > limits.max_seconds:
        raise SettingError(
            "audio_length_in_s",
            f"times the number of texts and {{}} must be at most {limits.max_seconds:g} s; got {total_s:g}",
            "num_waveforms_per_prompt",
            values={"maximum": limits.max_seconds * length_s / total_s},
        )


def _as_object(sound: GeneratedSound, format_: SoundFormat) -> dict[str, Any]:
    """Return the fields of a sound, with its file."""
    return {**sound.entry, "seconds": sound.seconds, "format": format_, "audio": sound.encode(f".{format_}")}


def _with_base64(found: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON object of sounds, with their files in base64."""
    return {
        "texts": [
            {
                **each,
                "sounds": [{**sound, "audio": base64.b64encode(sound["audio"]).decode()} for sound in each["sounds"]],
            }
            for each in found["texts"]
        ]
    }
