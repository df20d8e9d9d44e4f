"""Packages of transformers and diffusers that import or list all of their models, which they do when that is needed."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from threading import RLock
from types import ModuleType
from typing import Any, cast

LAZY_PACKAGES = {
    "diffusers.models.autoencoders",
    "diffusers.models.transformers",
    "diffusers.models.unets",
    "transformers.models",
}
"""Packages whose code runs when an attribute of theirs is first used that is not one of their submodules."""
_LOCK = RLock()


class LazyPackage(ModuleType):
    """A package whose code runs when an attribute that it does not have yet is first used.

    Its submodules are imported without it.
    """

    def __getattr__(self, name: str) -> Any:
        error = AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        if name.startswith("__") and name != "__all__":  # such as what `warnings` asks every module
            raise error
        if name != "__all__" and find_spec(f"{self.__name__}.{name}") is not None:
            return import_module(f"{self.__name__}.{name}")
        module = self._run()
        if type(module) is LazyPackage:  # the code itself asks
            raise error
        return getattr(module, name)

    def __dir__(self) -> list[str]:
        return [*vars(self._run())]

    def _run(self) -> ModuleType:
        """Run the code, or wait until another thread has; return the module that it puts in place of this one."""
        with _LOCK:
            if type(self) is LazyPackage and self.__name__ not in _RUNNING:
                _RUNNING.add(self.__name__)
                try:
                    cast("Any", self.__spec__).loader.exec_module(self)
                    object.__setattr__(self, "__class__", ModuleType)
                finally:
                    _RUNNING.discard(self.__name__)
        return sys.modules[self.__name__]


_RUNNING: set[str] = set()
"""Names of the packages whose code is running."""


def make_lazy(module: ModuleType) -> None:
    """Let the code of the package wait, in place of running it."""
    module.__class__ = LazyPackage
