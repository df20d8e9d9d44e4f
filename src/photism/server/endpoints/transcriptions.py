"""POST /v1/audio/transcriptions: speech recognition, with the fields and answers of OpenAI's endpoint."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from photism.audio.reading_settings import ReadingSettings
from photism.errors import warning_field
from photism.listening.transcription.decoding_options import TranscribeSettings
from photism.listening.transcription.formats import write_transcript
from photism.listening.transcription.verbose_json import GRANULARITIES, as_verbose_json, duration_usage
from photism.server.answers.long_work import is_long, report_seconds
from photism.server.answers.run import cancelled_problem, run_for, start
from photism.server.answers.sse import EventStream, event, raise_refusal
from photism.server.engine.ticket import Cancelled, Ticket
from photism.server.fields.body import Given, RequestBody
from photism.server.fields.field_set import FileField
from photism.server.media_types import EVENT_STREAM, JSON, SUBRIP, TEXT, TSV, WEBVTT
from photism.server.problems import problem_for
from photism.settings import SettingError, setting, settings

if TYPE_CHECKING:
    from photism.audio.sources import SoundFile
    from photism.listening.transcription.transcriber import Transcriber
    from photism.listening.transcription.transcript import Transcript, Word
    from photism.server.engine.entries import ModelEntry

ResponseFormat: TypeAlias = Literal["json", "verbose_json", "text", "srt", "vtt", "tsv", "ctm", "textgrid"]
TEXT_FORMATS: dict[str, tuple[str, str]] = {
    "text": ("txt", TEXT),
    "srt": ("srt", SUBRIP),
    "vtt": ("vtt", WEBVTT),
    "tsv": ("tsv", TSV),
    "ctm": ("ctm", TEXT),
    "textgrid": ("textgrid", TEXT),
}
"""Format of `write_transcript`, and media type, of each form of the answer that is text."""
SEPARATORS = re.compile(r"[,;\n]")
PUNCTUATION = " \t.:!?\"'()[]“”‘’«»"
LANGUAGE_CODE = 3
"""Letters of the codes of languages in checkpoints with an adapter for each of several (ISO 639-3)."""
UNDETERMINED = "und"
"""Code of a language that is not known (ISO 639-2)."""


@settings
class TranscriptionFields:
    """Fields of OpenAI's endpoint that have no setting of the same name."""

    response_format: ResponseFormat = setting(
        "json",
        "Form of the transcript: its text as JSON, with times as verbose_json, or as plain text, subtitles or tables.",
        choices=get_args(ResponseFormat),
    )
    timestamp_granularities: tuple[str, ...] = setting(
        ("segment",), "What verbose_json lists with times: segment, word or both.", choices=GRANULARITIES
    )
    stream: bool = setting(False, "Send words as server-sent events as soon as they are final.")
    prompt: str | None = setting(
        None,
        "Words and names to favour, separated by commas, semicolons or lines, as hot_word lists them. The model does "
        "not continue it as a text.",
    )
    keywords: tuple[str, ...] = setting((), "Words and names to favour, as hot_word lists them.")
    language: str | None = setting(
        None,
        "Language of the recording. A model transcribes one language and does not change to another: a code of three "
        "letters must be that of a checkpoint with several languages; other codes are not compared.",
    )
    chunking_strategy: Literal["auto"] | None = setting(
        None, "auto transcribes detected speech only, as vad does.", choices=("auto",)
    )
    temperature: float = setting(0.0, "Has no effect: CTC models are decoded without sampling.", minimum=0, maximum=1)

    def check(self) -> None:
        """Check what the form of the answer can hold.

        Raises:
            SettingError: it cannot hold words with times, or cannot be streamed.
        """
        if "word" in self.timestamp_granularities and self.response_format != "verbose_json":
            problem = f"can have word if {{}} is verbose_json; got {self.response_format}"
            raise SettingError("timestamp_granularities", problem, "response_format")
        if self.stream and self.response_format not in ("json", "text"):
            raise SettingError("stream", f"needs {{}} json or text; got {self.response_format}", "response_format")

    @property
    def hot_words(self) -> tuple[str, ...]:
        """The words of `prompt` and `keywords`."""
        words = (each.strip(PUNCTUATION) for each in SEPARATORS.split(self.prompt or ""))
        return (*filter(None, words), *self.keywords)


BODY = RequestBody(
    TranscriptionFields,
    TranscribeSettings,
    ReadingSettings,
    model="recognizer",
    files={"file": FileField("Recording to transcribe.", is_long=True)},
)
TEXT_SCHEMA = {"schema": {"type": "string"}}
TRANSCRIPT = {
    "type": "object",
    "required": ["text", "usage"],
    "properties": {
        "text": {"type": "string"},
        "usage": {"type": "object"},
        "language": {"type": "string"},
        "duration": {"type": "number"},
        "segments": {"type": "array", "items": {"type": "object"}},
        "words": {"type": "array", "items": {"type": "object"}},
        "warnings": {"type": "array", "items": {"type": "string"}},
    },
}
CONTENT: dict[str, Any] = {
    JSON: {"schema": TRANSCRIPT},
    **{media_type: TEXT_SCHEMA for _, media_type in TEXT_FORMATS.values()},
    EVENT_STREAM: TEXT_SCHEMA,
}

