"""Commands of typer as Photism has them: their help, what they refuse, and flags whose value may be omitted."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from photism.cli.help_text import format_help
from photism.cli.usage_errors import describe_usage_error, no_such_verb
from photism.errors import InputError
from photism.settings import Declaration

OMITTABLE = "omittable_values"
"""Attribute of the function of a verb: the declarations of its flags whose value may be omitted, by flag."""
MAX_SUMMARY = 60
"""Longest help of a completion, in characters."""
SENTENCE_END = re.compile(r"(?<=\w)[.:;](?: |$)")


class VerbCommand(TyperCommand):
    """A verb with flags whose value may be omitted, and which refuses a flag given twice if it takes one value.

    typer has no such flags, and would use the last of several values and drop the others.
    """

    def get_help(self, ctx: Any) -> str:
        """Return the help of the command."""
        return format_help(self, ctx)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words of a command line.

        Raises:
            InputError: they are none that the verb takes, or a flag with one value is given several times.
        """
        args = _with_omitted_values(args, getattr(self.callback, OMITTABLE, {}))
        with _usage_errors(ctx):
            if not ctx.resilient_parsing:
                self._check_repeated(ctx, args)
            return super().parse_args(ctx, args)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Return what may follow in a shell, each with a summary of its help."""
        return _summarised(super().shell_complete(ctx, incomplete))

    def _check_repeated(self, ctx: Any, args: Sequence[str]) -> None:
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        for parameter, count in Counter(order).items():
            if isinstance(parameter, TyperOption) and count > 1 and not parameter.multiple:
                is_switch = parameter.is_flag and not parameter.secondary_opts
                if not is_switch:  # which cannot contradict itself
                    raise InputError(f"{parameter.opts[0]} must be given once; got it {count} times")


class VerbGroup(TyperGroup):
    """A group of verbs, which prints its help where nothing is given."""

    def get_help(self, ctx: Any) -> str:
        """Return the help of the command."""
        return format_help(self, ctx)

    def list_verbs(self) -> Iterator[tuple[str, str | None, str]]:
        """Yield name, heading and help of each verb."""
        yield from map(self.describe_verb, self.commands)

    def describe_verb(self, name: str) -> tuple[str, str | None, str]:
        """Return name, heading and help of a verb."""
        command: Any = self.commands[name]
        return name, command.rich_help_panel, command.help or ""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words of a command line, or print the help where there are none.

        Raises:
            InputError: there is no such flag.
            typer.Exit: there are no words.
        """
        if not args and not ctx.resilient_parsing:
            typer.echo(self.get_help(ctx))
            raise typer.Exit
        with _usage_errors(ctx):
            return super().parse_args(ctx, args)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Return what may follow in a shell, each with a summary of its help."""
        found = super().shell_complete(ctx, incomplete)
        for item in found:
            item.help = getattr(self.commands.get(item.value), "help", item.help)
        return _summarised(found)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the name of a verb, the verb and its arguments.

        Raises:
            InputError: there is no such verb.
        """
        if args[0] not in self.commands and not ctx.resilient_parsing:
            raise InputError(no_such_verb(args[0], ctx))
        return super().resolve_command(ctx, args)


def _summarised(items: list[Any]) -> list[Any]:
    """Shorten the help of completions: typer breaks a longer one into lines, and takes brackets for markup."""
    for item in items:
        sentence = SENTENCE_END.split(" ".join((item.help or "").split()), maxsplit=1)[0]
        item.help = textwrap.shorten(sentence.replace("[", "("), MAX_SUMMARY, placeholder=" …")
    return items


@contextmanager
def _usage_errors(context: Any) -> Generator[None]:
    """Turn typer's errors about a command line into InputErrors."""
    try:
        yield
    except typer.TyperException as error:
        raise InputError(describe_usage_error(error, context)) from error


def _with_omitted_values(args: Sequence[str], omittable: Mapping[str, Declaration]) -> list[str]:
    """Return arguments in which flags have the value that they stand for where none follows them."""
    found = list(args)
    end = found.index("--") if "--" in found else len(found)
    for index, flag in enumerate(found[:end]):
        declared = omittable.get(flag)
        following = found[index + 1] if index + 1 < end else ""
        if declared is not None and not re.fullmatch(declared.follows, following):
            found[index] = f"{flag}={declared.alone}"
    return found
