"""Flags that several verbs share and that are not settings of a model or a computation."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

from photism.cli.help_text import heading
from photism.drawing.settings import ImageSettings
from photism.errors import InputError, warning_field
from photism.prompts.settings import PipelineSettings

INPUT, OUTPUT, MODEL = heading("input"), heading("output"), heading("model")
QUERY, ANALYSIS, SPEED = heading("query"), heading("analysis"), heading("speed")
"""Headings of flags in the help, as of the settings of these groups."""
FILES_HELP = "Recordings: files or URLs of any format with audio; - for standard input."
COLLECTION_HELP = (
    "Recordings of any format with audio: files, URLs, folders, patterns such as 'sounds/**/*.wav', @list.txt, tables "
    "(.csv, .jsonl, .parquet) with a column file, WebDataset shards (.tar) or data sets; - for standard input."
)
Files = Annotated[list[str], typer.Argument(metavar="SOUND", help=FILES_HELP)]
Recordings = Annotated[list[str], typer.Argument(metavar="SOUND", help=COLLECTION_HELP)]
OptionalRecordings = Annotated[list[str] | None, typer.Argument(metavar="SOUND", help=COLLECTION_HELP)]
ControlNet = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE|FOLDER|ID",
        help="ControlNet: a .safetensors file, folder or hub id. May be given several times; each has its "
        "--control-image, in the same order.",
        rich_help_panel=MODEL,
    ),
]
InputDevice = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Microphone by its FFmpeg name. Default: the system's.",
        rich_help_panel=INPUT,
    ),
]
RawRate = Annotated[
    float | None,
    typer.Option(
        "--raw", metavar="HZ", help="Sampling rate of raw 16-bit mono samples on standard input.", rich_help_panel=INPUT
    ),
]
Force = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Overwrite existing files.",
        rich_help_panel=OUTPUT,
    ),
]


def output(help: str, *names: str) -> Any:
    """Return the flag -o with its help, and with further names."""
    return typer.Option(
        "--output",
        "-o",
        *names,
        metavar="FILE|FOLDER",
        help=help,
        rich_help_panel=OUTPUT,
    )


def with_controlnet(
    models: PipelineSettings, controlnet: Sequence[str] | None, settings: ImageSettings
) -> PipelineSettings:
    """Return the models that images of these settings need: with the ControlNets, and for their task.

    Raises:
        InputError: there are not as many images, or scales other than one for all, as ControlNets; or only one of the
            IP-Adapter and its style image is given.
    """
    if (models.ip_adapter is None) != (settings.style is None):
        raise InputError("--ip-adapter and --style must be given together")
    count = len(controlnet or ())
    images, scales = settings.control_image, settings.controlnet_conditioning_scale
    given = 0 if images is None else len(images) if isinstance(images, list) else 1
    if bool(count) != bool(given):
        raise InputError("--controlnet and --control-image must be given together")
    if count != given:
        raise InputError(f"--control-image must be given as often as --controlnet, {count} times; got it {given} times")
    if isinstance(scales, list) and len(scales) != count:
        raise InputError(f"--control-scale must be given once, or {count} times; got it {len(scales)} times")
    return replace(models, task=settings.task, controlnet=list(controlnet) if controlnet else None)


class Result(Protocol):
    """Result of a verb, which prints it as the text that `str` returns."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object that the verb prints with --json."""
        ...


def format_result(result: Result, *, as_json: bool, warnings: Sequence[str] = ()) -> str:
    """Return a result as text, or with --json as a JSON object with what is missing in the recordings."""
    fields = result.as_dict() | warning_field(warnings)
    return json.dumps(fields, ensure_ascii=False) if as_json else str(result)


def read_captions(path: Path) -> list[str]:
    """Return the lines of a file that are not blank.

    Raises:
        InputError: the file is not text in UTF-8, or has only blank lines.
    """
    try:
        lines = path.read_text(encoding="utf8").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"--captions {path}: not a text file in UTF-8, with a caption in each line") from None
    captions = [line.strip() for line in lines if line.strip()]
    if not captions:
        raise InputError(f"--captions {path}: no captions; write one in each line")
    return captions
