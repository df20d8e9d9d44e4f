"""photism hear: zero-shot classification of recordings by captions."""

from pathlib import Path
from typing import Annotated

import typer

from photism.audio.reading_settings import ReadingSettings
from photism.cli import options as option
from photism.cli.output_settings import LabelOutput
from photism.cli.outputs import OutputPlan
from photism.cli.process import process
from photism.errors import InputError
from photism.jobs.hear_job import HearJob
from photism.jobs.settings import RunSettings
from photism.listening.settings import CaptionSettings, HearSettings, RankerModelSettings
from photism.manifest.read import read_manifest


def hear(
    recordings: option.Recordings,
    *,
    choices: CaptionSettings,
    captions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File of captions to choose from, one per line. Default: the model's own.",
            rich_help_panel=option.ANALYSIS,
        ),
    ] = None,
    model: RankerModelSettings,
    settings: HearSettings,
    reading: ReadingSettings,
    output: LabelOutput,
    running: RunSettings,
) -> None:
    """Print the captions nearest to recordings.

    Captions are ranked for whole recordings or, with --window, over time. Scores are from -1 to 1. A recording that
    the model was not taught is reported as no known sound, if the model can tell. Unreadable recordings are reported
    and skipped; the exit status is then 2.

    Examples:
        photism hear elephant.en.ogg --top-k 3
        photism hear '*.ogg' --window 0.5 -o captions.jsonl
    """
    if choices.label and captions:
        raise InputError("--label and --captions exclude each other; give one of them")
    job = HearJob(model, settings, tuple(option.read_captions(captions)) if captions else choices.label, reading)
    manifest = read_manifest(recordings, allow_missing=True, reading=reading)
    plan = OutputPlan(job, manifest, output.choice)
    process(
        job,
        manifest,
        plan,
        running,
        description="ranking captions",
        device=model.device,
        segments_of=lambda labels: labels.segments,
    )