ROUTER = APIRouter(tags=["audio"])


@ROUTER.post(
    "/v1/audio/transcriptions",
    summary="Transcribe a recording",
    openapi_extra=BODY.openapi(),
    responses={200: {"description": "The transcript.", "content": CONTENT}},
    response_class=Response,
)
async def transcribe(request: Request) -> Response:
    """Transcribe a recording, as OpenAI's endpoint does, by a CTC model that the server was started with.

    With `stream`, the answer has an event `transcript.text.delta` for words that are final, and in the end
    `transcript.text.done` with the whole text.
    """
    async with AsyncExitStack() as stack:
        given = await stack.enter_async_context(BODY.read(request))
        entry, fields = given.model, given.settings(TranscriptionFields)
        decoding = _decoding(given)
        if fields.stream:
            return await _stream(request, entry, given.sound, fields, decoding, stack)

        def work(transcriber: Transcriber, ticket: Ticket) -> tuple[Transcript, str]:
            """Transcribe the recording, and return its language too."""
            language = _checked_language(fields, transcriber)
            found = transcriber.transcribe(given.sound, decoding, on_progress=report_seconds(ticket))
            return next(found)[1], language

        transcript, language = await run_for(request, entry, work, is_job=is_long(given.sound, request))
        if fields.response_format in TEXT_FORMATS:
            format_, media_type = TEXT_FORMATS[fields.response_format]
            return Response(await run_in_threadpool(write_transcript, transcript, format_), media_type=media_type)
        values = await run_in_threadpool(_as_json, transcript, fields, language)
        return JSONResponse({**values, **warning_field(given.sound.warnings)})


def _decoding(given: Given) -> TranscribeSettings:
    """Return the settings of the transcription, with the hot words and the chunking of OpenAI's fields."""
    fields, chosen = given.settings(TranscriptionFields), given.settings(TranscribeSettings)
    return replace(
        chosen,
        hot_words=(*chosen.hot_words, *fields.hot_words),
        vad=chosen.vad or fields.chunking_strategy is not None,
    )


def _as_json(transcript: Transcript, fields: TranscriptionFields, language: str) -> dict[str, Any]:
    if fields.response_format == "verbose_json":
        return as_verbose_json(transcript, language=language, granularities=fields.timestamp_granularities)
    return {"text": transcript.text, "usage": duration_usage(transcript)}


def _checked_language(fields: TranscriptionFields, transcriber: Transcriber) -> str:
    """Return the language of a transcript.

    Raises:
        SettingError: the model was loaded with another language.
    """
    loaded, given = transcriber.language, fields.language
    if loaded is not None and given is not None and len(given) == LANGUAGE_CODE and given != loaded:
        raise SettingError("language", f"must be {loaded}, with which the model was loaded; got {given}")
    return loaded or given or UNDETERMINED


async def _stream(
    request: Request,
    entry: ModelEntry,
    sound: SoundFile,
    fields: TranscriptionFields,
    decoding: TranscribeSettings,
    stack: AsyncExitStack,
) -> Response:
    """Return an answer that streams words; the uploaded recording is removed when it ends."""
    loop, deltas = asyncio.get_running_loop(), asyncio.Queue[str | None]()

    def work(transcriber: Transcriber, ticket: Ticket) -> Transcript:
        """Transcribe the recording, and queue its words."""
        _checked_language(fields, transcriber)
        separator = transcriber.acoustic_model.vocabulary.separator
        before = ""

        def on_words(words: tuple[Word, ...]) -> None:
            """Queue final words."""
            nonlocal before
            delta = before + separator.join(word.text for word in words)
            before = separator
            with suppress(RuntimeError):  # the loop is closed: the server has ended
                loop.call_soon_threadsafe(deltas.put_nowait, delta)

        return transcriber.transcribe_words(sound, on_words, decoding, on_progress=report_seconds(ticket))

    ticket, running = start(request, entry, work, is_job=is_long(sound, request))
    running.add_done_callback(lambda _: deltas.put_nowait(None))
    await raise_refusal(running)
    events = _events(request, running, deltas, sound)
    return EventStream(events, on_close=ticket.cancel, resources=stack.pop_all())


async def _events(
    request: Request, running: asyncio.Task[Transcript], deltas: asyncio.Queue[str | None], sound: SoundFile
) -> AsyncGenerator[bytes]:
    """Yield OpenAI's events of a transcription."""
    while (delta := await deltas.get()) is not None:
        yield _event("transcript.text.delta", delta=delta)
    try:
        transcript = await running
    except Cancelled:
        yield event("error", cancelled_problem(by_client=False).content(request.scope))
    except Exception as error:
        yield event("error", problem_for(request, error).content(request.scope))
    else:
        warnings = warning_field(sound.warnings)
        yield _event("transcript.text.done", text=transcript.text, usage=duration_usage(transcript), **warnings)


def _event(type_: str, **fields: Any) -> bytes:
    return event(type_, {"type": type_, **fields})
