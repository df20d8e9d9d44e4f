"""Flags and arguments that several verbs share and that are not settings of a model or a computation."""

from typing import Annotated

import typer

_RECORDINGS = typer.Argument(metavar="SOUND", help="Recordings: files or URLs of any format with an audio stream.")
Recordings = Annotated[list[str], _RECORDINGS]
OptionalRecordings = Annotated[list[str] | None, _RECORDINGS]
Force = Annotated[bool, typer.Option("--force", help="Overwrite existing files.")]
Resume = Annotated[bool, typer.Option("--resume", help="Resume from the last checkpoint in the output folder.")]
