"""Modules whose code runs when it is needed."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from threading import RLock
from types import ModuleType
from typing import Any

LAZY_PACKAGES = {"diffusers.models.transformers", "transformers.models"}
"""Packages whose code imports all their submodules, which do not need it."""

LAZY_MODULES = LAZY_PACKAGES | {"scipy.integrate", "scipy.stats"}
"""Modules whose code runs when an attribute of them is first used."""


class LazyModule(ModuleType):
    """A module whose code runs when an attribute that it does not have yet is first used."""

    def __getattr__(self, name: str) -> Any:
        error = AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        if name.startswith("__") and name not in ("__all__", "__path__"):  # such as what `warnings` asks every module
            raise error
        if self.__name__ in LAZY_PACKAGES and find_spec(f"{self.__name__}.{name}") is not None:
            return import_module(f"{self.__name__}.{name}")
        if not self._run():
            raise error
        return getattr(sys.modules[self.__name__], name)  # the code may have put another module in its place

    def __dir__(self) -> list[str]:
        self._run()
        return [*vars(sys.modules[self.__name__])]

    def _run(self) -> bool:
        """Run the code, or wait until another thread has run it; return False in the code itself."""
        with _LOCKS[self.__name__]:
            if self.__name__ in _RUNNING:
                return False
            if type(self) is LazyModule:
                _RUNNING.add(self.__name__)
                spec: Any = self.__spec__
                if spec.submodule_search_locations is not None:
                    self.__path__ = spec.submodule_search_locations
                try:
                    spec.loader.exec_module(self)
                    object.__setattr__(self, "__class__", ModuleType)
                finally:
                    _RUNNING.discard(self.__name__)
        return True


_LOCKS = {name: RLock() for name in LAZY_MODULES}
_RUNNING: set[str] = set()
"""Names of the lazy modules whose code is running."""


def make_lazy(module: ModuleType) -> None:
    """Let the code of a module wait, in place of running it."""
    module.__class__ = LazyModule
    if module.__name__ not in LAZY_PACKAGES and hasattr(module, "__path__"):
        del module.__path__  # so that an import of a submodule runs the code first
