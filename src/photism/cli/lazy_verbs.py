"""Verbs that are imported when they are used: to import all of them takes longer than their list or one of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from importlib import import_module
from importlib.abc import InspectLoader
from importlib.util import find_spec
from typing import Any, ClassVar

import typer

from photism.cli.commands import VerbGroup

PACKAGE = "photism.cli"
ARGUMENTS = "VERB_ARGUMENTS"
"""Name in the module of a verb of further arguments of `add_verb`, if there are any."""


class LazyVerbGroup(VerbGroup):
    """A group of verbs, each of which has a module of its name in `photism.cli` and in it a function of its name.

    In place of the function there may be a `typer.Typer`, a group of verbs. The module is imported when the verb is
    used; the list of verbs has their help from its source.
    """

    lazy_verbs: ClassVar[Mapping[str, Sequence[str]]] = {}
    """Names of the verbs, by their heading in the list."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._headings = {name: heading for heading, names in self.lazy_verbs.items() for name in names}
        self.commands = LazyCommands(self._headings, self.commands)

    def list_verbs(self) -> Iterator[tuple[str, str | None, str]]:
        """Yield name, heading and help of each verb."""
        for name in self.commands:
            help = read_help(name) if name in self._headings else None
            yield (name, self._headings[name], help) if help else self.describe_verb(name)


class LazyCommands(MutableMapping[str, Any]):
    """Commands of typer by name; those of lazy verbs are made when they are first asked for.

    Args:
        headings: heading of each lazy verb in the list, by its name.
        commands: further commands.
    """

    def __init__(self, headings: Mapping[str, str], commands: Mapping[str, Any]) -> None:
        self._headings = headings
        self._made: dict[str, Any] = dict.fromkeys(headings) | dict(commands)

    def __getitem__(self, name: str) -> Any:
        if self._made[name] is None:
            self._made[name] = make_command(name, heading=self._headings[name])
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._made

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


def make_command(name: str, *, heading: str) -> Any:
    """Import a verb or a group of verbs, and return its command.

    Args:
        name: its name, and that of its module.
        heading: its heading in the list of verbs.
    """
    from photism.cli.flags import add_verb

    module = import_module(f"{PACKAGE}.{name}")
    verb = getattr(module, name)
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    if isinstance(verb, typer.Typer):
        app.add_typer(verb, name=name, rich_help_panel=heading)
        group: Any = typer.main.get_group(app)
        return group.commands[name]
    add_verb(app, verb, group=heading, **getattr(module, ARGUMENTS, {}))
    return typer.main.get_command(app)


def read_help(name: str) -> str | None:
    """Return the help of a verb without importing it: the docstring of its function, or `help` of its `typer.Typer`.

    Args:
        name: name of the verb.

    Returns:
        The help, or None if it is not in the source, as where there are only compiled modules.
    """
    spec = find_spec(f"{PACKAGE}.{name}")
    loader = None if spec is None else spec.loader
    source = loader.get_source(f"{PACKAGE}.{name}") if isinstance(loader, InspectLoader) else None
    for node in ast.parse(source or "").body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return ast.get_docstring(node)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and ast.unparse(node.targets[0]) == name:
            return next((ast.literal_eval(each.value) for each in node.value.keywords if each.arg == "help"), None)
    return None
