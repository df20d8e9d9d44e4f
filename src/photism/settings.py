"""Declare a setting once: its name, type, default, bounds or choices, unit and description.

A verb's settings are a frozen dataclass made by `@settings`, each field of which is a `setting`:

    @settings
    class DrawSettings:
        \"\"\"Settings of an image generation.\"\"\"

        num_inference_steps: int = setting(12, "Number of denoising steps.", minimum=1, flag="--steps")

From that declaration come the check of the value when the dataclass is made, the entry under `Attributes:` in the class
docstring, the keyword argument of a function that `accepts` the class, the key in a YAML file, and the flag of the
command line with its help (`photism.cli.flags`). Nothing here imports torch.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import textwrap
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from itertools import chain, zip_longest
from numbers import Integral, Real
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeAlias, TypeVar, Union, cast, get_args, get_origin, get_type_hints, overload

from typing_extensions import dataclass_transform

from photism.display.short_repr import short_repr
from photism.errors import InputError
from photism.files import atomic_text
from photism.hub import may_be_source

Kind = TypeVar("Kind", bound=type)
Group: TypeAlias = Literal[
    "query",
    "input",
    "output",
    "model",
    "prompt",
    "images",
    "generation",
    "motion",
    "analysis",
    "decoding",
    "objective",
    "training",
    "evaluation",
    "address",
    "access",
    "limits",
    "speed",
]
"""Groups of settings, in the order in which the help of a command has them."""
Instance = TypeVar("Instance")
Function = TypeVar("Function", bound=Callable[..., Any])


class SettingError(InputError):
    """A setting has a value that cannot be used.

    Attributes:
        name (str): name of the setting in Python; the command line names its flag instead.
        problem (str): what is allowed and what was given, a sentence without its subject.
        others (tuple[str, ...]): names of further settings, and words of the user's, which stand for {} in `problem`.
        code, values: as those of every `InputError`.
    """

    def __init__(
        self,
        name: str,
        problem: str,
        *others: str,
        code: str | None = None,
        values: Mapping[str, float | str] | None = None,
    ) -> None:
        self.name, self.problem, self.others = name, problem, others
        super().__init__(self.message({}), code=code, values=values)

    def __reduce__(self) -> tuple[type[SettingError], tuple[str, ...], dict[str, Any]]:
        """Return what pickle makes the error of: its positional arguments, in place of its message, and its state."""
        return type(self), (self.name, self.problem, *self.others), self.__dict__

    def message(self, names: Mapping[str, str]) -> str:
        """Return the message, with settings called as `names` says, or else by their own names."""
        name, *others = (names.get(each, each) for each in (self.name, *self.others))
        parts = self.problem.split("{}", len(others))  # what follows the last {} may quote braces of the user's
        return f"{name} {''.join(chain.from_iterable(zip_longest(parts, others, fillvalue='')))}"


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """What is declared of one setting, apart from its name and type.

    Attributes:
        description: one sentence that names the quantity and its effect; it is the flag's help as well.
        group: the group in the help of a command; by default that of its class.
        unit: of a number, such as "seconds"; the flag shows it in place of the type.
        minimum, maximum: inclusive bounds of a number.
        above, below: exclusive bounds of a number.
        choices: the allowed values, of a list those of its items.
        flag: on the command line; by default the name with hyphens.
        short: one-letter flag, such as "-o".
        metavar: what the flag's value is called in the help; by default the unit or the choices.
        parse: turns a string, or for a repeatable flag a list of them, into the value.
        alone: value of the flag where none follows it.
        follows: regular expression of the values that may follow such a flag; anything else is another argument.
        is_argument: whether the command line takes it as a positional argument.
        is_flag: whether the command line offers it.
        file: kind of file that the setting holds, which a request carries instead of naming it.
        is_field: whether a request may set it, by default if it is a flag; paths and settings of the machine are the
            server's alone.
        parse_field: in place of `parse` for the text of a request; it opens no file.
        field_minimum, field_maximum: inclusive bounds of a number in a request, where a server needs closer ones.
    """

    description: str
    group: Group | None = None
    unit: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None
    choices: Sequence[str] | None = None
    flag: str | None = None
    short: str | None = None
    metavar: str | None = None
    parse: Callable[[Any], Any] | None = None
    alone: str | None = None
    follows: str = ""
    is_argument: bool = False
    is_flag: bool = True
    file: Literal["recording", "image", "text"] | None = None
    is_field: bool | None = None
    parse_field: Callable[[Any], Any] | None = None
    field_minimum: float | None = None
    field_maximum: float | None = None

    @property
    def allowed(self) -> str:
        """The allowed values, as the end of "must be …"."""
        if self.choices is not None:
            return f"one of {', '.join(self.choices)}"
        lower = "" if self.minimum is None else f"at least {self.minimum:g}"
        lower = lower if self.above is None else f"above {self.above:g}"
        upper = "" if self.maximum is None else f"at most {self.maximum:g}"
        upper = upper if self.below is None else f"below {self.below:g}"
        return " and ".join(part for part in (lower, upper) if part) or "a finite number"

    @property
    def bounds(self) -> dict[str, float]:
        """The bounds of a number, by the names that JSON Schema has for them."""
        named = {
            "minimum": self.minimum,
            "exclusiveMinimum": self.above,
            "maximum": self.maximum,
            "exclusiveMaximum": self.below,
        }
        return {name: bound for name, bound in named.items() if bound is not None}

    @property
    def names_model(self) -> bool:
        """Whether the value is a folder, perhaps a file, or the id of a repository on the Hugging Face hub."""
        return self.metavar is not None and self.metavar.endswith("FOLDER|ID")

    def allows(self, value: Any) -> bool:
        """Return whether a value lies within the bounds or is one of the choices; None, no value, is allowed."""
        if value is None:
            return True
        if self.choices is not None:
            return all(each in self.choices for each in (value if isinstance(value, tuple) else (value,)))
        if isinstance(value, bool) or not isinstance(value, Real):  # numpy's numbers are Real, and not all are float
            return True
        number = cast("float", value)
        return (
            (isinstance(value, Integral) or math.isfinite(number))  # an integer may be too large for a float
            and (self.minimum is None or number >= self.minimum)
            and (self.above is None or number > self.above)
            and (self.maximum is None or number <= self.maximum)
            and (self.below is None or number < self.below)
        )


REQUIRED: Any = dataclasses.MISSING
"""In place of the default of a setting that must be given."""


def setting(default: Any, description: str, **declared: Any) -> Any:
    """Declare a field of a settings class.

    Args:
        default: its value where none is given, or `REQUIRED`.
        description: one sentence that names the quantity and its effect.
        declared: further attributes of `Declaration`, such as `minimum` or `unit`.
    """
    declaration = Declaration(description=description, **declared)
    return dataclasses.field(default=default, metadata={"declaration": declaration})


@overload
@dataclass_transform(frozen_default=True, kw_only_default=True)
def settings(kind: Kind) -> Kind: ...
@overload
@dataclass_transform(frozen_default=True, kw_only_default=True)
def settings(*, group: Group) -> Callable[[Kind], Kind]: ...
# `setting` is not named as a field specifier: type checkers see a default in a specifier's keyword `default=` only.
@dataclass_transform(frozen_default=True, kw_only_default=True)
def settings(kind: Any = None, *, group: Group | None = None) -> Any:
    """Make a class of `setting` fields a frozen dataclass that checks its values and documents them.

    A subclass changes the default of a setting by `name: type = default`; the rest of its declaration stays.

    Its `repr` names the settings that differ from their defaults.

    A method `check(self)`, where the class has one, is called after the values were checked one by one: it is the place
    for what one setting demands of another, and raises `SettingError`.

    Args:
        kind: the class.
        group: group of the settings that declare none.
    """
    return partial(_make_settings_class, group=group) if kind is None else _make_settings_class(kind, group)


def _make_settings_class(kind: type, group: Group | None) -> type:
    def __post_init__(self: Any) -> None:
        types = get_type_hints(type(self))
        for name, declaration in declarations(type(self)).items():
            value = getattr(self, name)
            _check_type(name, value, types[name])
            if not declaration.allows(value):
                raise SettingError(
                    name, f"must be {declaration.allowed}; got {_shown(value)}", values=declaration.bounds
                )
            is_chosen = declaration.names_model and isinstance(value, str) and value != _default(type(self), name)
            if is_chosen and not may_be_source(value):
                raise SettingError(name, f"must be a folder, or the id of a hub repository, OWNER/NAME; got {value!r}")
        check = getattr(self, "check", None)
        if check is not None:
            check()

    _inherit_declarations(kind)
    _set_group(kind, group)
    kind.__post_init__ = __post_init__  # pyright: ignore[reportAttributeAccessIssue]
    made: Any = dataclass(frozen=True, kw_only=True, repr=False)(kind)
    if kind.__repr__ is object.__repr__:
        made.__repr__ = short_repr
    summary = inspect.cleandoc(made.__doc__ or "")
    made.__doc__ = f"{summary}\n\nAttributes:\n{describe(made)}"
    return made


def _set_group(kind: type, group: Group | None) -> None:
    """Give the settings of a class that declare no group the one of the class."""
    for name in inspect.get_annotations(kind):
        field = kind.__dict__.get(name)
        if isinstance(field, dataclasses.Field) and field.metadata["declaration"].group is None:
            declared = dataclasses.replace(field.metadata["declaration"], group=group)
            setattr(kind, name, dataclasses.field(default=field.default, metadata={"declaration": declared}))


def _inherit_declarations(kind: type) -> None:
    """Give settings of which a class states only a new default the declaration of its base class."""
    inherited: dict[str, Declaration] = {}
    for base in reversed(kind.__mro__[1:]):
        inherited |= declarations(base) if dataclasses.is_dataclass(base) else {}
    for name in inspect.get_annotations(kind):
        default = kind.__dict__.get(name, dataclasses.MISSING)
        if name in inherited and not isinstance(default, dataclasses.Field):
            setattr(kind, name, dataclasses.field(default=default, metadata={"declaration": inherited[name]}))


def declarations(kind: type) -> dict[str, Declaration]:
    """Return what is declared of each setting of a settings class, by name and in order."""
    return {each.name: each.metadata["declaration"] for each in dataclasses.fields(kind)}


def field_name(name: str, declared: Declaration) -> str:
    """Return what a request calls a setting: the name of its flag, with underscores."""
    return (declared.flag or name).removeprefix("--").replace("-", "_")


def describe(kind: type, *, skipped: Collection[str] = ()) -> str:
    """Return a paragraph for each setting of a class: its name, description, bounds or choices, and default.

    Args:
        kind: settings class.
        skipped: names of settings without a paragraph.
    """
    lines: list[str] = []
    for each in dataclasses.fields(kind):
        if each.name in skipped:
            continue
        declared: Declaration = each.metadata["declaration"]
        bounds = (declared.minimum, declared.above, declared.maximum, declared.below, declared.choices)
        notes = [declared.unit] if declared.unit else []
        notes += [declared.allowed] if any(bound is not None for bound in bounds) else []
        notes += [] if each.default in (None, REQUIRED, ()) else [f"default {_shown(each.default)}"]
        line = f"{each.name}: {declared.description}" + (f" ({'; '.join(notes)})" if notes else "")
        lines.append(textwrap.fill(line, 120, initial_indent="    ", subsequent_indent="        "))
    return "\n".join(lines)


PEER_WORDS = {
    "audio_file": "recordings",
    "audios": "recordings",
    "candidate_labels": "captions",
    "chunk_length_s": "window_s",
    "generator": "seed",
    "hypothesis_template": "template",
    "inputs": "recordings",
    "negative_prompt": "negative",
    "num_images_per_prompt": "images_per_sound",
    "prompt": "text",
    "torch_dtype": "dtype",
}
"""Names of arguments of transformers, diffusers and audio2img, and the argument that takes their place here."""


def accepts(kind: type, *, further: Collection[str] = ()) -> Callable[[Function], Function]:
    """Let a function that takes `**changes` show the settings of a class as its keyword arguments.

    The function's signature and docstring list them; a keyword that is neither a setting nor a parameter of its own is
    refused with the names that there are, and for a flag's or another library's name with the one that takes its place.

    Args:
        kind: settings class.
        further: names of other keyword arguments that the function takes in `**changes`.
    """

    def decorate(function: Function) -> Function:
        own = inspect.signature(function)
        kept = [each for each in own.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
        taken = {each.name for each in kept}
        types = get_type_hints(kind)
        added = [
            inspect.Parameter(
                each.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if each.default is REQUIRED else each.default,
                annotation=types[each.name],
            )
            for each in dataclasses.fields(kind)
            if each.name not in taken
        ]

        described = describe(kind, skipped=taken)
        taken |= set(further)
        named_by_flag = {field_name(name, declared): name for name, declared in declarations(kind).items()}

        @wraps(function)
        def checked(*args: Any, **keywords: Any) -> Any:
            for name in keywords:
                if name not in taken and name not in types:
                    available = (taken | types.keys()) - {"self", "cls"}
                    word = named_by_flag.get(name) or PEER_WORDS.get(name)
                    hint = f": {word} takes its place" if word in available else ""
                    takes = ", ".join(sorted(available))
                    raise TypeError(f"{function.__qualname__} has no argument {name!r}{hint}; it takes {takes}")
            return function(*args, **keywords)

        checked.__signature__ = own.replace(parameters=[*kept, *added])  # pyright: ignore[reportAttributeAccessIssue]
        checked.__doc__ = f"{inspect.cleandoc(function.__doc__ or '')}\n\nKeyword arguments:\n{described}"
        return checked  # pyright: ignore[reportReturnType]

    return decorate


def changed(kind: type[Instance], given: Instance | None, changes: Mapping[str, Any]) -> Instance:
    """Return settings that were given with some values changed, or where none were given, new ones.

    Args:
        kind: settings class.
        given: settings of that class.
        changes: values by name.

    Raises:
        InputError: `given` is not of that class.
    """
    if given is None:
        return kind(**changes)
    if not isinstance(given, kind):
        raise InputError(f"settings must be {kind.__name__}; got {type(given).__name__}")
    return dataclasses.replace(cast("Any", given), **changes)


def read_settings(
    kind: type[Instance], path: Path | None, given: Mapping[str, Any], *, defaults: Path | None = None
) -> Instance:
    """Make settings from a YAML file, if there is one, and values that take precedence over it.

    Args:
        kind: settings class.
        path: of a YAML mapping from names of settings to values.
        given: values by name.
        defaults: of another such file, over which `path` takes precedence.

    Raises:
        InputError: the file is not a YAML mapping.
        SettingError: a setting is missing, or its value has the wrong type or is out of range.
    """
    values: dict[str, Any] = {}
    for file in (defaults, path):
        values |= {} if file is None else converted_values(kind, read_yaml(file), f"{file}")
    return make_settings(kind, {**values, **given})


def make_settings(kind: type[Instance], values: Mapping[str, Any]) -> Instance:
    """Make settings from values by name.

    Raises:
        SettingError: a setting is missing, or its value has the wrong type or is out of range.
    """
    for name in declarations(kind):
        if _default(kind, name) is REQUIRED and name not in values:
            raise SettingError(name, "is missing")
    return kind(**values)


def converted_values(kind: type, values: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Convert values read from a file to the types of their settings.

    Args:
        kind: settings class.
        values: values by name.
        source: what an error calls that which has the values.

    Raises:
        InputError: there is no setting of a name.
        SettingError: a value has the wrong type.
    """
    types = get_type_hints(kind)
    for name in values:
        if name not in types:
            raise InputError(f"{source} has no setting {name!r} to set; there are {', '.join(types)}")
    return {name: converted(name, value, types[name]) for name, value in values.items()}


