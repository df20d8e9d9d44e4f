"""POST /v1/audio/speech: text to speech, with the fields and answers of OpenAI's endpoint."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np
from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from photism.audio.tempo import change_tempo
from photism.audioldm2.settings import SPEECH_CHECKPOINTS, SeededSoundSettings
from photism.audioldm2.sound_files import sounds_of
from photism.server.answers.run import run_for
from photism.server.endpoints.sound import check_total_length
from photism.server.fields.body import RequestBody
from photism.server.media_types import FLAC, MP3, OGG, WAV
from photism.server.services import services_of
from photism.settings import REQUIRED, SettingError, setting, settings

if TYPE_CHECKING:
    from photism.audioldm2.pipeline import AudioLDM2Pipeline
    from photism.audioldm2.sound_files import GeneratedSound
    from photism.server.engine.ticket import Ticket

SpeechFormat: TypeAlias = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]
FORMATS: dict[str, tuple[str, str]] = {
    "mp3": (".mp3", MP3),
    "opus": (".ogg", OGG),
    "aac": (".aac", "audio/aac"),
    "flac": (".flac", FLAC),
    "wav": (".wav", WAV),
}
"""Suffix and media type of each format of a file."""
PCM_TYPE, PCM_RATE = "audio/pcm", 24_000
"""Media type, and sampling rate in Hz, of 16-bit samples without a header, as OpenAI's clients expect them."""
NEUTRAL_VOICE = "A person is speaking"
OPENAI_VOICES = (
    "alloy",
    "ash",
    "ballad",
    "cedar",
    "coral",
    "echo",
    "fable",
    "marin",
    "nova",
    "onyx",
    "sage",
    "shimmer",
    "verse",
)
"""Names of OpenAI's voices, which do not describe a speaker."""


@settings
class SpeechFields:
    """Fields of OpenAI's endpoint."""

    input: str = setting(REQUIRED, "Words to speak.")
    voice: str = setting(
        NEUTRAL_VOICE,
        "Description of the speaker, such as: A female reporter is speaking. The names of OpenAI's voices stand for "
        "the default.",
    )
    instructions: str | None = setting(None, "Further description of the speech, which follows that of the speaker.")
    response_format: SpeechFormat = setting(
        "mp3",
        "Format of the answer; pcm is 16-bit little-endian samples at 24 kHz without a header.",
        choices=get_args(SpeechFormat),
    )
    speed: float = setting(1.0, "Tempo of the speech, whose pitch stays.", minimum=0.25, maximum=4)
    stream_format: Literal["audio"] = setting("audio", "What is sent: the audio, as a whole.", choices=("audio",))

    def check(self) -> None:
        """Check that there are words.

        Raises:
            SettingError: there are none.
        """
        if not self.input.strip():
            raise SettingError("input", "must have words to speak")

    @property
    def prompt(self) -> str:
        """Description of the speaker and of the speech."""
        voice = NEUTRAL_VOICE if self.voice.lower() in OPENAI_VOICES else self.voice
        return voice if self.instructions is None else f"{voice}. {self.instructions}"


BODY = RequestBody(
    SpeechFields,
    SeededSoundSettings,
    model="sound",
    without=("transcription", "audio", "strength", "span_s", "loop", "batch_size"),
    example={"input": "One, two, three."},
)

ROUTER = APIRouter(tags=["audio"])


@ROUTER.post(
    "/v1/audio/speech",
    summary="Generate speech from text",
    openapi_extra=BODY.openapi(),
    responses={
        200: {
            "description": "The speech.",
            "content": {
                media_type: {"schema": {"type": "string", "format": "binary"}}
                for media_type in (*(each for _, each in FORMATS.values()), PCM_TYPE)
            },
        }
    },
    response_class=Response,
)
async def speak(request: Request) -> Response:
    """Speak a text, as OpenAI's endpoint does, by a checkpoint of AudioLDM 2 that generates speech.

    Of several candidates, the one that is most similar to the description of the speaker is returned.
    """
    async with BODY.read(request) as given:
        entry, limits = given.model, services_of(request).limits
        fields = given.settings(SpeechFields)
        generation = replace(given.settings(SeededSoundSettings), transcription=fields.input)

        def work(pipeline: AudioLDM2Pipeline, ticket: Ticket) -> GeneratedSound:
            """Generate the speech."""
            if not pipeline.checkpoint.is_speech:
                raise SettingError(
                    "model",
                    f"must generate speech, and {entry.name} does not; {' and '.join(SPEECH_CHECKPOINTS)} do: start "
                    "the server with --add NAME=ID",
                )
            check_total_length(pipeline, generation, 1, limits)
            try:
                generated = pipeline(fields.prompt, callback_on_step=ticket.report, **vars(generation))
            except SettingError as error:
                if error.name == "transcription":
                    raise SettingError("input", error.problem, *error.others) from error
                raise
            (sound,) = sounds_of(fields.prompt, 0, 1, generated, pipeline, model=entry.name)
            return sound

        sound = await run_for(request, entry, work)
        content, media_type = await run_in_threadpool(_encoded, sound, fields)
        return Response(content, media_type=media_type)


def _encoded(sound: GeneratedSound, fields: SpeechFields) -> tuple[bytes, str]:
    """Return the speech in the format of the answer, and its media type."""
    samples = change_tempo(sound.samples, fields.speed, sampling_rate=sound.sampling_rate)
    if fields.response_format == "pcm":
        import soxr

        scaled = np.rint(soxr.resample(samples, sound.sampling_rate, PCM_RATE) * 2**15)
        return scaled.clip(-(2**15), 2**15 - 1).astype("<i2").tobytes(), PCM_TYPE
    suffix, media_type = FORMATS[fields.response_format]
    return replace(sound, samples=samples).encode(suffix), media_type
