"""Help of a command, as wide as the terminal: its usage, arguments, groups of flags or of verbs, and examples."""

from __future__ import annotations

import inspect
import re
import shutil
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, get_args

from photism.settings import Group

Rows: TypeAlias = "Sequence[tuple[str, str]]"
"""Names, and what is said about them."""

MIN_WIDTH, MAX_WIDTH = 60, 200
MAX_COLUMN = 34
"""Widest column of names; longer ones have their text below them."""
INDENT = "  "
OTHER = "Other"
"""Heading of what has no group."""
WORD = r"""(?:[^\s"']|"[^"]*"|'[^']*')+"""
"""A word of a command line, which quotes may hold together."""
WORDS = re.compile(rf"-\S+ (?!-){WORD}|{WORD}")
"""A flag with its value, or another word."""


def heading(group: Group) -> str:
    """Return the heading of a group of settings in the help."""
    return group.capitalize()


HEADINGS = (*map(heading, get_args(Group)), OTHER)


def format_help(command: Any, context: Any) -> str:
    """Return the help of a command.

    Args:
        command: a command or group of typer.
        context: its context.
    """
    width = min(max(shutil.get_terminal_size().columns, MIN_WIDTH), MAX_WIDTH)
    text, _, examples = inspect.cleandoc(command.help or "").partition("\n\nExamples:\n")
    parts = [_filled(usage(command, context), width, "Usage: ", subsequent=INDENT * 4)]
    parts += [_filled(paragraph, width, INDENT) for paragraph in text.split("\n\n")]
    parts += _sections(_verbs(command), width)
    parts += _sections(flag_groups(command, context), width)
    if examples:
        parts.append("\n".join(["Examples:", *(_command_line(line, width) for line in examples.splitlines())]))
    if command.epilog:
        parts.append(_filled(command.epilog, width, ""))
    return "\n\n".join(parts)


def usage(command: Any, context: Any) -> str:
    """Return the words of a command line: those of the command, its arguments, and where flags or a verb go.

    Args:
        command: a command or group of typer.
        context: its context.
    """
    words = [context.command_path]
    for each in command.params:
        if each.param_type_name == "argument":
            name = _name(each) if each.required else f"[{_name(each)}]"
            words.append(name if each.nargs == 1 else f"{name}...")
    words.append("COMMAND ..." if hasattr(command, "commands") else "[FLAGS]")
    return " ".join(words)


def _sections(groups: Mapping[str, Rows], width: int) -> list[str]:
    """Return a section for each group of rows, whose texts begin in the same column."""
    longest = max((len(name) for rows in groups.values() for name, _ in rows), default=0)
    column = min(longest, MAX_COLUMN, width // 2 - 20)  # 10 of 60 columns, so that a hub id fits next to it
    return [f"{title}:\n{_table(rows, column, width)}" for title, rows in groups.items()]


def flag_groups(command: Any, context: Any) -> Mapping[str, Rows]:
    """Return the arguments and the groups of flags of a command, by their heading: each with what is said about it.

    Args:
        command: a command or group of typer.
        context: its context.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.get_params(context):
        if parameter.hidden:
            continue
        is_argument = parameter.param_type_name == "argument"
        title = "Arguments" if is_argument else parameter.rich_help_panel or OTHER
        _, text = parameter.get_help_record(context)
        found.setdefault(title, []).append((_name(parameter), " ".join(text.split())))
    return {title: found[title] for title in ("Arguments", *HEADINGS) if title in found}


def _name(parameter: Any) -> str:
    """Return the name of an argument, or of a flag with what stands for its value."""
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name.upper())
    names = sorted(parameter.opts, key=lambda name: name.startswith("--"))
    if parameter.secondary_opts:
        names[0] = names[0].replace("--", "--[no-]", 1)
    value = "" if parameter.is_flag else f" {parameter.metavar or 'TEXT'}"
    return ", ".join(names) + value


def _verbs(command: Any) -> Mapping[str, Rows]:
    """Return the groups of verbs of a command, by their heading, each verb with the first paragraph of its help."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name, title, help in command.list_verbs() if hasattr(command, "list_verbs") else ():
        paragraph = inspect.cleandoc(help).partition("\n\n")[0]
        found.setdefault(title or "Commands", []).append((name, " ".join(paragraph.split())))
    return found


def _table(rows: Rows, column: int, width: int) -> str:
    """Return rows whose text begins in one column, and below a name that is longer than the column."""
    begin = INDENT + " " * column + INDENT
    lines: list[str] = []
    for name, text in rows:
        if len(name) > column:
            lines += [INDENT + name, _filled(text, width, begin)]
        else:
            lines.append(_filled(text, width, f"{INDENT}{name:{column}}{INDENT}", subsequent=begin))
    return "\n".join(lines)


def _filled(text: str, width: int, initial: str, *, subsequent: str | None = None) -> str:
    """Return a text in lines that are not longer than a terminal is wide, in which no word is broken."""
    following = initial if subsequent is None else subsequent
    lines: Iterable[str] = textwrap.wrap(
        text,
        width - 1,  # a terminal of Windows breaks a line that fills it
        initial_indent=initial,
        subsequent_indent=following,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines)


def _command_line(line: str, width: int) -> str:
    """Return an example, which is continued on further lines where it is longer than one."""
    rows = [INDENT]
    for word in WORDS.findall(line):
        if len(rows[-1]) + len(word) + 4 > width and rows[-1].strip():  # a space, and another with a backslash
            rows[-1] += " \\"
            rows.append(INDENT * 3)
        rows[-1] += f" {word}" if rows[-1].strip() else word
    return "\n".join(rows)