def read_yaml(path: Path) -> dict[Any, Any]:
    """Return the content of a YAML file that holds a mapping.

    Raises:
        InputError: the file is not valid YAML, or holds anything else.
    """
    import yaml

    try:
        values: Any = yaml.safe_load(path.read_text(encoding="utf8"))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} is not valid YAML: {error}") from None
    if not isinstance(values, Mapping):
        raise InputError(f"{path} must be a YAML mapping from setting names to values; it holds {values!r}")
    return dict(cast("Mapping[Any, Any]", values))


def write_settings(values: Any, path: Path) -> None:
    """Write settings as YAML, in the order of their declaration."""
    import yaml

    with atomic_text(path) as file:
        yaml.safe_dump(dataclasses.asdict(values), file, sort_keys=False, allow_unicode=True)


def differences(one: Any, other: Any, *, ignored: frozenset[str] = frozenset()) -> list[str]:
    """List the settings in which two instances of a class differ, as "name: value of one, value of other".

    Args:
        one: settings of a class.
        other: settings of the same class.
        ignored: names that may differ.
    """
    pairs = ((each.name, getattr(one, each.name), getattr(other, each.name)) for each in dataclasses.fields(one))
    return [f"{name}: {mine}, {theirs}" for name, mine, theirs in pairs if name not in ignored and mine != theirs]


