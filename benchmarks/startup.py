"""Time whole processes: commands on a recording of 1.1 s with bundled or tiny models, compared with `import torch`.

    python -m benchmarks.startup [--runs 5] [--only draw doctor]

Every run starts `import torch` and then each command in a new interpreter, in turns, so that other load on the machine
affects all of them. `serve` is timed until it answers /health, and `serve, first drawing` from there until the first
answer of /v1/draw. Prints median, minimum and maximum in seconds. The first start of each, which compiles modules and
fills the cache, is not counted; `draw, empty cache` starts without what earlier processes have kept. The limits apply
to two cores of an idle machine.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from benchmarks.report import Report, add_output_option
from photism.hub import bundled_model

BEYOND_TORCH_LIMIT_S = 2.5
"""Limit of the commands that load a model, in addition to `import torch`."""
LIMITS_S = {"version": 0.3, "help": 0.3, "help of draw": 0.3, "doctor": 5.0}
"""Limits of whole processes."""
TORCH, SERVE, FIRST_DRAWING = "import torch", "serve", "serve, first drawing"
EMPTY_CACHE = "draw, empty cache"
WITHOUT_LIMIT = (TORCH, FIRST_DRAWING, EMPTY_CACHE)
PORT = 7871
STEPS_FOR_TIMING = ("--steps", "1")
"""Flag of `film` and `sound`, whose duration is that of the start: one denoising step of each frame or sound."""


def commands(recording: Path, folder: Path) -> dict[str, tuple[str, ...]]:
    """Return the arguments of each command."""
    from tests.support.tiny_ctc import make_checkpoints

    make_checkpoints(folder / "ctc")
    sound = str(recording)
    return {
        "version": ("--version",),
        "help": ("--help",),
        "help of draw": ("draw", "--help"),
        "doctor": ("doctor",),
        "draw": ("draw", sound, "-o", str(folder / "image.png"), "--force"),
        EMPTY_CACHE: ("draw", sound, "-o", str(folder / "image.png"), "--force"),
        "hear": ("hear", sound),
        "label": ("label", sound),
        "transcribe": ("transcribe", sound, "--model", str(folder / "ctc/w2v-bert")),
        "embed": ("embed", sound, "-o", str(folder / "vectors.npz"), "--force"),
        "film": ("film", sound, "--fps", "1", *STEPS_FOR_TIMING, "-o", str(folder / "film.mp4"), "--force"),
        "sound": ("sound", "a bell", *STEPS_FOR_TIMING, "-o", str(folder / "bell.wav"), "--force"),
        SERVE: ("serve", "--port", str(PORT)),
    }


def time_server(arguments: Sequence[str], recording: Path) -> tuple[float, float]:
    """Return the time until a server answers, and that of its first drawing."""
    start = time.perf_counter()
    process = subprocess.Popen(_command(arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{PORT}"
    try:
        while not _answers(f"{address}/health"):
            time.sleep(0.02)
        started = time.perf_counter()
        files = {"file": ("sound.ogg", recording.read_bytes())}
        httpx.post(f"{address}/v1/draw", files=files, timeout=60).raise_for_status()
        return started - start, time.perf_counter() - started
    finally:
        process.terminate()
        process.wait(60)


def one_run(chosen: dict[str, tuple[str, ...]], recording: Path) -> Iterator[tuple[str, float]]:
    """Time `import torch` and each command once; yield their names and durations."""
    yield TORCH, _time([sys.executable, "-c", "import torch"])
    for name, arguments in chosen.items():
        if name == SERVE:
            yield from zip((SERVE, FIRST_DRAWING), time_server(arguments, recording), strict=True)
        elif name == EMPTY_CACHE:
            with tempfile.TemporaryDirectory() as cache:
                yield name, _time(_command(arguments), PHOTISM_CACHE=cache)
        else:
            yield name, _time(_command(arguments))


def limit_of(name: str, torch_s: float) -> float | None:
    """Return the limit of a command, given the duration of `import torch`; None if it has none."""
    if name in WITHOUT_LIMIT:
        return None
    return LIMITS_S.get(name, torch_s + BEYOND_TORCH_LIMIT_S)


def _command(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "photism", *arguments]


def _time(command: Sequence[str], **environment: str) -> float:
    given = os.environ | environment
    given.pop("PYTHONDONTWRITEBYTECODE", None)  # installed modules are compiled once
    start = time.perf_counter()
    subprocess.run(command, env=given, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", type=Path, nargs="?", default=bundled_model() / "examples/elephant.en.ogg")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", nargs="+", help="names of the commands; default: all")
    add_output_option(parser)
    options = parser.parse_args()
    report = Report("Whole processes", options)
    with tempfile.TemporaryDirectory() as folder:
        chosen = commands(options.recording, Path(folder))
        chosen = {name: chosen[name] for name in options.only or chosen}
        runs: list[dict[str, float]] = []
        for _ in range(1 + options.runs):
            runs.append(dict(one_run(chosen, options.recording)))
            print(", ".join(f"{name} {seconds:.2f}" for name, seconds in runs[-1].items()), file=sys.stderr)
        runs = runs[1:]
    torch_s = statistics.median(run[TORCH] for run in runs)
    title = f"processes, {options.runs} runs, s"
    table = Table("", "median", "minimum", "maximum", "beyond torch", "limit", title=title)
    for name in runs[0]:
        times = [run[name] for run in runs]
        median, limit = statistics.median(times), limit_of(name, torch_s)
        beyond_s = [run[name] - run[TORCH] for run in runs]
        report.add(name, None, s=times, **{} if name == TORCH else {"s beyond import torch": beyond_s})
        figures = (median, min(times), max(times), statistics.median(beyond_s))
        verdict = "" if limit is None else f"{'within' if median <= limit else 'OVER'} {limit:.2f}"
        table.add_row(name, *(f"{each:.3f}" for each in figures), verdict)
    Console().print(table)


if __name__ == "__main__":
    main()
