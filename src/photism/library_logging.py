"""What transformers, diffusers and onnxruntime print and report while Photism uses them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from importlib import import_module
from threading import Lock
from typing import Any

from photism.deferred_imports.context import deferred_imports

ONNX_CLASS = "OnnxRuntimeModel"


class QuietLibraries:
    """Context manager in which transformers and diffusers print neither warnings nor progress bars.

    They are imported without what few of their users need. Their settings belong to the process: the last thread to
    leave restores what the first one found. `Loading weights` and the like are of no use to a caller of ours, and a
    process that uses these libraries itself keeps its settings.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._depth = 0
        self._restore: list[Callable[[], None]] = []

    def __enter__(self) -> None:
        disable_telemetry()
        with self._lock, deferred_imports:
            if self._depth == 0:
                self._restore = [silence("transformers")]
            # diffusers, of which the import is slow, may be imported within a block.
            if "diffusers" in sys.modules and len(self._restore) == 1:
                self._restore.append(silence("diffusers"))
            self._depth += 1
        deferred_imports.__enter__()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._depth -= 1
            if self._depth == 0:
                for restore in self._restore:
                    restore()
        deferred_imports.__exit__()


quiet_libraries = QuietLibraries()


def silence(library: str) -> Callable[[], None]:
    """Let transformers or diffusers log errors only and show no progress bars; return what restores its settings."""
    logging: Any = import_module(f"{library}.utils.logging")
    verbosity, showed_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()

    def restore() -> None:
        """Restore verbosity and progress bars."""
        logging.set_verbosity(verbosity)
        if showed_bars:
            logging.enable_progress_bar()

    return restore


def disable_telemetry() -> None:
    """Keep onnxruntime, which may be imported later, from writing and sending statistics of its use.

    onnxruntime reads this variable when it is imported. With it, version 1.31.1 writes nothing to the home folder.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


@contextmanager
def without_onnxruntime() -> Generator[None]:
    """Keep diffusers from importing onnxruntime, with which it compares the class of each component that it loads."""
    import diffusers

    if ONNX_CLASS in vars(diffusers):
        yield
        return
    setattr(diffusers, ONNX_CLASS, type(ONNX_CLASS, (), {}))
    try:
        yield
    finally:
        with suppress(AttributeError):  # another thread was here first
            delattr(diffusers, ONNX_CLASS)
