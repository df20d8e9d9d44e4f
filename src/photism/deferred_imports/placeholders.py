"""Classes and functions that libraries import, and that are imported when they are first used."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

PLACEHOLDERS = {
    "peft": {"PeftModel"},
    "peft.helpers": {"disable_input_dtype_casting"},
    "peft.tuners.tuners_utils": {"BaseTunerLayer"},
    "scipy": {"integrate"},
    "scipy.optimize": {"linear_sum_assignment"},
    "torch.distributed._composable.fsdp": {"fully_shard"},
    "torch.distributed.checkpoint.hf_storage": {"HuggingFaceStorageReader", "HuggingFaceStorageWriter"},
    "torch.distributed.fsdp": {"CPUOffloadPolicy", "FullyShardedDataParallel", "MixedPrecisionPolicy"},
    "torch._dynamo._trace_wrapped_higher_order_op": {"TransformGetItemToIndex"},
    "torch.fx.experimental.symbolic_shapes": {
        "GuardOnDataDependentSymNode",
        "expect_true",
        "guard_or_false",
        "guard_or_true",
        "statically_known_true",
    },
}
"""Classes, functions and a module, by the module that has them, that are imported when they are first used."""

TRUTHS = {"expect_true", "guard_or_false", "guard_or_true", "statically_known_true"}
"""Those of them that return a truth value as it is unless it is symbolic."""

EXCEPTIONS = {"GuardOnDataDependentSymNode"}
"""Those of them that are exceptions, which nobody raises before their module is imported."""


class Placeholder:
    """A class or function of a module that is imported when it is first used.

    Nothing is an instance or a subclass of a class that has not been imported.
    """

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self.__name__ = self.__qualname__ = name

    def resolve(self) -> Any:
        """Import the module, and return the class or function."""
        return getattr(import_module(self._module), self.__name__)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the class or function."""
        if self.__name__ in TRUTHS and type(args[0]) is bool:
            return args[0]
        return self.resolve()(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # such as what `typing` asks every type in an annotation
            raise AttributeError(name)
        return getattr(self.resolve(), name)

    def __instancecheck__(self, instance: object) -> bool:
        return self._module in sys.modules and isinstance(instance, self.resolve())

    def __subclasscheck__(self, subclass: type) -> bool:
        return self._module in sys.modules and issubclass(subclass, self.resolve())

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[Any, ...]:
        return (self.resolve(),)


class Placeholders:
    """The placeholders that modules of libraries have imported, until what they stand for is imported.

    There is one for each name: libraries import some names in functions that run at each step of a generation.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], Any] = {}
        self._importers: dict[str, dict[int, dict[str, Any]]] = {}

    def __contains__(self, module: str) -> bool:
        return module in self._importers

    def place(self, module: str, names: Sequence[str], importer: dict[str, Any]) -> Any:
        """Return an object with placeholders of names of a module as its attributes.

        Args:
            module: the module.
            names: the names.
            importer: the namespace of the module that imports them.
        """
        self._importers.setdefault(module, {})[id(importer)] = importer
        return SimpleNamespace(**{name: self._made.setdefault((module, name), _make(module, name)) for name in names})

    def replace(self, module: ModuleType) -> None:
        """Put what is imported now in place of its placeholders."""
        found = {id(made): name for (of, name), made in self._made.items() if of == module.__name__}
        for importer in self._importers.pop(module.__name__, {}).values():
            importer |= {
                each: getattr(module, found[id(value)]) for each, value in list(importer.items()) if id(value) in found
            }


def can_wait(module: str, names: Sequence[str]) -> bool:
    """Return whether names of a module can have placeholders: all are listed and defined, and it has none of them yet.

    A module without `__getattr__`, which imports names when they are first used, has all of its names once it is there.
    """
    wanted = frozenset(names)
    if not wanted <= PLACEHOLDERS.get(module, set()) or not wanted <= _names_in(module):
        return False
    present = vars(sys.modules[module]) if module in sys.modules else {"__getattr__": None}
    return "__getattr__" in present and wanted.isdisjoint(present)


def _make(module: str, name: str) -> Any:
    return type(name, (Exception,), {}) if name in EXCEPTIONS else Placeholder(module, name)


@lru_cache
def _names_in(module: str) -> frozenset[str]:
    """Return the names of `PLACEHOLDERS` that are in the source of a module; none if it is not installed."""
    package, *parts = module.split(".")
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return frozenset()
    path = Path(spec.origin).parent.joinpath(*parts)
    file = next((each for each in (path / "__init__.py", path.with_suffix(".py")) if each.is_file()), None)
    source = file.read_text(encoding="utf-8") if file else ""
    return frozenset(name for name in PLACEHOLDERS[module] if name in source)
