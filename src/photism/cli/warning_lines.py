"""Warnings about recordings, images and models, printed as lines of the command line."""

from __future__ import annotations

import warnings
from typing import Any

import typer

from photism.errors import ImageWarning, ModelWarning, RecordingWarning
from photism.output_files import printable


def print_recording_warnings() -> None:
    """Print warnings about recordings, images and models as lines on the error stream; others stay as they are."""
    shown: set[str] = set()  # a recording may be read again, such as for a plot
    show_other = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *place: Any) -> None:
        """Show a warning as `warnings.showwarning` does."""
        if issubclass(category, (RecordingWarning, ImageWarning, ModelWarning)):
            line = f"photism: {printable(' '.join(str(message).split()))}"
            if line not in shown:
                typer.echo(line, err=True)
            shown.add(line)
        else:
            show_other(message, category, *place)

    warnings.showwarning = show
