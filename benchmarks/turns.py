"""Two sides of a case, each in a process of its own, in turns."""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection

import torch

SETTLE_S = 0.3
"""Before a turn: a library's idle threads spin for a while, on the cores that the other side is measured on."""


@dataclass(frozen=True)
class Case:
    """What sides do with the same input: `sides` are names that `build` knows; ours comes first.

    `build` is called in the process of the side, and what it returns whenever it is that side's turn.
    """

    name: str
    sides: tuple[str, ...]
    build: Callable[[str, argparse.Namespace], Callable[[], object]]


def measure(case: Case, options: argparse.Namespace) -> dict[str, tuple[float, float]]:
    """For each side the median seconds and the most megabytes above what it held before its first run.

    Args:
        case: must be picklable.
        options: has `runs`, 0 for the cold one alone, `threads` and `device`.
    """
    context = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    processes = []
    for side in case.sides:
        pipes[side], child = context.Pipe()
        processes.append(context.Process(target=serve_side, args=(case, side, options, child)))
        processes[-1].start()
        pipes[side].recv()  # one loads after the other
    results: dict[str, list[tuple[float, float]]] = {side: [] for side in case.sides}
    for run in range(options.runs + 1):
        for side, pipe in pipes.items():
            time.sleep(SETTLE_S)
            pipe.send(True)
            answer = pipe.recv()
            if run or not options.runs:  # the first warms up
                results[side].append(answer)
    for pipe, process in zip(pipes.values(), processes, strict=True):
        pipe.send(False)
        process.join()
    return {
        side: (statistics.median(seconds for seconds, _ in runs), max(size for _, size in runs))
        for side, runs in results.items()
    }


def serve_side(case: Case, side: str, options: argparse.Namespace, pipe: Connection) -> None:
    """A process that does the work whenever it is told to, and answers with seconds and megabytes."""
    torch.set_num_threads(options.threads)
    work = case.build(side, options)
    cuda = options.device == "cuda"
    before = torch.cuda.memory_allocated() if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    pipe.send(None)
    while pipe.recv():
        start = time.perf_counter()
        work()
        if cuda:
            torch.cuda.synchronize()
        seconds = time.perf_counter() - start
        peak = torch.cuda.max_memory_allocated() if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        pipe.send((seconds, (peak - before) / 2**20))
