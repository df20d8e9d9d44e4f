"""Test and measure Photism on a GPU, in one go: the tests marked `cuda`, then every benchmark that needs one.

    python -m benchmarks.gpu --output benchmarks/results/gpu/h200.json [--budget 480] [--only WORD]
    python -m benchmarks.gpu --device cpu --small --output /tmp/gpu.json    # a rehearsal, in a few minutes

The most important rows come first. Each runs in a process of its own with a limit of time, so that one that fails loses
its own figures alone: the note of the results says why. A row begins only while there is time left. With the same
`--output`, the rows that it has are not measured again, so that a second call goes on where the first one ended.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from benchmarks import gpu_attention, gpu_rows
from benchmarks.report import Report

ROOT = Path(__file__).parents[1]
TESTS = "tests"
TESTS_S = 150
TESTED = (
    "tests/encoder",
    "tests/audio",
    "tests/training",
    "tests/drawing",
    "tests/audioldm2",
    "tests/test_fingerprint.py",
)
"""Folders with tests that are marked `cuda`: collecting all others would take as long as running these."""
ROWS: dict[str, tuple[Callable[[Report, argparse.Namespace], None], int]] = {
    "attention": (gpu_attention.attention, 100),
    "encoder": (gpu_attention.encode, 60),
    "from waveforms": (gpu_rows.from_waveforms, 45),
    "log-mel": (gpu_rows.log_mel, 25),
    "corpus": (gpu_rows.corpus, 30),
    "draw, Stable Diffusion XL": (partial(gpu_rows.draw, "Stable Diffusion XL"), 60),
    "sound": (gpu_rows.make_sound, 110),
    "draw, Stable Diffusion 1.5": (partial(gpu_rows.draw, "Stable Diffusion 1.5"), 40),
    "align": (gpu_rows.align_step, 60),
    "label": (gpu_rows.label_recordings, 60),
    "ctc": (gpu_rows.train_ctc, 40),
    "training step": (gpu_rows.training, 30),
    "profile": (gpu_rows.profile, 25),
}
"""Rows by name, the most important first, with the seconds that each may take."""
SLOWER = 4
"""How many times the time a rehearsal on a CPU may take."""
SHORTEST_S = 15
"""Least time in which a row can be measured at all."""


def run_limited(command: list[str], limit_s: float) -> tuple[int | None, str]:
    """Run a command and its children for a limited time; return its status, None if it was ended, and its output."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT, start_new_session=True, text=True
        )
        try:
            status = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            end_with_children(process)
        output.seek(0)
        return status, output.read()


def end_with_children(process: subprocess.Popen[str]) -> None:
    """End a process and what it has started, which may hold memory of the GPU."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def run_tests(report: Report, options: argparse.Namespace, limit_s: float) -> str:
    """Run the tests of a GPU, record how many passed and failed, and return the failed ones."""
    paths = ["tests/encoder/test_gpu_attention.py"] if options.small else TESTED
    chosen = [] if options.device == "cpu" else ["-m", "cuda"]
    if options.device == "cuda" and find_spec("xdist"):  # most of the time is spent on the CPU, compiling
        chosen += ["--numprocesses", "4", "--dist", "loadfile"]
    command = [sys.executable, "-m", "pytest", "-q", "--continue-on-collection-errors", "-p", "no:cacheprovider"]
    status, output = run_limited([*command, *chosen, *paths], limit_s)
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error|skipped)", output)}
    if counts:
        report.add(f"{TESTS} on {options.device}", None, **counts)
    failed = re.findall(r"^(?:FAILED|ERROR) (.*)", output, re.MULTILINE)
    ended = f"ended after {limit_s:.0f} s" if status is None else ""
    return "; ".join(filter(None, [ended, *failed])) or ("" if counts else last_line(output))


def run_row(name: str, report: Report, options: argparse.Namespace, limit_s: float) -> str:
    """Measure a row in a process of its own, take over its records, and return what went wrong."""
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "row.json"
        command = [sys.executable, "-m", "benchmarks.gpu", "--row", name, "--output", str(written)]
        command += ["--device", options.device, "--runs", str(options.runs), *(["--small"] if options.small else [])]
        status, output = run_limited(command, limit_s)
        document = json.loads(written.read_text()) if written.is_file() else {"records": [], "note": ""}
        report.extend(document["records"])
    if status is None:
        return f"ended after {limit_s:.0f} s. {document['note']}"
    return document["note"].strip() if status == 0 else f"{last_line(output)}. {document['note']}"


def last_line(output: str) -> str:
    """Return the last line of a program's output, which names its error."""
    return next((line for line in reversed(output.splitlines()) if line.strip()), "no output")


def measure_rows(report: Report, options: argparse.Namespace) -> None:
    """Run the tests and measure the rows that are asked for and missing, as long as there is time."""
    start = time.monotonic()
    rows = {TESTS: TESTS_S, **{name: limit_s for name, (_, limit_s) in ROWS.items()}}
    for name, row_limit_s in rows.items():
        if options.only not in name or any(each["case"].startswith(name) for each in report.records):
            continue
        left_s = options.budget - (time.monotonic() - start)
        if left_s < SHORTEST_S:
            problem = "not measured: no time was left"
        else:
            print(f"{name} …", file=sys.stderr, flush=True)
            limit_s = min(row_limit_s * (1 if options.device == "cuda" else SLOWER), left_s)
            run = run_tests if name == TESTS else None
            problem = run(report, options, limit_s) if run else run_row(name, report, options, limit_s)
        if problem:
            report.document["note"] += f" {name}: {problem}"
        report.write()


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--small", action="store_true", help="few layers and short recordings, for a rehearsal")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--budget", type=float, default=480.0, metavar="SECONDS", help="no row ends later than this")
    parser.add_argument("--only", default="", metavar="WORD", help="run the rows whose name contains WORD")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the results with the machine to FILE (JSON)")
    parser.add_argument("--row", help=argparse.SUPPRESS)  # in the process of a row
    options = parser.parse_args(arguments)
    options.layers = 1 if options.small else 24
    options.threads = torch.get_num_threads()
    return options


def main() -> None:
    options = parse()
    if options.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("this machine has no CUDA GPU; rehearse with --device cpu --small")
    if options.row:
        report = Report(options.row, options)
        try:
            ROWS[options.row][0](report, options)
        finally:
            report.write()
        return
    previous: dict[str, Any] = {"records": []}
    if options.output and options.output.is_file():
        previous = json.loads(options.output.read_text(encoding="utf8"))
    report = Report(f"On a GPU, {options.layers} layers", options, note="Random weights.")
    report.extend(previous["records"])
    measure_rows(report, options)
    report.print()
    print(report.document["note"].strip())


if __name__ == "__main__":
    main()
