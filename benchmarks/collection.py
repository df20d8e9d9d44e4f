"""Compare a job in this process with the same job on Ray on this machine: `photism hear`, with and without `--ray`.

    python -m benchmarks.collection FOLDER [--recordings 2000] [--runs 3] [--window 2] [--long HOURS] [--threads 1]

FOLDER is searched for recordings, of which --recordings are used; `python -m recipes.tiny.corpus` downloads the
Tux Paint corpus. With --long, they are joined to one recording of so many hours, which is classified in windows.
Each side runs in processes of its own, in turns, with all cores. A side is also run on a single recording, which is its
start-up: loading libraries and the model, and starting Ray. Prints, as medians: hours of audio per second and the time
without the start-up; the CPU time of all processes, those of Ray's services included, without that of the start-up; and
the start-up. The CPU time is the one to compare on a busy machine. It is sampled four times a second,
so that a process that lives shorter than that is not counted.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil

from benchmarks.report import Report, add_output_option

SIDE_NAMES = {"plain": "photism hear", "ray": "photism hear --ray"}
SIDES = tuple(SIDE_NAMES)
MARK = "PHOTISM_BENCHMARK"
POLL_S = 0.25
ENDINGS = (".ogg", ".wav", ".flac", ".mp3", ".opus", ".m4a")


class Cost(NamedTuple):
    """Seconds of a run: elapsed, and of CPU time of all of its processes."""

    elapsed_s: float
    cpu_s: float


def run_side(side: str, listing: str, output: str, window_s: float | None, threads: int | None) -> None:
    """Run the job, in a process of its own."""
    from contextlib import nullcontext

    from photism.jobs import HearJob, ray_cluster, run
    from photism.jobs.ray_worker import ray_worker
    from photism.listening.settings import HearSettings
    from photism.manifest.read import read_manifest

    if threads is not None:
        import torch

        torch.set_num_threads(threads)
        ray_cluster.WORKER_THREADS = threads
    job = HearJob(ranking=HearSettings(window_s=window_s))
    with ray_worker(job, "local") if side == "ray" else nullcontext() as worker:
        print(run(job, read_manifest([listing]), output, worker=worker).duration_s)


def measure(side: str, listing: Path, window_s: float | None, threads: int | None) -> tuple[Cost, float]:
    """Return the cost of a run, and the seconds of audio that it processed."""
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.collection", f"@{listing}", "--side", side]
        command += ["--rows", f"{folder}/rows.jsonl", *(["--window", str(window_s)] if window_s else [])]
        command += ["--threads", str(threads)] if threads else []
        start = time.monotonic()
        process = subprocess.Popen(command, env={**os.environ, MARK: mark}, stdout=subprocess.PIPE, text=True)
        cpu_s: dict[int, float] = {}
        others: set[int] = {each.pid for each in psutil.process_iter()} - {process.pid}
        while process.poll() is None:
            add_cpu_times(cpu_s, others, mark)
            time.sleep(POLL_S)
        elapsed_s = time.monotonic() - start
        (printed, _) = process.communicate()
        if process.returncode:
            raise SystemExit(f"{side} failed")
    return Cost(elapsed_s, sum(cpu_s.values())), float(printed)


def add_cpu_times(cpu_s: dict[int, float], others: set[int], mark: str) -> None:
    """Update the CPU time of each process whose environment has a mark."""
    for each in psutil.process_iter():
        if each.pid in others:
            continue
        try:
            if each.pid not in cpu_s and each.environ().get(MARK) != mark:
                if time.time() - each.create_time() > 1:  # earlier it may be on the way to another program
                    others.add(each.pid)
                continue
            times = each.cpu_times()
            cpu_s[each.pid] = times.user + times.system
        except psutil.Error:
            continue


def find(folder: Path, number: int) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.suffix in ENDINGS)
    return [found[index * len(found) // number] for index in range(min(number, len(found)))]


def join(paths: list[Path], hours: float, target: Path) -> None:
    """Write a recording of a duration that repeats others."""
    from photism import load_waveform

    needed = round(hours * 3600 * 16_000)
    with wave.open(str(target), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        while needed > 0:
            for path in paths:
                samples = (load_waveform(path).samples[:needed] * 32767).clip(-32768, 32767).astype(np.int16)
                file.writeframes(samples.tobytes())
                needed -= len(samples)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--recordings", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--window", type=float, help="classify windows of so many seconds")
    parser.add_argument("--long", type=float, metavar="HOURS", help="join the recordings to one of so many hours")
    parser.add_argument("--threads", type=int, help="threads of a process with the model; by default as many as cores")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--rows", help=argparse.SUPPRESS)
    add_output_option(parser)
    options = parser.parse_args()
    if options.side:
        run_side(options.side, options.folder, options.rows, options.window, options.threads)
        return
    with tempfile.TemporaryDirectory() as folder:
        paths = find(Path(options.folder), options.recordings)
        one, many = Path(folder, "one.txt"), Path(folder, "many.txt")
        one.write_text(f"{paths[0].absolute()}\n")
        if options.long:
            join(paths, options.long, Path(folder, "long.wav"))
            paths = [Path(folder, "long.wav")]
        many.write_text("".join(f"{path.absolute()}\n" for path in paths))
        costs: dict[tuple[str, Path], list[Cost]] = {(side, each): [] for side in SIDES for each in (one, many)}
        audio_s = 0.0
        for _ in range(options.runs):
            for side, listing in costs:
                cost, audio_s = measure(side, listing, options.window, options.threads)
                costs[side, listing].append(cost)
                print(side, listing.stem, *(f"{value:.1f}" for value in cost), file=sys.stderr)
    medians = {key: Cost(*map(statistics.median, zip(*some, strict=True))) for key, some in costs.items()}
    report_costs(options, {side: (medians[side, one], medians[side, many]) for side in SIDES}, audio_s / 3600)


def report_costs(options: argparse.Namespace, costs: dict[str, tuple[Cost, Cost]], hours: float) -> None:
    """Record and print what each side costs: its start-up, the whole, and their difference."""
    report = Report("Many recordings, with and without Ray", options)
    first: float | None = None
    for side, (start, whole) in costs.items():
        elapsed_s, cpu_s = whole.elapsed_s - start.elapsed_s, whole.cpu_s - start.cpu_s
        values = {
            "elapsed s without start-up": elapsed_s,
            "hours of audio per s": hours / elapsed_s,
            "CPU s": whole.cpu_s,
            "start-up CPU s": start.cpu_s,
            "CPU s without start-up": cpu_s,
            "per hour of audio": cpu_s / hours,
            "ratio": first and cpu_s / first,
        }
        first = first or cpu_s
        report.add(f"{hours:.2f} h of audio", SIDE_NAMES[side], **values)
    report.print()


if __name__ == "__main__":
    main()
