"""Progress bar of a training in a notebook."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta

from photism.display.progress import NotebookBar, in_notebook
from photism.training.logging import Listener, describe_prepared
from photism.training.trainer import Progress


@contextmanager
def notebook_listener() -> Generator[Listener]:
    """Yield callbacks that show a progress bar in a notebook, which does not stay, and nothing elsewhere."""
    if not in_notebook():
        yield Listener()
        return
    with NotebookBar() as bar:
        current_stage = ""

        def stage(text: str) -> None:
            """Show that a stage begins."""
            nonlocal current_stage
            current_stage = text
            bar.show(text)

        def step(progress: Progress) -> None:
            """Show how many steps are done, the loss, and the time that is left."""
            bar.total = progress.steps
            left = timedelta(seconds=round(progress.remaining_s))
            bar.update(progress.step - bar.n, f", loss {progress.losses['loss']:.4f}, {left} left")

        yield Listener(
            stage=stage,
            prepared=lambda amount: bar.show(f"{current_stage}: {describe_prepared(amount)}"),
            step=step,
        )
