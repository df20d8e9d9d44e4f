"""photism hear: zero-shot classification of recordings by captions."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from photism.cli import options as option
from photism.cli.captions import read_captions
from photism.cli.label_output import LabelOutput, LabelWriter
from photism.cli.startup import startup
from photism.errors import InputError
from photism.listening.settings import HearSettings, RankerModelSettings

if TYPE_CHECKING:
    from photism.listening.windowed_scores import Labels


def hear(
    recordings: option.Sounds,
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
    output: LabelOutput,
) -> None:
    """Print the captions nearest to recordings, with scores from -1 to 1; for whole recordings or over time.

    Unreadable recordings are reported and skipped; the exit status is then 2.

    Examples:
        photism hear elephant.ogg --top-k 3
        photism hear street.wav --label "A dog." --label "Rain." --window 2 --plot street.png
    """
    if label and captions:
        raise InputError("--label and --captions exclude each other; give one of them")
    choices = read_captions(captions) if captions else label
    writer = LabelWriter(recordings, output)
    with startup():
        from photism.listening.zero_shot import CaptionRanker

        ranker = CaptionRanker.from_pretrained(**vars(model))
    stream = partial(ranker.stream, recordings, captions=choices, **vars(settings))
    writer.write(stream, None if settings.window_s else _as_dict, description="ranking captions")


def _as_dict(recording: str, labels: "Labels") -> dict[str, Any]:
    ranked = [{"caption": segment.label, "score": segment.score} for segment in labels.segments]
    return {"file": recording, "heard": ranked}
