"""photism transcribe: speech recognition of files, a pipe or a microphone."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from photism.audio.reading_settings import ReadingSettings
from photism.cli import options as option
from photism.cli.live_transcript import transcribe_live
from photism.cli.output_settings import TEXT, TranscriptOutput
from photism.cli.outputs import OutputChoice, OutputPlan, row_without_id
from photism.cli.process import process
from photism.cli.startup import startup
from photism.errors import InputError
from photism.jobs.job import Outcome
from photism.jobs.settings import RunSettings
from photism.jobs.transcribe_job import TranscribeJob
from photism.listening.label_formats import as_json
from photism.listening.transcription.decoding_options import (
    RecognizerModelSettings,
    StreamingSettings,
    TranscribeSettings,
)
from photism.listening.transcription.reference_text import read_references
from photism.listening.transcription.transcript import describe_mismatch
from photism.manifest.files import SingleListing
from photism.manifest.read import Manifest, read_manifest
from photism.output_files import STANDARD_INPUT, printable

if TYPE_CHECKING:
    from photism.cli.progress import Echo
    from photism.jobs.run import Summary
    from photism.listening.transcription.transcript import Transcript
    from photism.manifest.entry import Entry

MICROPHONE = "microphone"
PRINTED_FORMATS = (TEXT, "csv", "json", "jsonl", "ctm")
"""Formats in which several transcripts are printed."""


def transcribe(
    *,
    recordings: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOUND",
            help=f"{option.COLLECTION_HELP} Standard input is transcribed live if it is alone.",
        ),
    ] = None,
    model: RecognizerModelSettings,
    settings: TranscribeSettings,
    streaming: StreamingSettings,
    reading: ReadingSettings,
    output: TranscriptOutput,
    running: RunSettings,
    microphone: Annotated[
        bool,
        typer.Option(
            "--microphone",
            help="Transcribe the microphone until Ctrl-C.",
            rich_help_panel=option.INPUT,
        ),
    ] = False,
    input_device: option.InputDevice = None,
    raw: option.RawRate = None,
    transcript: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|FOLDER",
            help="Transcript whose words and lines get times: text, or subtitles in srt or vtt; or folder with a file "
            "per recording, such as talk.txt for talk.wav. Default output format: srt.",
            rich_help_panel=option.INPUT,
        ),
    ] = None,
) -> None:
    """Transcribe speech with a CTC model, with the times of words, or find the times of a given transcript.

    Unreadable recordings are reported and skipped; the exit status is then 2.

    Examples:
        photism transcribe elephant.en.ogg --model facebook/wav2vec2-base-960h
        photism transcribe '*.ogg' --model facebook/wav2vec2-base-960h -o texts/
    """
    given = recordings or []
    is_live = microphone or (given == [STANDARD_INPUT] and transcript is None)
    _check_source(given, is_live=is_live, microphone=microphone, raw=raw, input_device=input_device)
    if is_live and reading.strict:
        raise InputError("--strict is for files: of a live recording it is not known how long it should be")
    if transcript is not None:
        output = _check_alignment(settings, output, is_live=is_live)
    manifest = (
        Manifest([SingleListing(MICROPHONE)])
        if microphone
        else read_manifest(given, allow_missing=True, reading=reading)
    )
    if transcript is not None and not manifest.is_collection:
        read_references([entry.location for entry in manifest], transcript)  # raises an error before a model is loaded
    job = TranscribeJob(model, settings, transcript, output.words, reading)
    choice = _choose_output(output, manifest, is_live=is_live)
    written = _Written(job, OutputPlan(job, manifest, choice), output, names_files=not manifest.is_collection)
    if not is_live:
        process(
            job,
            manifest,
            written.plan,
            running,
            description="transcribing",
            device=model.device,
            on_written=written.report,
            on_end=written.report_end,
        )
        return
    with startup():
        transcriber = job.load().transcriber
    from photism.audio.live_input import microphone_samples, pipe_samples

    if microphone:
        blocks = microphone_samples(input_device, reading=reading)
    else:
        blocks = pipe_samples(sys.stdin.buffer, raw_rate=raw, reading=reading)
    (entry,) = manifest
    is_printed = output.output is None and not output.as_json
    transcribe_live(
        transcriber.stream(streaming, settings),
        blocks,
        updates="json" if output.as_json else "none" if is_printed and output.chosen_format != TEXT else "words",
        write=None if is_printed and output.chosen_format == TEXT else lambda found: written.write(entry, found),
    )


class _Written:
    """Reports of the transcripts that are written: a JSON object, or the name of their file, and what does not fit.

    Args:
        job: the job.
        plan: where the transcripts go.
        output: what is printed.
        names_files: print the name of each file, unless JSON is printed.
    """

    def __init__(self, job: TranscribeJob, plan: OutputPlan, output: TranscriptOutput, *, names_files: bool) -> None:
        self.plan, self._job, self._output, self._names_files = plan, job, output, names_files

    def write(self, entry: Entry, transcript: Transcript) -> None:
        """Write the transcript of a live recording, and report it."""
        fields = transcript.as_dict(characters=self._output.words)
        outcome = Outcome(0, fields, transcript.duration_s, transcript)
        with closing(self.plan.open_plain(partial(typer.echo, nl=False))) as target:
            target.write("", entry, outcome)
        self.report(partial(typer.echo, nl=False), entry, outcome)

    def report(self, echo: Echo, entry: Entry, outcome: Outcome) -> None:
        """Report a transcript that is written."""
        if self._output.output is not None and self._output.as_json:
            path = self.plan.file_of(entry) if self.plan.file_of else self._output.output
            row = row_without_id(entry, outcome, self._job.columns)
            echo(as_json({**row, "output": str(path)}))
        elif self.plan.file_of is not None and self._names_files:
            echo(f"{printable(str(self.plan.file_of(entry)))}\n")
        if self._job.transcript is not None and (problem := describe_mismatch(outcome.result)):
            echo(f"photism: {entry.location}: {problem}\n", err=True)

    def report_end(self, summary: Summary) -> None:
        """Report the file of several recordings."""
        is_joint = self._output.output is not None and self.plan.file_of is None
        if is_joint and summary.processed and self._names_files and not self._output.as_json:
            typer.echo(self._output.output)


def _choose_output(output: TranscriptOutput, manifest: Manifest, *, is_live: bool) -> OutputChoice:
    """Return where the transcripts go; plain texts of several recordings are printed with their names.

    Raises:
        InputError: the format cannot be printed for several recordings, or is not for a live one.
    """
    choice = output.choice
    if is_live and choice.is_table:
        raise InputError(f"-o {output.output} is for files; write a live transcript as a text, such as jsonl")
    is_several = manifest.is_collection or manifest.count != 1
    if not is_several or choice.path is not None:
        return choice
    if choice.format not in PRINTED_FORMATS:
        raise InputError(f"--format {output.format} of several recordings needs -o FOLDER, or --json")
    return replace(choice, format="table") if choice.format == TEXT else choice


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
