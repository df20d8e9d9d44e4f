"""A job in a process of its own that is killed at a random moment."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Sequence
from multiprocessing.synchronize import Event

from photism.jobs.outputs import table_rows
from photism.jobs.run import run
from photism.manifest.entry import Entry
from tests.support.jobs import NameJob

ROWS_PER_BLOCK = 7
MS = 0.001


def process(
    path: str, format: str | None, listed: Sequence[Entry], windows: int | None, is_started: Event | None = None
) -> None:
    """Process recordings, each of which takes about a millisecond, in small blocks."""
    table_rows.BLOCK_ROWS = ROWS_PER_BLOCK
    job = NameJob(windows=windows, on_recording=lambda _: time.sleep(random.random() * 2 * MS))
    if is_started is not None:
        is_started.set()
    run(job, listed, path, format=format)


def run_and_kill(path: str, format: str | None, listed: Sequence[Entry], windows: int | None, after_s: float) -> bool:
    """Run the job in another process, kill it some time after it has started, and return whether that ended it."""
    context = multiprocessing.get_context("spawn")
    is_started = context.Event()
    child = context.Process(target=process, args=(path, format, listed, windows, is_started))
    child.start()
    assert is_started.wait(60)
    child.join(after_s)
    child.kill()
    child.join()
    return child.exitcode != 0
