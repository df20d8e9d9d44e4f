"""The command `photism`: its verbs, and what a mistake looks like."""

import sys
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from photism import __version__
from photism.cli.align import align
from photism.cli.doctor import doctor
from photism.cli.draw import draw
from photism.cli.film import film
from photism.cli.finetune import app as finetune
from photism.cli.hear import hear
from photism.cli.label import label
from photism.cli.serve import serve
from photism.cli.sound import sound
from photism.cli.speakers import speakers
from photism.cli.transcribe import transcribe
from photism.errors import InputError

app = typer.Typer(
    help="Photism draws what it hears, says what it hears, and makes sound from text.",
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(draw)
app.command()(film)
app.command()(hear)
app.command()(label)
app.add_typer(speakers, name="speakers")
app.command()(transcribe)
app.command()(sound)
app.command()(align)
app.add_typer(finetune, name="finetune")
app.command()(serve)
app.command()(doctor)


@app.callback(invoke_without_command=True)
def photism(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Show the version, or the help when no verb is given."""
    if version:
        typer.echo(f"photism {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Run the command line and exit: 0 done, 1 something does not work, 2 a user's mistake, 130 interrupted."""
    try:
        status = app(standalone_mode=False)
    except TyperException as error:
        _fail(error.format_message())
    except (InputError, OSError) as error:
        _fail(str(error))
    sys.exit(status)


def _fail(message: str) -> NoReturn:
    typer.echo(f"photism: {' '.join(message.split())}", err=True)
    sys.exit(2)
