"""POST /v1/transcribe: speech recognition, or the times of a given transcript, with words as they become final."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from photism.audio.reading_settings import ReadingSettings
from photism.errors import InputError, warning_field
from photism.jobs.job import Outcome
from photism.jobs.text_formats import transcript_format
from photism.jobs.transcribe_job import COLUMNS
from photism.listening.transcription.decoding_options import TranscribeSettings
from photism.listening.transcription.reference_text import ReferenceText
from photism.server.answers.accept import VARY, choose
from photism.server.answers.long_work import is_long, report_seconds
from photism.server.answers.rows import row_responses, row_schema
from photism.server.answers.run import run_for
from photism.server.answers.sse import event_stream
from photism.server.fields.body import Given, RequestBody
from photism.server.fields.field_set import FileField
from photism.server.media_types import CSV, EVENT_STREAM, JSON, SUBRIP, TEXT, TSV, WEBVTT
from photism.settings import SettingError, setting, settings

if TYPE_CHECKING:
    from photism.listening.transcription.transcriber import Transcriber
    from photism.listening.transcription.transcript import Transcript, Word
    from photism.server.engine.ticket import Ticket

FORMATS = {TEXT: "txt", SUBRIP: "srt", WEBVTT: "vtt", TSV: "tsv", CSV: "csv"}
"""Format of the command line for each media type of transcripts, apart from JSON."""


@settings
class TranscriptFields:
    """A given transcript, and the form of the answer."""

    transcript: str | None = setting(
        None,
        "Text that is spoken in the recording, as a text file or subtitles in SubRip or WebVTT: its words get their "
        "times. Default: the words are recognised.",
        file="text",
    )
    words: bool = setting(
        False, "Make a subtitle or row for each word; in JSON, add the characters of words with their times."
    )


BODY = RequestBody(
    TranscriptFields,
    TranscribeSettings,
    ReadingSettings,
    model="recognizer",
    files={"file": FileField("Recording to transcribe.", is_long=True)},
)
ROUTER = APIRouter(tags=["listening"])


@ROUTER.post(
    "/v1/transcribe",
    name="transcribe_recording",
    summary="Transcribe a recording, or find the times of its words",
    openapi_extra=BODY.openapi(),
    responses=row_responses(row_schema(COLUMNS), FORMATS),
    response_class=Response,
)
async def transcribe(request: Request) -> Response:
    """Transcribe a recording, or find the times of the words of a given transcript.

    A stream of events has `words` as soon as they are final: a recording that is longer than a window of 60 s with
    Wav2Vec2-BERT, or 30 s otherwise, is then computed in such windows by default.
    """
    async with AsyncExitStack() as stack:
        given = await stack.enter_async_context(BODY.read(request, _check_transcript))
        fields, (name,) = given.settings(TranscriptFields), given.filenames["file"]
        media_type = choose(request, (JSON, *FORMATS, EVENT_STREAM))
        sends_words, is_job = media_type == EVENT_STREAM, is_long(given.sound, request)

        def work(transcriber: Transcriber, ticket: Ticket) -> Transcript:
            """Transcribe the recording, or align its transcript."""
            return _transcribe(transcriber, ticket, given, sends_words=sends_words)

        def as_json(transcript: Transcript) -> dict[str, Any]:
            """Return what the command prints."""
            row = transcript.as_dict(characters=fields.words)
            return {"file": name, **row, **warning_field(given.sound.warnings)}

        if media_type == EVENT_STREAM:
            kept = stack.pop_all()
            return await event_stream(request, given.model, work, as_json, is_job=is_job, resources=kept)
        transcript = await run_for(request, given.model, work, is_job=is_job)
        if media_type == JSON:
            return JSONResponse(await run_in_threadpool(as_json, transcript), headers=VARY)
        chosen = transcript_format(FORMATS[media_type], words=fields.words)
        outcome = Outcome(0, {}, transcript.duration_s, transcript)
        text = await run_in_threadpool(chosen.as_text, {"file": name}, outcome, name)
        return Response(f"{chosen.header}{text}", media_type=media_type, headers=VARY)


def _transcribe(transcriber: Transcriber, ticket: Ticket, given: Given, *, sends_words: bool) -> Transcript:
    decoding, on_progress = given.settings(TranscribeSettings), report_seconds(ticket)
    reference = _reference(given)
    if reference is not None:
        found = transcriber.align_transcripts(given.sound, [reference], decoding, on_progress=on_progress)
        return next(found)[1]
    if not sends_words:
        return next(transcriber.transcribe(given.sound, decoding, on_progress=on_progress))[1]

    def send(words: tuple[Word, ...]) -> None:
        """Send words that are final."""
        ticket.emit("words", {"words": [word.as_dict() for word in words]})

    return transcriber.transcribe_words(given.sound, send, decoding, on_progress=on_progress)


def _reference(given: Given) -> ReferenceText | None:
    """Return the given transcript.

    Raises:
        SettingError: it has no words.
    """
    text = given.settings(TranscriptFields).transcript
    try:
        return None if text is None else ReferenceText.parse(text)
    except InputError as error:
        raise SettingError("transcript", f"cannot be used: {error}") from None


def _check_transcript(given: Given) -> None:
    """Check that a given transcript has words, and that no others are searched for.

    Raises:
        SettingError: it has none, or they are.
    """
    if _reference(given) is not None and not given.settings(TranscribeSettings).is_greedy:
        raise SettingError("transcript", "is the text: omit {}, hot_word and lm_weight, which search for one", "beams")
