"""photism doctor: check what works on this machine, and name the remedy for what does not."""

from typing import Annotated

import typer

from photism.cli import options as option
from photism.cli.exit_status import ExitStatus
from photism.cli.startup import startup
from photism.diagnostics.diagnosis import diagnose


def doctor(
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print a JSON object instead of a table.",
            rich_help_panel=option.OUTPUT,
        ),
    ] = False,
) -> None:
    """Check what works on this machine.

    What does not work is printed with the command that installs it. The exit status is 0 if draw, film and hear work,
    otherwise 1.

    Examples:
        photism doctor
        photism doctor --json
    """
    diagnosis = diagnose(startup)
    typer.echo(option.format_result(diagnosis, as_json=as_json))
    raise typer.Exit(ExitStatus.DONE if diagnosis.works else ExitStatus.NOT_WORKING)
