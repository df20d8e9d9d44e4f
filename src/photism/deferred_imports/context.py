"""The context in which transformers and diffusers are imported without what few of their users need.

Most of the time in which these two are imported goes to modules of which an ordinary run uses nothing: the compiler of
torch, symbolic mathematics, distributed training, statistics and PEFT. Within `deferred_imports`

- a name of `PLACEHOLDERS` that one of them imports is a `Placeholder`, which imports the name when it is first used;
- `import scipy.stats` imports SciPy, which imports its statistics when they are first used;
- a package of `LAZY_PACKAGES` runs its code, which imports or lists all models of a library, when it is first used;
- the list of the models of transformers, which is read from their sources, is kept in the user's cache;
- what they report to the compiler of torch waits until somebody imports it;
- three functions, which would import these modules or read many files for an answer that is known or rarely needed,
  do not.

No module is hidden: an import of the caller's, and a use of a library that needs the module, find the real one, and
then the placeholders are replaced. A name that is not listed, as of another version of a library, is imported at once.
"""

from __future__ import annotations

import builtins
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property, partial, wraps
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import resolve_name
from threading import RLock
from types import ModuleType
from typing import Any, cast

from photism.deferred_imports import import_structure
from photism.deferred_imports.compiler_reports import COMPILER, CompilerReports
from photism.deferred_imports.lazy_package import LAZY_PACKAGES, make_lazy
from photism.deferred_imports.placeholders import Placeholders, can_wait

IMPORTERS = re.compile(r"(diffusers|transformers)\..+|torch(\..+)?")
"""Names of the modules whose imports are deferred."""
IMPORTED_BY_PACKAGE = {COMPILER, "scipy.stats"}
"""Modules that their package imports when they are first used."""


class DeferredImports(MetaPathFinder):
    """Context manager in which transformers and diffusers are imported without what few of their users need.

    Threads may enter it at the same time, and it may be entered within itself.
    """

    def __init__(self) -> None:
        self._lock = RLock()
        self._depth = 0
        self._reports = CompilerReports()
        self._placeholders = Placeholders()
        self._replaced = ExitStack()

    def __enter__(self) -> None:
        import importlib.metadata

        import torch

        with self._lock:
            self._depth += 1
            if self._depth > 1:
                return
            if COMPILER not in sys.modules:
                torch.__dict__["_dynamo"] = self._reports
            if self not in sys.meta_path:  # where it stays, to notice when a module is imported after all
                sys.meta_path.insert(0, self)
            self._replace(builtins, "__import__", partial(self._import, builtins.__import__))
            distributions = partial(_Distributions, importlib.metadata.packages_distributions)
            self._replace(importlib.metadata, "packages_distributions", distributions)
            self._replace(torch.nn.init, "normal_", _without_meta(torch.nn.init.normal_))
            self._replace(torch, "empty_like", _empty_like(torch.empty_like))

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._depth -= 1
            if self._depth > 0:
                return
            self._replaced.close()
            attributes = vars(sys.modules["torch"])
            if attributes.get("_dynamo") is self._reports:
                del attributes["_dynamo"]

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module that is imported in another way, or that something waits for; leave others to other finders."""
        instead, after = None, None
        if self._depth > 0 and fullname in LAZY_PACKAGES:
            instead = make_lazy
        elif self._depth > 0 and fullname == import_structure.MODULE:
            after = self._keep_structure
        elif fullname == COMPILER:
            after = self._reports.deliver
        elif fullname in self._placeholders:
            after = self._placeholders.replace
        else:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, instead=instead, after=after)
        return spec

    def _keep_structure(self, module: ModuleType) -> None:
        """Let transformers, while it is imported, take the list of its models from the cache."""
        define = getattr(module, import_structure.FUNCTION, None)
        if define is not None:
            self._replace(module, import_structure.FUNCTION, import_structure.kept_structure(define))

    def _replace(self, owner: Any, name: str, value: Any) -> None:
        """Set an attribute until the context ends, unless another one is there by then."""
        before = getattr(owner, name)
        setattr(owner, name, value)

        def restore() -> None:
            if getattr(owner, name) is value:
                setattr(owner, name, before)

        self._replaced.callback(restore)

    def _import(
        self,
        original: Callable[..., Any],
        name: str,
        globals: dict[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        """Import as `original` does, or return placeholders of the names of `PLACEHOLDERS`.

        It is bound to the function that it replaces: if others replace `__import__` as well and restore it later, each
        still calls the one that it found.
        """
        if globals is not None and self._depth and IMPORTERS.fullmatch(str(globals.get("__name__"))):
            module = resolve_name("." * level + name, globals.get("__package__"))
            if module in IMPORTED_BY_PACKAGE and not fromlist and module not in sys.modules:
                package = original(module.partition(".")[0])
                if "__getattr__" in vars(package):
                    return package
            elif module == COMPILER and fromlist == ("allow_in_graph",) and module not in sys.modules:
                return self._reports
            elif fromlist and can_wait(module, fromlist):
                return self._placeholders.place(module, fromlist, globals)
        return original(name, globals, locals, fromlist, level)


deferred_imports = DeferredImports()


class _Loader(Loader):
    """Loader that calls a function in place of a module's code, or after it."""

    def __init__(
        self,
        loader: Loader,
        *,
        instead: Callable[[ModuleType], None] | None = None,
        after: Callable[[ModuleType], None] | None = None,
    ) -> None:
        self._loader, self._instead, self._after = loader, instead, after

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        cast("ModuleSpec", module.__spec__).loader = module.__loader__ = self._loader
        (self._instead or self._loader.exec_module)(module)
        if self._after is not None:
            self._after(module)


class _Distributions(Mapping[str, Any]):
    """What `importlib.metadata.packages_distributions` returns: it reads the files of all installed packages."""

    def __init__(self, read: Callable[[], Mapping[str, Any]]) -> None:
        self._read = read

    @cached_property
    def _found(self) -> Mapping[str, Any]:
        return self._read()

    def __getitem__(self, key: str) -> Any:
        return self._found[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


def _without_meta(initialise: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of `torch.nn.init` that leaves tensors on the meta device, which have no values, as they are.

    torch imports SymPy to set none of their values.
    """

    @wraps(initialise)
    def initialise_values(tensor: Any, *args: Any, **kwargs: Any) -> Any:
        return tensor if tensor.is_meta else initialise(tensor, *args, **kwargs)

    return initialise_values


def _empty_like(make: Callable[..., Any]) -> Callable[..., Any]:
    """Return `torch.empty_like`, for which torch imports SymPy if the tensor is on the meta device."""

    @wraps(make)
    def empty_like(tensor: Any, **kwargs: Any) -> Any:
        import torch

        if kwargs.keys() == {"device"} and tensor.is_meta and tensor.is_contiguous():
            return torch.empty(tensor.shape, dtype=tensor.dtype, **kwargs)
        return make(tensor, **kwargs)

    return empty_like
