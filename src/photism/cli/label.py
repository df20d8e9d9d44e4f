"""photism label: the classes of sounds, whole or over time."""

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from photism.cli import options as option
from photism.cli.label_output import TellingGiven, tell
from photism.cli.startup import DTYPES, startup
from photism.errors import InputError

if TYPE_CHECKING:
    from photism.listening.windowed_scores import Labels


FUNCTIONS = ("softmax", "sigmoid", "none")


def label(
    sounds: option.Sounds,
    model: Annotated[
        str | None, typer.Option(help="Folder or hub id of any audio classifier. Default: the bundled one.")
    ] = None,
    top_k: Annotated[int, typer.Option(help="How many of the best classes to tell of a sound.")] = 5,
    window: option.Window = None,
    hop: option.Hop = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Tell what scores as high at least. Default: 0.5 in windows of which several classes may be right."
        ),
    ] = None,
    function: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of the scores: softmax, sigmoid or none. Default: the model's."),
    ] = None,
    format: option.Format = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a sound.")] = False,
    output: option.LabelsOutput = None,
    plot: option.Plot = None,
    force: option.ForceFiles = False,
    device: option.Device = None,
    dtype: option.Dtype = DTYPES[0],
    batch_size: option.BatchSize = 8,
    workers: option.Workers = 2,
) -> None:
    """Say which classes sounds belong to: whole, or what is heard when.

    Sounds that cannot be used are told, the others go on, and the status is 2.
    """
    if top_k < 1:
        raise InputError(f"--top-k must be at least 1; got {top_k}")
    if dtype not in DTYPES:
        raise InputError(f"--dtype must be one of {', '.join(DTYPES)}; got {dtype}")
    if function is not None and function not in FUNCTIONS:
        raise InputError(f"--function must be one of {', '.join(FUNCTIONS)}; got {function}")
    given = TellingGiven(
        sounds=sounds, window=window, hop=hop, format=format, as_json=as_json, output=output, plot=plot, force=force
    )
    windows = given.windows

    with startup():
        from photism.listening.classification import AudioClassifier

        classifier = AudioClassifier.from_pretrained(
            model,
            device=device,
            dtype=dtype,
            top_k=top_k,
            function_to_apply=cast("Any", function),
            batch_size=batch_size,
            num_workers=workers,
        )
    listen = partial(classifier.stream, list(sounds), windows=windows, threshold=threshold)
    tell(given, listen, _about, "labelling")


def _about(sound: str, labels: "Labels") -> dict[str, Any]:
    told = [{"label": segment.label, "score": segment.score} for segment in labels.segments]
    return {"file": sound, "duration_s": labels.duration_s, "labels": told}
