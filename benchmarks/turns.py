"""Measure the time and memory of two or more sides of a case, in turns, each in a process of its own."""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import NamedTuple

import torch

SETTLE_S = 0.3
"""Pause before a turn: the idle threads of a library spin for a while, on the cores that the other side needs."""


@dataclass(frozen=True)
class Case:
    """A task that several sides perform on the same input.

    Attributes:
        name: what the table calls it.
        sides: names of the sides, as `build` expects them; ours is first.
        build: called once in the process of a side; returns the function that is called in each turn of that side.
    """

    name: str
    sides: tuple[str, ...]
    build: Callable[[str, argparse.Namespace], Callable[[], object]]


class Run(NamedTuple):
    """One run of a side: its seconds, and the peak memory in MB above what the side held before its first run."""

    seconds: float
    megabytes: float


def measure(case: Case, options: argparse.Namespace) -> dict[str, tuple[float, float]]:
    """Return the median seconds and the peak memory of each side, of the runs of `measure_runs`."""
    return summary(measure_runs(case, options))


def summary(runs: dict[str, list[Run]]) -> dict[str, tuple[float, float]]:
    """Return the median seconds and the peak memory in MB of each side."""
    return {
        side: (statistics.median(run.seconds for run in some), max(run.megabytes for run in some))
        for side, some in runs.items()
    }


def measure_runs(case: Case, options: argparse.Namespace) -> dict[str, list[Run]]:
    """Return the runs of each side, without the warm-up run.

    Args:
        case: must be picklable.
        options: `runs` (0 measures the first, cold run only), `threads` and `device`.

    Raises:
        EOFError: the process of a side has ended; it has printed why.
    """
    context = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    results: dict[str, list[Run]] = {side: [] for side in case.sides}
    with ExitStack() as ends:
        for side in case.sides:
            pipes[side], child = context.Pipe()
            process = context.Process(target=serve_side, args=(case, side, options, child))
            process.start()
            ends.callback(process.join)
            ends.enter_context(pipes[side])  # a process ends when the pipe is closed
            child.close()
            pipes[side].recv()  # load one side after the other
        for run in range(options.runs + 1):
            for side, pipe in pipes.items():
                time.sleep(SETTLE_S)
                pipe.send(True)
                answer = pipe.recv()
                if run or not options.runs:  # the first run is the warm-up
                    results[side].append(Run(*answer))
    return results


def serve_side(case: Case, side: str, options: argparse.Namespace, pipe: Connection) -> None:
    """Run the work on each request from the pipe, and reply with seconds and MB, until the pipe is closed."""
    torch.set_num_threads(options.threads)
    work = case.build(side, options)
    cuda = options.device == "cuda"
    before = torch.cuda.memory_allocated() if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    pipe.send(None)
    while True:
        try:
            pipe.recv()
        except EOFError:
            return
        seconds = time_s(work, cuda=cuda)
        peak = torch.cuda.max_memory_allocated() if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        pipe.send((seconds, (peak - before) / 2**20))


def run_once(work: Callable[[], object], device: str) -> Run:
    """Run work in this process, for a GPU that nothing else uses; on a CPU the memory is not measured, but 0."""
    if device != "cuda":
        return Run(time_s(work, cuda=False), 0.0)
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    seconds = time_s(work, cuda=True)
    return Run(seconds, (torch.cuda.max_memory_allocated() - before) / 2**20)


def time_s(work: Callable[[], object], *, cuda: bool) -> float:
    """Return the duration of a run, with what it has started on a GPU."""
    start = time.perf_counter()
    work()
    if cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start
