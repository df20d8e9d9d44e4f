"""Verbs whose parameters are settings classes: each setting becomes a flag.

    def hear(recordings: Recordings, settings: HearSettings, as_json: AsJson = False) -> None:
        \"\"\"Print the nearest captions of recordings.\"\"\"

    add_verb(app, hear)

A flag is the setting's name with hyphens, or what it declares as `flag`. Its help is the setting's description, with
its bounds and its default. A flag that is not given leaves the default, or the value of the file that `--config` names.
Parameters that are not settings classes are typer's own: `Annotated[type, typer.Option(…)]`.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Optional, get_args, get_origin, get_type_hints

import typer

from photism.cli.commands import OMITTABLE, VerbCommand
from photism.cli.debug_flag import DEBUG
from photism.cli.help_text import heading
from photism.errors import InputError
from photism.settings import REQUIRED, Declaration, SettingError, declarations, read_settings, value_type

Verb = Callable[..., None]

METAVARS = {bool: None, int: "INTEGER", float: "NUMBER", str: "TEXT", Path: "PATH"}
"""Types that typer converts, and what the help calls their values; another type is a string for its `parse`."""


def add_verb(
    app: typer.Typer,
    verb: Verb,
    *,
    group: str | None = None,
    settings_file: str | None = None,
    recipes: Mapping[str, Path] | None = None,
) -> None:
    """Add a verb to a typer application.

    Args:
        app: application, or group of verbs.
        verb: function whose parameters are settings classes or annotated for typer. Its docstring is the help; the
            lines under `Examples:` come after the flags.
        group: heading of the verb in the list of verbs.
        settings_file: name of the YAML file of settings in the verb's output folder. The verb then takes `--config`,
            and where its parameter `resume` is true, the settings come from that file.
        recipes: files of settings by the names that the flag `--recipe` takes.
    """
    help = inspect.cleandoc(verb.__doc__ or "")
    flat = _flat(verb, settings_file, recipes or {})
    app.command(verb.__name__, cls=VerbCommand, help=help, rich_help_panel=group)(flat)


def _flat(verb: Verb, settings_file: str | None, recipes: Mapping[str, Path]) -> Verb:
    """Return a function with a parameter for each flag, which calls the verb with its settings."""
    # get_type_hints would make each parameter optional whose default is None on Python 3.10, and hide typer's option.
    hints = inspect.get_annotations(verb, eval_str=True)
    groups: dict[str, Any] = {name: kind for name, kind in hints.items() if dataclasses.is_dataclass(kind)}
    parameters: list[inspect.Parameter] = []
    for each in inspect.signature(verb).parameters.values():
        if each.name in groups:
            parameters += _parameters(groups[each.name], has_file=settings_file is not None)
        else:
            parameters.append(_parameter(each.name, hints[each.name], each.default))
    if settings_file is not None:
        parameters.append(_parameter("config", Annotated[Optional[Path], CONFIG], None))  # noqa: UP045
    if recipes:
        option = typer.Option(
            metavar="|".join(recipes),
            help="Published settings to take the defaults from.",
            rich_help_panel=heading("input"),
            autocompletion=_completing(recipes),
        )
        parameters.append(_parameter("recipe", Annotated[Optional[str], option], None))  # noqa: UP045
    parameters.append(_parameter("debug", Annotated[bool, DEBUG], False))
    flags = {name: flag for kind in groups.values() for name, flag in _flag_names(kind).items()}

    def run(**given: Any) -> None:
        del given["debug"]
        recipe = _recipe(given.pop("recipe", None), recipes)
        file = _settings_file(given, settings_file)
        try:
            arguments = {
                name: _settings(groups[name], given, file, recipe) if name in groups else given[name]
                for name in inspect.signature(verb).parameters
            }
            verb(**arguments)
        except SettingError as error:
            raise InputError(error.message(flags)) from error

    declared = [each for kind in groups.values() for each in declarations(kind).items()]
    setattr(run, OMITTABLE, {_flag(name, each): each for name, each in declared if each.alone is not None})
    run.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


CONFIG = typer.Option(
    metavar="FILE", help="YAML file of settings, over which flags take precedence.", rich_help_panel=heading("input")
)


def _parameters(kind: type, *, has_file: bool) -> list[inspect.Parameter]:
    """Return typer's parameter for each flag of a settings class."""
    types, defaults = get_type_hints(kind), {each.name: each.default for each in dataclasses.fields(kind)}
    found: list[inspect.Parameter] = []
    for name, declared in declarations(kind).items():
        if not declared.is_flag:
            continue
        default = defaults[name]
        type_ = _flag_type(types[name], declared)
        help = declared.description + _notes(declared, default)
        if declared.is_argument:
            option: Any = typer.Argument(metavar=declared.metavar or name.upper(), help=help)
        else:
            names = [_flag(name, declared), *([declared.short] if declared.short else [])]
            if type_ is bool and (has_file or default is not False):
                names[0] += f"/--no-{names[0].removeprefix('--')}"
            panel = None if declared.group is None else heading(declared.group)
            option = typer.Option(
                *names,
                metavar=_metavar(declared, type_),
                help=help,
                rich_help_panel=panel,
                autocompletion=_completing(_values(declared)),
            )
        is_required = default is REQUIRED and not has_file
        annotation = Annotated[type_ if is_required else Optional[type_], option]  # noqa: UP045
        found.append(_parameter(name, annotation, inspect.Parameter.empty if is_required else None))
    return found


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _flag_type(declared_type: Any, declared: Declaration) -> Any:
    """Return the type that typer converts a flag's value to: a list for a flag that may be given several times."""
    wanted = value_type(declared_type)
    origin = get_origin(wanted)
    if isinstance(origin, type) and issubclass(origin, Sequence | Mapping):
        item = str if declared.parse or issubclass(origin, Mapping) else get_args(wanted)[0]
        return list[item if item in METAVARS else str]
    return wanted if wanted in METAVARS and not declared.parse else str


