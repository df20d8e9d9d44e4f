"""Flags of a verb that takes a dataclass of settings: one for each field."""

import dataclasses
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Optional, get_args, get_type_hints

import typer


def with_flags(verb: Callable[..., None], kind: type) -> Callable[..., None]:
    """The verb, which typer then reads the fields of `kind` off as flags, beside `--config` and `--resume`.

    A flag is unset unless given, so that the file's value or the default holds. The field `data` is an argument.
    """
    parameters = _parameters(kind)
    verb.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess]
    verb.__annotations__ = {each.name: each.annotation for each in parameters}
    return verb


def _parameters(kind: Any) -> list[inspect.Parameter]:
    types = get_type_hints(kind)
    parameters = [
        _parameter("config", Optional[Path], typer.Option(help="YAML of these settings; flags go before it."), None),  # noqa: UP045
        _parameter(
            "resume", bool, typer.Option("--resume", help="Go on from the last checkpoint in the output."), False
        ),
    ]
    for item in dataclasses.fields(kind):
        declared = types[item.name]
        type_ = next((option for option in get_args(declared) if option is not type(None)), declared)
        text = item.metadata["help"]
        if item.name == "data":
            option: Any = typer.Argument(help=text)
        elif item.name == "output":
            option = typer.Option("--output", "-o", help=text)
        else:
            default = "" if item.default is None else f" [default: {_flag_value(item.default)}]"
            option = typer.Option(help=text + default)
        parameters.append(_parameter(item.name, Optional[type_], option, None))  # noqa: UP045
    return parameters


def _parameter(name: str, type_: Any, option: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[type_, option])


def _flag_value(value: Any) -> str:
    return {True: "on", False: "off"}.get(value, str(value)) if isinstance(value, bool) else f"{value}"
