"""mkdocs hook: a page of the reference for each command, with its flags as `--help` prints them."""

import html
import re
from typing import Any

import typer.main
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from photism.cli.app import app
from photism.cli.help_text import flag_groups, usage

LIST = "reference/commands.md"
TITLE = "Commands"
"""Entry of the navigation that holds the list, and gets the pages of all commands."""


def on_config(config: MkDocsConfig) -> None:
    """Add the pages of all commands to the navigation."""
    _entry(config.nav or []).extend({name: _path(name)} for name, _ in _commands())


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the pages of all commands, and their list."""
    lines = [f"# {TITLE}", "", "    photism COMMAND --help", "", *_text(_program().epilog)]
    lines += ["| command | purpose |", "|---|---|"]
    for name, command in _commands():
        files.append(File.generated(config, _path(name), content=command_page(f"photism {name}", command)))
        lines.append(f"| [`photism {name}`](commands/{name}.md) | {_cell(_text(command.help)[0])} |")
    files.append(File.generated(config, LIST, content="\n".join(lines) + "\n"))


def _entry(nav: list[Any]) -> list[Any]:
    """Return the list of the navigation whose title is `TITLE`."""
    for each in nav:
        for title, below in each.items() if isinstance(each, dict) else ():
            if title == TITLE:
                return below
            if isinstance(below, list) and (found := _entry(below)):
                return found
    return []


def _program() -> Any:
    return typer.main.get_command(app)


def _commands() -> list[tuple[str, Any]]:
    return sorted(_program().commands.items())


def _path(command: str) -> str:
    return f"reference/commands/{command}.md"


def command_page(name: str, command: Any, level: int = 1) -> str:
    """Return the Markdown of a command and of the commands below it."""
    context = command.context_class(command, info_name=name)
    lines = [f"{'#' * level} {name}", "", f"    {usage(command, context)}", "", *_text(command.help), ""]
    below: dict[str, Any] = getattr(command, "commands", {})
    if not below:
        for title, rows in flag_groups(command, context).items():
            kind = "argument" if title == "Arguments" else "flag"
            lines += [f"{'#' * (level + 1)} {title}", "", f"| {kind} | meaning |", "|---|---|"]
            lines += [f"| {_code(flag)} | {_cell(_escaped(meaning))} |" for flag, meaning in rows]
            lines.append("")
    lines += _text(command.epilog)
    pages = [command_page(f"{name} {each}", found, level + 1) for each, found in below.items()]
    return "\n".join(lines) + "\n" + "\n".join(pages)


def _text(help_text: str | None) -> list[str]:
    """Return paragraphs of a help text as Markdown: examples as code, flags and the like as they are."""
    lines: list[str] = []
    for paragraph in (help_text or "").strip().split("\n\n"):
        title, _, rest = paragraph.partition("\n")
        if title == "Examples:":
            lines += ["**Examples**", "", *(f"    {each.strip()}" for each in rest.splitlines()), ""]
        else:
            lines += [_escaped(" ".join(paragraph.split())), ""]
    return lines


def _escaped(text: str) -> str:
    """Return a text in which Markdown sees no markup, with flags as code."""
    text = re.sub(r"([\\*_\[\]])", r"\\\1", html.escape(text, quote=False))
    return re.sub(r"(?<![\w-])(--?[a-z][a-z0-9-]*)", r"`\1`", text)


def _code(text: str) -> str:
    """Return a cell of a table with a text as code; between backticks, a bar would need no escape here."""
    return f"<code>{html.escape(' '.join(text.split())).replace('|', '&#124;')}</code>"


def _cell(text: str) -> str:
    """Return a text that fits into a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")
