"""photism examples: copy the example recordings into a folder, and print what to try."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from photism.examples import copy_examples

TRY = (
    "photism draw elephant.en.ogg",
    "photism hear strawberry.fr.ogg",
    "photism label tomato.ru.ogg",
    "photism film butterfly.ca.ogg",
    "photism captions elephant",
)
"""Commands that need the bundled model and the example recordings only."""


def examples(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="Folder for the recordings; it is created if it does not exist."),
    ] = Path("."),
) -> None:
    """Copy six example recordings into a folder, by default the current one, and print what to try.

    Each recording is the spoken name of a thing, in one of six languages. metadata.csv has their captions and labels,
    so that the folder is a small data set for align and finetune. Existing files are not overwritten.

    Examples:
        photism examples
        photism examples sounds
    """
    copies = copy_examples(folder)
    typer.echo(f"{len(copies)} recordings of spoken names: {', '.join(copy.name for copy in copies)}")
    typer.echo("metadata.csv: their captions and labels\n\nTry:")
    enter = () if folder == Path(".") else (f"cd {shlex.quote(str(folder))}",)
    for line in (*enter, *TRY):
        typer.echo(f"  {line}")
