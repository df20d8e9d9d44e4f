"""photism transcribe: speech recognition of files, a pipe or a microphone."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import typer

from photism.audio.reading_settings import ReadingSettings
from photism.cli.live import transcribe_live
from photism.cli.progress import end_with_skipped, recordings_bar
from photism.cli.recordings import open_recordings, skip_and_release
from photism.cli.startup import startup
from photism.errors import InputError
from photism.listening.transcription.decoding_options import (
    RecognizerModelSettings,
    StreamingSettings,
    TranscribeSettings,
)
from photism.listening.transcription.reference_text import ReferenceText, read_references
from photism.listening.transcription.transcript import describe_mismatch
from photism.listening.transcription.transcript_files import TEXT, TranscriptOutput, TranscriptWriter
from photism.output_files import STANDARD_INPUT

MICROPHONE = "microphone"


def transcribe(
    *,
    recordings: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOUND...",
            help="Audio or video files, or URLs; - for standard input, which is transcribed live if it is alone.",
        ),
    ] = None,
    model: RecognizerModelSettings,
    settings: TranscribeSettings,
    streaming: StreamingSettings,
    reading: ReadingSettings,
    output: TranscriptOutput,
    microphone: Annotated[bool, typer.Option("--microphone", help="Transcribe the microphone until Ctrl-C.")] = False,
    input_device: Annotated[
        str | None, typer.Option(metavar="NAME", help="Microphone by its FFmpeg name. Default: the system's.")
    ] = None,
    raw: Annotated[
        float | None,
        typer.Option(metavar="HZ", help="Sampling rate of raw 16-bit mono samples on standard input."),
    ] = None,
    transcript: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|FOLDER",
            help="Transcript whose words and lines get times: text, or subtitles in srt or vtt; or folder with a file "
            "per recording, such as talk.txt for talk.wav. Default output format: srt.",
        ),
    ] = None,
) -> None:
    """Transcribe speech with a CTC model, with the times of words, or find the times of a given transcript.

    Unreadable recordings are reported and skipped; the exit status is then 2.

    Examples:
        photism transcribe interview.mp3 --model facebook/wav2vec2-base-960h --hot-word Photism -o interview.srt
        photism transcribe talk.mp4 --model facebook/wav2vec2-base-960h --transcript talk.txt -o talk.srt
    """
    recordings = recordings or []
    is_live = microphone or (recordings == [STANDARD_INPUT] and transcript is None)
    _check_source(recordings, is_live=is_live, microphone=microphone, raw=raw, input_device=input_device)
    if is_live and reading.strict:
        raise InputError("--strict is for files: of a live recording it is not known how long it should be")
    files = open_recordings(recordings, reading)
    references: list[ReferenceText] | None = None
    if transcript is not None:
        output = _check_alignment(settings, output, is_live=is_live)
        references = read_references([file.name for file in files], transcript)
    writer = TranscriptWriter([MICROPHONE] if microphone else [file.name for file in files], output)
    with startup():
        from photism.listening.transcription.transcriber import Transcriber

        transcriber = Transcriber.from_pretrained(**vars(model))
    if is_live:
        from photism.audio.live_input import microphone_samples, pipe_samples

        if microphone:
            blocks = microphone_samples(input_device, reading=reading)
        else:
            blocks = pipe_samples(sys.stdin.buffer, raw_rate=raw, reading=reading)
        transcribe_live(transcriber.stream(streaming, settings), blocks, writer)
        return
    with recordings_bar("transcribing", len(files)) as bar, writer.open(bar.echo):
        skip = skip_and_release(bar, files)
        if references is None:
            found = transcriber.transcribe(files, settings, on_error=skip, on_progress=bar.advance)
        else:
            found = transcriber.align_transcripts(files, references, settings, on_error=skip, on_progress=bar.advance)
        for number, each in found:
            writer.write(number, each, warnings=files[number].warnings)
            files[number].release()
            if references is not None and (problem := describe_mismatch(each)):
                bar.echo(f"photism: {files[number].name}: {problem}\n", err=True)
    end_with_skipped(bar.skipped, len(files))


def _check_alignment(settings: TranscribeSettings, output: TranscriptOutput, *, is_live: bool) -> TranscriptOutput:
    """Return the output of an alignment, by default subtitles."""
    if is_live:
        raise InputError("--transcript is for files; transcribe a live recording without it")
    if not settings.is_greedy:
        raise InputError("--transcript is the text: omit --beams, --hot-word and --lm, which search for one")
    names_text = output.format == TEXT or (output.output or "").lower().endswith(f".{TEXT}")
    if names_text and output.chosen_format == TEXT:
        raise InputError("--transcript finds times, which txt cannot hold; choose srt, vtt, tsv, json, ctm or textgrid")
    return replace(output, format="srt") if output.chosen_format == TEXT and not output.as_json else output


def _check_source(
    recordings: Sequence[str], *, is_live: bool, microphone: bool, raw: float | None, input_device: str | None
) -> None:
    if microphone and recordings:
        raise InputError("--microphone and SOUND exclude each other; give one of them")
    if not recordings and not microphone:
        raise InputError("SOUND is missing: give files or URLs, - for standard input, or --microphone")
    if raw is not None and (microphone or not is_live):
        raise InputError("--raw is for standard input: give - as SOUND, or omit --raw")
    if input_device is not None and not microphone:
        raise InputError("--input-device is for the microphone: add --microphone, or omit --input-device")
