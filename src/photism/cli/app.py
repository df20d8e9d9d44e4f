"""The command `photism`: its verbs, and what it prints and returns when an error ends it."""

import sys
import traceback
from typing import Annotated, Any, ClassVar, NoReturn

import typer
from typer.exceptions import TyperException

from photism import __version__
from photism.cli.debug_flag import DEBUG
from photism.cli.exit_status import ExitStatus, diagnose
from photism.cli.lazy_verbs import LazyVerbGroup
from photism.cli.text_streams import escape_unencodable
from photism.cli.warning_lines import print_recording_warnings
from photism.device import keep_freed_memory, limit_kernel_caches
from photism.library_logging import disable_telemetry
from photism.output_files import printable

EPILOG = (
    "Start with `photism examples`, which copies recordings to try. Exit status: 0 done; 1 something does not work on "
    "this machine; 2 something given cannot be used; 70 a bug; 71 out of memory or disk space; 130 interrupted."
)


class Verbs(LazyVerbGroup):
    """All verbs."""

    lazy_verbs: ClassVar = {
        "Draw and film": ("examples", "captions", "draw", "film", "live", "sound"),
        "Recognise": ("hear", "label", "transcribe", "speakers"),
        "Search a collection": ("embed", "index", "search"),
        "Train and export": ("align", "finetune", "export"),
        "Serve and check": ("serve", "doctor"),
    }


app = typer.Typer(
    cls=Verbs,
    help="Photism generates images and film from sound, describes and transcribes it, and makes sound from text.",
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


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
    keep_freed_memory()
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
