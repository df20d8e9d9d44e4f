"""photism hear: the nearest captions of sounds, whole or over time."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from photism.cli import options as option
from photism.cli.captions import read_captions
from photism.cli.label_output import TellingGiven, tell
from photism.cli.startup import startup
from photism.errors import InputError

if TYPE_CHECKING:
    from photism.listening.windowed_scores import Labels


def hear(
    sounds: option.Sounds,
    label: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="A text to choose from; may be given several times.")
    ] = None,
    captions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Texts to choose from, one a line. Default: the model's.")
    ] = None,
    template: Annotated[
        str | None, typer.Option(metavar="TEXT", help='What each text is put into, such as "the sound of a {}".')
    ] = None,
    top_k: Annotated[int, typer.Option(help="How many of the nearest to tell.")] = 5,
    window: option.Window = None,
    hop: option.Hop = None,
    threshold: Annotated[float | None, typer.Option(help="Tell what scores as high at least.")] = None,
    format: option.Format = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a sound.")] = False,
    output: option.LabelsOutput = None,
    plot: option.Plot = None,
    force: option.ForceFiles = False,
    model: option.Model = None,
    diffusion: Annotated[
        str | None, typer.Option(help="Folder or hub id of the diffusers pipeline that reads texts.")
    ] = None,
    device: option.Device = None,
    batch_size: option.BatchSize = 8,
    workers: option.Workers = 2,
) -> None:
    """Say what is heard: the nearest captions, with scores from -1 to 1; whole, or what is heard when.

    Sounds that cannot be used are told, the others go on, and the status is 2.
    """
    if label and captions:
        raise InputError("--label and --captions exclude each other; give one of them")
    for name, number, least in (("--top-k", top_k, 1), ("--batch-size", batch_size, 1), ("--workers", workers, 0)):
        if number < least:
            raise InputError(f"{name} must be at least {least}; got {number}")
    if template is not None and "{}" not in template:
        raise InputError(f"--template must have {{}} where the text goes; got {template!r}")
    given = TellingGiven(
        sounds=sounds, window=window, hop=hop, format=format, as_json=as_json, output=output, plot=plot, force=force
    )
    windows = given.windows
    choices = read_captions(captions) if captions else label

    with startup():
        from photism.listening.zero_shot import CaptionRanker

        ranker = CaptionRanker.from_pretrained(model, diffusion=diffusion, device=device)
    listen = partial(
        ranker.stream,
        list(sounds),
        captions=choices,
        template=template,
        windows=windows,
        threshold=threshold,
        top_k=top_k,
        batch_size=batch_size,
        num_workers=workers,
    )
    tell(given, listen, _about, "hearing")


def _about(sound: str, labels: "Labels") -> dict[str, Any]:
    heard = [{"caption": segment.label, "score": segment.score} for segment in labels.segments]
    return {"file": sound, "heard": heard}
