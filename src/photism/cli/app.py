"""The command `photism`: its verbs, and what it prints and returns when an error ends it."""

import sys
import traceback
from typing import Annotated, Any, NoReturn

import typer
from typer.exceptions import TyperException

from photism import __version__
from photism.cli.align import align
from photism.cli.captions import captions
from photism.cli.commands import VerbGroup
from photism.cli.doctor import doctor
from photism.cli.draw import draw
from photism.cli.embed import embed
from photism.cli.examples import examples
from photism.cli.exit_status import ExitStatus, diagnose
from photism.cli.export import export
from photism.cli.film import film
from photism.cli.finetune import app as finetune
from photism.cli.flags import DEBUG, add_verb
from photism.cli.hear import hear
from photism.cli.index import index
from photism.cli.label import label
from photism.cli.live import live
from photism.cli.search import search
from photism.cli.serve import serve
from photism.cli.sound import sound
from photism.cli.speakers import speakers
from photism.cli.text_streams import escape_unencodable
from photism.cli.transcribe import transcribe
from photism.cli.warning_lines import print_recording_warnings
from photism.device import limit_kernel_caches
from photism.library_logging import disable_telemetry
from photism.output_files import printable
from photism.training.recipes import RECIPES
from photism.training.settings import AlignSettings

EPILOG = (
    "Start with `photism examples`, which copies recordings to try. Exit status: 0 done; 1 something does not work on "
    "this machine; 2 something given cannot be used; 70 a bug; 71 out of memory or disk space; 130 interrupted."
)

app = typer.Typer(
    cls=VerbGroup,
    help="Photism generates images and film from sound, describes and transcribes it, and makes sound from text.",
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
DRAW, RECOGNISE, COLLECT = "Draw and film", "Recognise", "Search a collection"
TRAIN, SERVE = "Train and export", "Serve and check"
add_verb(app, examples, group=DRAW)
add_verb(app, captions, group=DRAW)
add_verb(app, draw, group=DRAW)
add_verb(app, film, group=DRAW)
add_verb(app, live, group=DRAW)
add_verb(app, sound, group=DRAW)
add_verb(app, hear, group=RECOGNISE)
add_verb(app, label, group=RECOGNISE)
add_verb(app, transcribe, group=RECOGNISE)
app.add_typer(
    speakers,
    name="speakers",
    rich_help_panel=RECOGNISE,
)
add_verb(app, embed, group=COLLECT)
add_verb(app, index, group=COLLECT)
add_verb(app, search, group=COLLECT)
add_verb(app, align, group=TRAIN, settings_file=AlignSettings.file, recipes=RECIPES)
app.add_typer(
    finetune,
    name="finetune",
    rich_help_panel=TRAIN,
)
add_verb(app, export, group=TRAIN)
add_verb(app, serve, group=SERVE)
add_verb(app, doctor, group=SERVE)


@app.callback(invoke_without_command=True)
def photism(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
    debug: Annotated[bool, DEBUG] = False,
) -> None:
    """Show the version, or the help when no verb is given."""
    print_recording_warnings()
    if version:
        typer.echo(f"photism {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Run the command line and exit with one of `ExitStatus`."""
    escape_unencodable()
    disable_telemetry()
    limit_kernel_caches()
    shared: dict[str, Any] = {}
    try:
        status = app(standalone_mode=False, obj=shared)
    except TyperException as error:
        _fail(error, ExitStatus.MISTAKE, error.format_message(), debug=bool(shared))
    except Exception as error:
        _fail(error, *diagnose(error), debug=bool(shared))
    sys.exit(status)


def _fail(error: Exception, status: ExitStatus, message: str, *, debug: bool) -> NoReturn:
    if debug:
        traceback.print_exception(error)
    typer.echo(f"photism: {printable(' '.join(message.split()))}", err=True)
    sys.exit(status)
