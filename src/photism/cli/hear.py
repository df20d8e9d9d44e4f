"""photism hear: zero-shot classification of recordings by captions."""

from pathlib import Path
from typing import Annotated

import typer

from photism.audio.reading_settings import ReadingSettings
from photism.cli import options as option
from photism.cli.progress import end_with_skipped, recordings_bar
from photism.cli.recordings import open_recordings, skip_and_release
from photism.cli.startup import startup
from photism.errors import InputError, warning_field
from photism.listening.label_formats import captions_as_dict, format_labels
from photism.listening.segment_files import LabelOutput, SegmentWriter
from photism.listening.settings import HearSettings, RankerModelSettings


def hear(
    recordings: option.Recordings,
    *,
    label: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="Caption to choose from; may be given several times.")
    ] = None,
    captions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File of captions to choose from, one per line. Default: the model's own."),
    ] = None,
    model: RankerModelSettings,
    settings: HearSettings,
    reading: ReadingSettings,
    output: LabelOutput,
) -> None:
    """Print the captions nearest to recordings.

    Captions are ranked for whole recordings or, with --window, over time. Scores are from -1 to 1. A recording that
    the model was not taught is reported as no known sound, if the model can tell. Unreadable recordings are reported
    and skipped; the exit status is then 2.

    Examples:
        photism hear elephant.ogg --top-k 3
        photism hear street.wav --label "A dog." --label "Rain." --window 2 --plot street.png
    """
    if label and captions:
        raise InputError("--label and --captions exclude each other; give one of them")
    choices = option.read_captions(captions) if captions else label
    files = open_recordings(recordings, reading)
    writer = SegmentWriter(files, output)
    with startup():
        from photism.listening.zero_shot import CaptionRanker

        ranker = CaptionRanker.from_pretrained(**vars(model))
    with recordings_bar("ranking captions", len(files)) as bar, writer.open(bar.echo):
        callbacks = {"on_error": skip_and_release(bar, files), "on_progress": bar.advance}
        for labels in ranker.stream(files, captions=choices, **callbacks, **vars(settings)):
            is_whole = settings.window_s is None
            fields = captions_as_dict(labels, threshold=settings.threshold, is_whole=is_whole)
            file = files[labels.number]
            fields |= warning_field(file.warnings)
            text = format_labels(file.name, labels, output.chosen_format, fields=fields, with_times=not is_whole)
            writer.write(labels.number, text, labels.segments, duration_s=labels.duration_s)
    end_with_skipped(bar.skipped, len(files))
