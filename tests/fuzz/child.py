"""Read mutants in child processes, with limits of time and memory for each."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tests.fuzz.corpus import make_corpus
from tests.fuzz.mutations import Mutant, make_mutant

FINITE, CLEAR_ERROR = "finite", "clear error"
ROOT = Path(__file__).parents[2]
MAX_MESSAGE_LENGTH = 600
READY = "ready\n"


class Outcome(NamedTuple):
    """What became of a mutant: `FINITE`, `CLEAR_ERROR`, or anything else."""

    mutant: str
    kind: str
    detail: str


def read_mutants(numbers: Iterable[int], *, seed: int, timeout_s: float, memory_mb: int) -> Iterator[Outcome]:
    """Read mutants in a child process, which is replaced when one crashes it or takes too long.

    Args:
        numbers: numbers of the mutants.
        seed: seed of all mutants.
        timeout_s: longest time in seconds of a mutant.
        memory_mb: most memory that the child may add to what it had before its first mutant.
    """
    child: subprocess.Popen[str] | None = None
    try:
        for number in numbers:
            if child is None:
                child = _start(seed, memory_mb)
            assert child.stdin is not None
            assert child.stdout is not None
            timer = threading.Timer(timeout_s, child.kill)
            child.stdin.write(f"{number}\n")
            child.stdin.flush()
            timer.start()
            line = child.stdout.readline()
            was_killed = not timer.is_alive()
            timer.cancel()
            if line.endswith("\n"):
                yield Outcome(*line.rstrip("\n").split("\t"))
                continue
            status = child.wait()
            kind = "timeout" if was_killed else f"crash with status {status}"
            yield Outcome(make_mutant(make_corpus(), seed, number).name, kind, "")
            child = None
    finally:
        if child is not None:
            child.kill()
            child.wait()


def command(seed: int, memory_mb: int) -> list[str]:
    """Return the command line of a child process."""
    return [sys.executable, "-m", "tests.fuzz.child", str(seed), str(memory_mb)]


def _start(seed: int, memory_mb: int) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    child = subprocess.Popen(command(seed, memory_mb), cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
    assert child.stdout is not None
    if child.stdout.readline() != READY:
        raise RuntimeError("the child process did not start; its error is above")
    return child


def read(mutant: Mutant, path: Path) -> Outcome:
    """Read a mutant in one of the ways in which recordings are read."""
    from photism.audio.live_input import pipe_samples
    from photism.audio.sources import SoundFile
    from photism.audio.streaming import stream_samples
    from photism.audio.waveform import load_waveform
    from photism.drawing.video.audio_features import measure_recording
    from photism.drawing.video.soundtrack import write_soundtrack
    from photism.errors import InputError

    path.write_bytes(mutant.data)
    way = int(mutant.name.split()[0]) // len(make_corpus()) % 5
    try:
        if way == 0:
            blocks = iter([load_waveform(path).samples])
        elif way == 1:
            blocks = iter([load_waveform(mutant.data).samples])
        elif way == 2:
            blocks = stream_samples(SoundFile(path))
        elif way == 3:
            blocks = pipe_samples(_Pipe(path))
        else:
            write_soundtrack(measure_recording(path).sound, path.with_suffix(".mp4"))
            blocks = stream_samples(SoundFile(path.with_suffix(".mp4")))
        count = 0
        for block in blocks:
            count += len(block)
            if not np.isfinite(block).all():
                return Outcome(mutant.name, "not finite", "")
        return Outcome(mutant.name, FINITE, str(count))
    except InputError as error:
        message = str(error)
        is_clear = "\n" not in message and len(message) < MAX_MESSAGE_LENGTH
        named = message.startswith((str(path), "source (bytes)", "the pipe"))
        return Outcome(mutant.name, CLEAR_ERROR if is_clear and named else "unclear error", repr(message))
    except Exception as error:
        return Outcome(mutant.name, type(error).__name__, repr(str(error)))


class _Pipe:
    """A file that cannot seek."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")

    def read(self, count: int) -> bytes:
        return self._file.read(count)


def main() -> None:
    """Answer each number on standard input by the outcome of that mutant."""
    seed, memory_mb = map(int, sys.argv[1:])
    warnings.simplefilter("ignore")
    files = make_corpus()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mutant"
        for number, (name, data) in enumerate(files.items()):  # what is imported and allocated once does not count
            outcome = read(Mutant(f"{number * len(files)} {name}", data), path)
            assert outcome.kind in (FINITE, CLEAR_ERROR), outcome
        before_mb = _peak_mb()
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * os.sysconf("SC_PAGE_SIZE") + 2 * memory_mb * 2**20  # address space, which is not all used
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        print(READY, end="", flush=True)
        for line in sys.stdin:
            outcome = read(make_mutant(files, seed, int(line)), path)
            if _peak_mb() - before_mb > memory_mb:
                outcome = outcome._replace(kind="memory", detail=f"{_peak_mb() - before_mb:.0f} MB")
            print("\t".join(outcome), flush=True)
            if outcome.kind == "memory":  # the peak of this process stays
                return


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # kB on Linux


if __name__ == "__main__":
    main()
