"""photism transcribe: speech recognition of files, a pipe or a microphone."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from photism.cli.live import transcribe_live
from photism.cli.progress import recordings_bar
from photism.cli.startup import startup
from photism.errors import InputError
from photism.listening.transcription.decoding_options import (
    RecognizerModelSettings,
    StreamingSettings,
    TranscribeSettings,
)
from photism.listening.transcription.transcript_files import TranscriptOutput, TranscriptWriter

PIPE = "-"
MICROPHONE = "microphone"


def transcribe(
    *,
    recordings: Annotated[
        list[str] | None,
        typer.Argument(metavar="SOUND...", help="Audio or video files, or URLs; - for standard input."),
    ] = None,
    model: RecognizerModelSettings,
    settings: TranscribeSettings,
    streaming: StreamingSettings,
    output: TranscriptOutput,
    microphone: Annotated[bool, typer.Option("--microphone", help="Transcribe the microphone until Ctrl-C.")] = False,
    input_device: Annotated[
        str | None, typer.Option(metavar="NAME", help="Microphone by its FFmpeg name. Default: the system's.")
    ] = None,
    raw: Annotated[
        float | None,
        typer.Option(metavar="HZ", help="Sampling rate of raw 16-bit mono samples on standard input."),
    ] = None,
) -> None:
    """Transcribe speech with a CTC model, with the times of words.

    Unreadable recordings are reported and skipped; the exit status is then 2.

    Examples:
        photism transcribe interview.mp3 --model facebook/wav2vec2-base-960h
        photism transcribe talk.mp4 --model facebook/wav2vec2-base-960h --hot-word Photism -o talk.srt
    """
    recordings = recordings or []
    is_live = microphone or recordings == [PIPE]
    _check_source(recordings, is_live=is_live, microphone=microphone, raw=raw, input_device=input_device)
    writer = TranscriptWriter([MICROPHONE] if microphone else recordings, output)
    with startup():
        from photism.listening.transcription.languages import some_languages
        from photism.listening.transcription.transcriber import Transcriber

        transcriber = Transcriber.from_pretrained(**vars(model))
    if model.language is None and len(transcriber.languages) > 1:
        others = ", ".join(some_languages(transcriber.languages, without=transcriber.language))
        typer.echo(
            f"photism: no --language was given, defaulted to {transcriber.language}; the model has "
            f"{len(transcriber.languages)} languages, such as {others}",
            err=True,
        )
    if is_live:
        from photism.audio.live_input import microphone_samples, pipe_samples

        blocks = microphone_samples(input_device) if microphone else pipe_samples(sys.stdin.buffer, raw_rate=raw)
        transcribe_live(transcriber.stream(streaming, settings), blocks, writer)
        return
    with recordings_bar("transcribing", len(recordings)) as bar, writer.open(bar.echo):
        found = transcriber.transcribe(recordings, settings, on_error=bar.skip, on_progress=bar.advance)
        for number, transcript in found:
            writer.write(number, transcript)


def _check_source(
    recordings: Sequence[str], *, is_live: bool, microphone: bool, raw: float | None, input_device: str | None
) -> None:
    if microphone and recordings:
        raise InputError("--microphone and SOUND exclude each other; give one of them")
    if not recordings and not microphone:
        raise InputError("SOUND is missing: give files or URLs, - for standard input, or --microphone")
    if PIPE in recordings and not is_live:
        raise InputError("- for standard input must be the only SOUND; transcribe the files in another command")
    if raw is not None and (microphone or not is_live):
        raise InputError("--raw is for standard input: give - as SOUND, or omit --raw")
    if input_device is not None and not microphone:
        raise InputError("--input-device is for the microphone: add --microphone, or omit --input-device")
