"""The flag `--debug`, which stands before or after the verb."""

import typer


def show_traceback(context: typer.Context, value: bool) -> None:
    """Remember `--debug`, which stands before or after the verb, in the object that all contexts have in common."""
    if value:
        context.ensure_object(dict)["debug"] = True


DEBUG = typer.Option("--debug", help="Show the traceback of an error.", callback=show_traceback, is_eager=True)
