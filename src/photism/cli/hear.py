"""photism hear: the nearest captions of sounds."""

import json
from pathlib import Path
from typing import Annotated

import typer

from photism.cli import options as option
from photism.cli.startup import startup
from photism.errors import InputError


def hear(
    sounds: option.Sounds,
    label: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="A text to choose from; may be given several times.")
    ] = None,
    captions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Texts to choose from, one a line. Default: the model's.")
    ] = None,
    top_k: Annotated[int, typer.Option(help="How many of the nearest to tell.")] = 5,
    model: option.Model = None,
    diffusion: Annotated[
        str | None, typer.Option(help="Folder or hub id of the diffusers pipeline that reads texts.")
    ] = None,
    device: option.Device = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a sound.")] = False,
) -> None:
    """Say what is heard: the nearest captions, with scores from -1 to 1."""
    if label and captions:
        raise InputError("--label and --captions exclude each other; give one of them")
    if top_k < 1:
        raise InputError(f"--top-k must be at least 1; got {top_k}")
    choices = _read_captions(captions) if captions else label

    from photism.audio import load_waveform

    waveforms = [load_waveform(sound) for sound in sounds]

    with startup():
        from photism.listening import CaptionRanker

        ranker = CaptionRanker.from_pretrained(model, diffusion=diffusion, device=device)
    for sound, heard in zip(sounds, ranker.rank(waveforms, captions=choices, top_k=top_k), strict=True):
        if as_json:
            typer.echo(json.dumps({"file": sound, "heard": [each._asdict() for each in heard]}, ensure_ascii=False))
        else:
            typer.echo("\n".join([sound, *(f"  {each.score:5.2f}  {each.caption}" for each in heard)]))


def _read_captions(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf8").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"--captions must be a text file in UTF-8, one caption a line; {path} is not") from None
    captions = [line.strip() for line in lines if line.strip()]
    if not captions:
        raise InputError(f"--captions must hold at least one caption, one a line; {path} holds none")
    return captions
