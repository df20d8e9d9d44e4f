"""Progress bars of Python calls: in a notebook one of its own, elsewhere that of diffusers."""

from __future__ import annotations

import logging
import sys
import time
import warnings
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from typing import Any

from photism.display.markup import Html, text

DELAY_S = 1.0
"""Time after which a notebook shows a bar: a shorter call needs none."""
INTERVAL_S = 0.2
"""Time between two updates of the bar."""


def in_notebook() -> bool:
    """Return whether this is the kernel of a notebook."""
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and "IPKernelApp" in shell.config


def silence_widget_hints() -> None:
    """Keep tqdm and Ray from printing in a notebook that it has no widgets, and lance a warning at each `!command`.

    The bars of tqdm are imported here, since transformers, diffusers and huggingface_hub import them too.
    """
    if "ipykernel" not in sys.modules:
        return
    logging.getLogger("ray.widgets.util").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message="lance is not fork-safe")  # the fork runs another program at once
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")
        import_module("tqdm.auto")


class NotebookBar:
    """Progress bar in the output of a notebook's cell, with the interface of tqdm's bars that is used here.

    tqdm needs ipywidgets to draw one; without them, each of its updates stays in a saved notebook as a line of text.

    Args:
        total: number of steps; 0 as long as it is not known.
        is_disabled: whether to show nothing.
    """

    def __init__(self, total: int = 0, *, is_disabled: bool = False) -> None:
        self.total, self.n = total, 0
        self._is_disabled, self._due = is_disabled, time.monotonic() + DELAY_S
        self._display: Any = None

    def __enter__(self) -> NotebookBar:
        return self

    def update(self, count: int, note: str = "") -> None:
        """Add to the steps that are done, and show the bar, with a note, if it is time for it."""
        self.n += count
        self.show(f"{self.n} of {self.total} steps{note}")

    def show(self, label: str) -> None:
        """Show the bar and a label, which is text, if it is time for it."""
        if self._is_disabled or time.monotonic() < self._due:
            return
        self._due = time.monotonic() + INTERVAL_S
        extent = f'value="{self.n}" max="{self.total}" ' if self.total else ""
        shown = Html(f'<progress {extent}aria-label="{text(label)}"></progress> {text(label)}')
        if self._display is None:
            self._display = import_module("IPython.display").display(shown, display_id=True)
        else:
            self._display.update(shown)

    def __exit__(self, *_: object) -> None:
        if self._display is not None:
            self._display.update(Html(""))


@contextmanager
def step_progress(
    pipeline: Any, callback_on_step: Callable[[int, int], None] | None, *, steps: int
) -> Generator[Callable[[int, int], None]]:
    """Yield the function to call with the number of finished steps and of all steps: the caller's, or a progress bar's.

    The bar is that of diffusers; in a notebook it appears after a second and does not stay.

    Args:
        pipeline: pipeline of diffusers, which configures the bar.
        callback_on_step: function of the caller.
        steps: number of steps.
    """
    if callback_on_step is not None:
        yield callback_on_step
        return
    with _bar(pipeline, steps) as bar:

        def show(done: int, total: int) -> None:
            """Show the steps that are done."""
            bar.total = total
            bar.update(done - bar.n)

        yield show


def notebook_progress(
    pipeline: Any, callback_on_step: Callable[[int, int], None] | None, *, steps: int
) -> AbstractContextManager[Callable[[int, int], None] | None]:
    """Return the context of `step_progress` in a notebook, and elsewhere one that yields the caller's function only."""
    if in_notebook():
        return step_progress(pipeline, callback_on_step, steps=steps)
    return nullcontext(callback_on_step)


def _bar(pipeline: Any, steps: int) -> AbstractContextManager[Any]:
    if not in_notebook():
        return pipeline.progress_bar(total=steps)
    is_disabled = getattr(pipeline, "_progress_bar_config", {}).get("disable", False)
    return NotebookBar(steps, is_disabled=is_disabled)
