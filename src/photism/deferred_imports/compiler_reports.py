"""What libraries report to the compiler of torch while they are imported."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from importlib import import_module
from typing import Any

from photism.deferred_imports.placeholders import Placeholder

COMPILER = "torch._dynamo"


class CompilerReports:
    """Stands in for torch's compiler while libraries are imported, and keeps what their decorators report to it.

    Libraries keep the decorators, so that what they report once the compiler is imported reaches it at once. Any other
    attribute is that of the compiler, which is imported then.
    """

    def __init__(self) -> None:
        self.eval_frame = _EvalFrame()
        self._waiting: list[Callable[[Any], object]] = []
        self._compiler: Any = None

    def allow_in_graph(self, reported: Any) -> Any:
        """Mark a class or function as one that the compiler does not look into."""
        self._report(lambda compiler: compiler.allow_in_graph(reported))
        return reported

    def assume_constant_result(self, reported: Any) -> Any:
        """Mark a function as one whose result is a constant."""
        self._report(lambda compiler: compiler.assume_constant_result(reported))
        return reported

    def disable(self, function: Any = None, recursive: bool = True, **options: Any) -> Any:
        """Return a function that the compiler does not compile."""
        if function is None:
            return partial(self.disable, recursive=recursive, **options)
        current = [function]

        @wraps(function)
        def disabled(*args: Any, **kwargs: Any) -> Any:
            return current[0](*args, **kwargs)

        def report(compiler: Any) -> None:
            current[0] = compiler.disable(function, recursive, **options)

        self._report(report)
        return disabled

    def deliver(self, compiler: Any) -> None:
        """Report everything to the compiler."""
        self._compiler = compiler
        while self._waiting:
            self._waiting.pop(0)(compiler)

    def _report(self, report: Callable[[Any], object]) -> None:
        if self._compiler is None:
            self._waiting.append(report)
        else:
            report(self._compiler)

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(COMPILER), name)


class _EvalFrame:
    """The compiler's module of compiled models, which none is before its import; diffusers asks it about each model."""

    OptimizedModule: Any = Placeholder(f"{COMPILER}.eval_frame", "OptimizedModule")

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(f"{COMPILER}.eval_frame"), name)
