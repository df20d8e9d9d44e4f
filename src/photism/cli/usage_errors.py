"""What is wrong with a command line, in the words of Photism: typer's own say little of what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from photism.settings import PEER_WORDS

TYPES = {"int": "a whole number", "float": "a number"}
"""What a value must be, by the name of the type that typer converts it to."""
MIN_SIMILARITY = 0.65
"""Similarity, by difflib, from which on another spelling is suggested."""
SURPLUS = re.compile(r"unexpected extra arguments?.*? \((.*)\)$")
"""typer's message about arguments that a command does not have."""


def describe_usage_error(error: Any, context: Any) -> str:
    """Return the message of an error of typer: what was given, and what to give in its place.

    Args:
        error: a `TyperException`. The classes of its errors are private, so that their attributes say which it is.
        context: context of the command.
    """
    message = str(error.format_message()).removesuffix(".")
    flag, parameter = getattr(error, "option_name", None), getattr(error, "param", None)
    if flag is not None:
        is_unknown = hasattr(error, "possibilities")
        return _no_such_flag(flag, context) if is_unknown else _misused_flag(flag, context, message)
    if parameter is not None and hasattr(error, "param_type"):
        return f"{_shown(parameter)} is missing; {_see_help(context)}"
    if parameter is not None:
        wanted = TYPES.get(getattr(parameter.type_descriptor.annotation, "__name__", ""))
        return f"{_shown(parameter)} must be {wanted}" if wanted else message
    surplus = SURPLUS.search(message)
    return f"{context.command_path} does not take {surplus[1]}" if surplus else message


def _no_such_flag(flag: str, context: Any) -> str:
    """Return the message about an unknown flag: the one of the setting of that name, or those that look like it."""
    flags = {name: each.opts[0] for each in context.command.params if each.opts for name in _names(each)}
    name = flag.lstrip("-").replace("-", "_")
    known = flags.get(name) or flags.get(PEER_WORDS.get(name, ""))
    if known is None:
        given = [each for parameter in context.command.params for each in parameter.opts if each.startswith("--")]
        near = get_close_matches(flag, given, n=2, cutoff=MIN_SIMILARITY)
        known = " or ".join(near) or None
    message = f"there is no flag {flag} of {context.command_path}"
    if known is None and hasattr(context.command, "commands"):
        return f"{message}; flags of a command come after it"
    return f"{message}; did you mean {known}?" if known else f"{message}; {_see_help(context)}"


def _names(parameter: Any) -> Iterator[str]:
    if parameter.param_type_name == "option":
        yield str(parameter.name)


def _misused_flag(flag: str, context: Any, message: str) -> str:
    """Return the message about a flag without the value that it needs, or with one that it does not take."""
    parameter = next((each for each in context.command.params if flag in each.opts), None)
    if parameter is None:
        return message
    if parameter.is_flag:
        return f"{flag} takes no value"
    return f"{flag} needs a value: {flag} {parameter.metavar}"


def no_such_verb(verb: str, context: Any) -> str:
    """Return the message about an unknown verb: those that look like it, or how to draw a file of that name.

    Args:
        verb: what was given.
        context: context of the group of verbs.
    """
    near = get_close_matches(verb, context.command.commands, n=2, cutoff=MIN_SIMILARITY)
    if near:
        return f"there is no command {verb} of {context.command_path}; did you mean {' or '.join(near)}?"
    if Path(verb).exists():
        example = "draw" if "draw" in context.command.commands else next(iter(context.command.commands))
        return f"{verb} is a file, and a command must come first, such as {context.command_path} {example} {verb}"
    return f"there is no command {verb} of {context.command_path}; {_see_help(context)}"


def _shown(parameter: Any) -> str:
    """Return what the user calls a parameter: its flag, or the name of an argument."""
    return str(parameter.opts[0] if parameter.param_type_name == "option" else parameter.metavar or parameter.name)


def _see_help(context: Any) -> str:
    return f"{context.command_path} --help has examples"
