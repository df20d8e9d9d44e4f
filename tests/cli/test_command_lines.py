"""The flags that scripts use, as command_lines.txt lists them, and the examples of the help.

None of the flags may disappear or change its type.
"""

import inspect
import shlex
from pathlib import Path

import pytest
from typer.core import TyperArgument
from typer.main import get_command

from photism.cli.app import app

TYPES = {str: "text", Path: "text", list[str]: "text", list[Path]: "text", int: "int", float: "float", bool: "switch"}


def read_listed():
    """Return the listed parameters of each verb: "names: type", with * where repeatable and ! where required."""
    listed: dict[str, list[str]] = {}
    for line in Path(__file__).with_name("command_lines.txt").read_text().splitlines():
        if line.startswith("  "):
            listed[next(reversed(listed))].append(line.strip())
        else:
            listed[line.removesuffix(":")] = []
    return listed


def describe(parameter):
    names = sorted(parameter.opts) + sorted(parameter.secondary_opts)
    name = "argument" if isinstance(parameter, TyperArgument) else " ".join(names)
    many = "*" if parameter.multiple or parameter.nargs == -1 else ""
    return f"{name}: {TYPES[parameter.type_descriptor.annotation]}{many}{'!' if parameter.required else ''}"


def find_verbs(command, path=()):
    commands = getattr(command, "commands", None)
    if commands is None:
        return {" ".join(path): command}
    return {verb: found for name, each in commands.items() for verb, found in find_verbs(each, (*path, name)).items()}


VERBS = find_verbs(get_command(app))


@pytest.mark.parametrize(("verb", "listed"), read_listed().items())
def test_every_listed_flag_exists_and_takes_the_same_values(verb, listed):
    found = [describe(parameter) for parameter in VERBS[verb].params]
    assert [line for line in listed if line not in found] == []
    required = [line for line in found if line.endswith("!")]
    assert [line for line in required if line not in listed] == []


def examples_of(command):
    """Return the command lines at the end of the help of a verb."""
    return inspect.cleandoc(command.help).partition("\n\nExamples:\n")[2].splitlines()


@pytest.mark.parametrize(("verb", "command"), VERBS.items())
def test_the_examples_of_the_help_are_command_lines_of_the_verb(verb, command):
    lines = examples_of(command)
    assert len(lines) == 2
    path = verb.split()
    for words in map(shlex.split, lines):
        start = words.index("photism") + 1
        assert words[start : start + len(path)] == path
        command.make_context(verb, words[start + len(path) :])


@pytest.mark.parametrize("command", VERBS.values(), ids=VERBS)
def test_every_flag_is_in_a_group_of_the_help(command):
    ungrouped = [each.opts[0] for each in command.params if each.opts[0][0] == "-" and each.rich_help_panel is None]
    assert ungrouped == ["--debug"]
