"""Flags and arguments that several verbs share and that are not settings of a model or a computation."""

from typing import Annotated

import typer

from photism.device import DTYPES

_RECORDINGS = typer.Argument(metavar="SOUND", help="Recordings: files or URLs of any format with an audio stream.")
Recordings = Annotated[list[str], _RECORDINGS]
OptionalRecordings = Annotated[list[str] | None, _RECORDINGS]
Force = Annotated[bool, typer.Option("--force", help="Overwrite existing files.")]
Resume = Annotated[bool, typer.Option("--resume", help="Resume from the last checkpoint in the output folder.")]

Model = Annotated[str | None, typer.Option(help="Folder or hub id of a model. Default: the bundled model.")]
Diffusion = Annotated[
    str | None, typer.Option(help="Folder or hub id of a diffusers pipeline. Default: the model's own.")
]
Device = Annotated[
    str | None, typer.Option(help="Device to compute on: cpu, cuda, cuda:1 or mps. Default: a GPU if there is one.")
]
Dtype = Annotated[str, typer.Option(metavar="|".join(DTYPES), help="Data type of the model's weights.")]
Compile = Annotated[
    bool,
    typer.Option(
        "--compile",
        help="Compile the UNet at its first denoising step, which takes minutes and makes later steps faster.",
    ),
]
Window = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", help="Length of the windows to label. Default: the whole recording at once."),
]
Hop = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", help="Time from one window to the next. Default: half a window."),
]
Format = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="table, json, csv or audacity (a label track). Default: by the extension of -o, or a table.",
    ),
]
LabelsOutput = Annotated[
    str | None,
    typer.Option(
        "--output", "-o", metavar="FILE|FOLDER", help="File for all recordings, or folder with a file for each."
    ),
]
Plot = Annotated[
    str | None,
    typer.Option(metavar="FILE.png|FOLDER", help="Plot the labels under the waveform. Needs photism[listening]."),
]
BatchSize = Annotated[int, typer.Option(help="Number of recordings, or windows, computed at once.")]
Workers = Annotated[int, typer.Option(help="Number of recordings decoded at once.")]
Sounds = Recordings
ForceFiles = Force