def value_type(declared: Any) -> Any:
    """Return the type of a setting that may also be None: `int` for `int | None`."""
    if get_origin(declared) in (UnionType, Union):
        return next(option for option in get_args(declared) if option is not type(None))
    return declared


def _check_type(name: str, value: Any, declared: Any) -> None:
    """Raise SettingError for None where a value is needed, and for a numeric setting that is not such a number.

    A setting that may have values of several types is left to whoever uses it.
    """
    if value is None:
        if declared is Any or type(None) in get_args(declared):
            return
        raise SettingError(name, "must have a value; got None")
    options = {option for option in get_args(declared) if option is not type(None)} or {declared}
    for numeric, number, wanted in ((int, Integral, "a whole number"), (float, Real, "a number")):
        if options == {numeric} and (isinstance(value, bool) or not isinstance(value, number)):
            raise SettingError(name, f"must be {wanted}; got {value!r}")


def converted(name: str, value: Any, declared: Any) -> Any:
    """Convert a value read from a file to the declared type of its setting: YAML reads 1e-4 as a string.

    Raises:
        SettingError: the value is not of that type.
    """
    if value is None:
        if declared is Any or type(None) in get_args(declared):
            return None
        raise SettingError(name, "must have a value; got none")
    wanted = value_type(declared)
    if wanted is Any:  # a class, from Python 3.11 on
        return value
    if get_origin(wanted) is Literal:
        wanted = str
    if wanted is float and not isinstance(value, bool):
        try:
            return float(value)
        except (TypeError, ValueError):
            pass
    elif get_origin(wanted) is not None or not isinstance(wanted, type) or type(value) is wanted:
        return value  # `list[str]` is an instance of `type` on Python 3.10
    raise SettingError(name, f"must be of type {wanted.__name__}; got {value!r}")


def _default(kind: Any, name: str) -> Any:
    return next(each.default for each in dataclasses.fields(kind) if each.name == name)


def _shown(value: Any) -> str:
    """Return a value as a person would type it."""
    return f"{value:g}" if isinstance(value, float) else str(value)