def _flag(name: str, declared: Declaration) -> str:
    return declared.flag or f"--{name.replace('_', '-')}"


def _flag_names(kind: type) -> dict[str, str]:
    """Return what the command line calls each setting of a class."""
    return {
        name: (declared.metavar or name.upper()) if declared.is_argument else _flag(name, declared)
        for name, declared in declarations(kind).items()
    }


def _values(declared: Declaration) -> Sequence[str]:
    """Return the values that are completed in a shell: the choices, or the words of "left|right|N" in small letters."""
    return declared.choices or [each for each in (declared.metavar or "").strip("[]").split("|") if each.islower()]


def _completing(choices: Iterable[str]) -> Callable[[str], list[str]] | None:
    """Return a function that completes the beginning of a value in a shell; None if there are no values to choose."""
    if not choices:  # the shell completes names of files
        return None
    return lambda incomplete: [each for each in choices if each.startswith(incomplete)]


def _metavar(declared: Declaration, type_: Any) -> str | None:
    """Return what the help calls a flag's value."""
    if declared.metavar is not None or type_ is bool:
        return declared.metavar
    if declared.choices is not None:
        return "|".join(declared.choices)
    if declared.unit is not None:
        return declared.unit.upper().replace(" ", "_")
    return METAVARS[get_args(type_)[0] if get_origin(type_) is list else type_]


def _notes(declared: Declaration, default: Any) -> str:
    """Return the bounds and the default of a flag, as the end of its help."""
    bounds = (declared.minimum, declared.above, declared.maximum, declared.below)
    notes = [declared.allowed] if any(bound is not None for bound in bounds) else []
    if isinstance(default, bool):
        notes += ["default: on"] if default else []
    elif default not in (None, REQUIRED, "", ()):
        notes += [f"default: {default:g}" if isinstance(default, float) else f"default: {default}"]
    return f" [{'; '.join(notes)}]" if notes else ""


def _settings(kind: type[Any], given: Mapping[str, Any], file: Path | None, recipe: Path | None) -> Any:
    """Return the settings of a class from the flags that were given, a file, and a recipe."""
    values: dict[str, Any] = {}
    types = get_type_hints(kind)
    for name, declared in declarations(kind).items():
        value = given.get(name)
        if value is not None:
            values[name] = _parsed(name, value, declared, get_origin(value_type(types[name])))
    try:
        return read_settings(kind, file, values, defaults=recipe)
    except SettingError as error:
        if file is None or error.name in values:
            raise
        raise InputError(f"{file}: {error}") from error  # which the file names as Python does


def _parsed(name: str, value: Any, declared: Declaration, origin: Any) -> Any:
    if declared.parse is None:
        return tuple(value) if origin is tuple else value
    try:
        return declared.parse(value)
    except InputError:
        raise
    except ValueError as error:
        raise SettingError(name, str(error)) from error


def _recipe(name: str | None, recipes: Mapping[str, Path]) -> Path | None:
    """Return the file of a recipe."""
    if name is None:
        return None
    if name not in recipes:
        raise InputError(f"--recipe must be one of {', '.join(recipes)}; got {name}")
    return recipes[name]


def _settings_file(given: dict[str, Any], settings_file: str | None) -> Path | None:
    """Return the file that settings come from: that of `--config`, or when resuming the one in the output folder."""
    if settings_file is None:
        return None
    config: Path | None = given.pop("config")
    if config is None and given.get("resume") and given.get("output"):
        kept = Path(given["output"], settings_file)
        return kept if kept.is_file() else None
    return config
