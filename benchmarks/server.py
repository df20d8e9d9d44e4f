"""Measure `photism serve` with 1, 8 and 50 users at once: throughput, latency, refusals, failures and memory.

Each user is a client with a loopback address of its own, and sends the next request when it has the answer to the last
one: the verbs in turn, with recordings of the bundled model. After a 503 it waits as long as Retry-After says. A server
that is started for this is measured in a process of its own, with its decoding processes; the first request of each
verb, which loads the model, does not count.

    python -m benchmarks.server
    python -m benchmarks.server --users 50 --minutes 10
    python -m benchmarks.server --scenario abandoned long
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

from benchmarks.report import Report, add_output_option
from photism.hub import bundled_model

VERBS: dict[str, dict[str, Any]] = {"hear": {}, "label": {}, "draw": {"images": 1}, "embed": {}}
"""Verbs, in the order of a user's requests, with their fields."""
ABANDONED = {"steps": 50, "images": 4}
"""Fields of the drawings whose clients leave."""
TIMEOUT_S = 300


@dataclass
class Figures:
    """Durations, refusals and failures that the users of a server met.

    Attributes:
        seconds: latency of each answer with a result, by verb.
        refused: number of answers 503.
        failed: number of other failures, by what they were.
    """

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    refused: int = 0
    failed: Counter[str] = field(default_factory=Counter)


class HttpServer:
    """The server with an HTTP interface.

    Args:
        address: its URL.
    """

    def __init__(self, address: str) -> None:
        self.address = address

    async def use(self, verbs: list[str], users: int, seconds: float) -> Figures:
        """Let users send requests for some time."""
        figures, end = Figures(), time.monotonic() + seconds
        await asyncio.gather(*(self._use(number, verbs, figures, end) for number in range(users)))
        return figures

    async def _use(self, number: int, verbs: list[str], figures: Figures, end: float) -> None:
        recordings = example_recordings()
        async with self.client(number) as client:
            for turn in count(number):
                if time.monotonic() >= end:
                    return
                verb = verbs[turn % len(verbs)]
                started = time.perf_counter()
                try:
                    answer = await self.send(client, verb, recordings[turn % len(recordings)], VERBS[verb])
                except httpx.HTTPError as error:
                    figures.failed[type(error).__name__] += 1
                    continue
                if answer.status_code == httpx.codes.OK:
                    figures.seconds[verb].append(time.perf_counter() - started)
                elif answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                    figures.refused += 1
                    await asyncio.sleep(min(int(answer.headers["Retry-After"]), max(0.0, end - time.monotonic())))
                else:
                    figures.failed[f"{answer.status_code} {answer.json()['detail']}"] += 1

    def client(self, number: int) -> httpx.AsyncClient:
        """Return the client of a user."""
        transport = httpx.AsyncHTTPTransport(local_address=f"127.0.1.{1 + number % 250}")
        return httpx.AsyncClient(base_url=self.address, transport=transport, timeout=TIMEOUT_S)

    async def send(self, client: httpx.AsyncClient, verb: str, path: Path, fields: dict[str, Any]) -> httpx.Response:
        """Send a recording."""
        return await client.post(f"/v1/{verb}", files={"file": ("sound", path.read_bytes())}, data=fields)

    async def abandon(self) -> None:
        """Send a drawing that takes long, and leave."""
        async with self.client(0) as client:
            with_timeout = self.send(client, "draw", example_recordings()[0], ABANDONED)
            try:
                await asyncio.wait_for(with_timeout, 1.0)
            except asyncio.TimeoutError:  # another class in Python 3.10
                return

    async def draw(self) -> None:
        """Draw a recording."""
        async with self.client(1) as client:
            (await self.send(client, "draw", example_recordings()[0], VERBS["draw"])).raise_for_status()

    async def upload(self, path: Path) -> str:
        """Send a recording to be drawn, and return what the server answers."""
        async with self.client(2) as client:
            answer = await self.send(client, "draw", path, VERBS["draw"])
            return str(answer.status_code)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, nargs="+", default=[1, 8, 50])
    parser.add_argument("--minutes", type=float, default=1.0, help="duration of each measurement")
    parser.add_argument("--scenario", nargs="+", default=["users", "abandoned", "long"])
    parser.add_argument("--verb", nargs="+", choices=VERBS, default=list(VERBS))
    parser.add_argument("--port", type=int, default=7871)
    add_output_option(parser)
    options = parser.parse_args()
    with started(options.port) as server:
        asyncio.run(measure(server, options.verb, options))


async def measure(server: HttpServer, verbs: list[str], options: argparse.Namespace) -> None:
    """Print the rows of all scenarios."""
    await server.use(verbs, 1, 0.1 * len(verbs))
    for verb in verbs:
        await server.use([verb], 1, 0.1)
    if "users" in options.scenario:
        report = Report(f"Users of the server at once, {options.minutes:g} min", options)
        for users in options.users:
            await measure_users(report, server, verbs, users, 60 * options.minutes)
        report.print()
    if "abandoned" in options.scenario:
        await measure_abandoned(server)
    if "long" in options.scenario:
        with tempfile.TemporaryDirectory() as folder:
            await measure_long(server, write_hour(Path(folder, "hour.ogg")))


async def measure_users(report: Report, server: HttpServer, verbs: list[str], users: int, seconds: float) -> None:
    """Record rates, latencies and memory of some users at once."""
    memory = [resident_mb(server.address)]

    async def after_a_minute() -> None:
        """Measure the memory once in between."""
        await asyncio.sleep(min(60.0, 0.9 * seconds))
        memory.append(resident_mb(server.address))

    started = time.monotonic()
    figures, _ = await asyncio.gather(server.use(verbs, users, seconds), after_a_minute())
    lasted = time.monotonic() - started
    memory.append(resident_mb(server.address))
    if figures.failed:
        print(f"{users} users: {', '.join(f'{each} ({number})' for each, number in figures.failed.items())}")
    case = f"{users} user{'s' * (users != 1)}"
    answers = sum(len(figures.seconds[verb]) for verb in verbs)
    names = ("MB at the start", "after 1 min", "at the end")
    report.add(
        case,
        "all",
        **{"answers/s": answers / lasted, "refused": figures.refused, "failed": figures.failed.total()},
        **{name: round(each) for name, each in zip(names, memory, strict=True)},
    )
    for verb in verbs:
        times = figures.seconds[verb]
        p50, p95 = map(float, np.percentile(times, [50, 95])) if times else (None, None)
        report.add(case, verb, **{"answers/s": len(times) / lasted, "p50 s": p50, "p95 s": p95})


async def measure_abandoned(server: HttpServer) -> None:
    """Print how long a drawing takes alone, and after six others whose clients have left."""
    alone_s = await timed(server.draw)
    for _ in range(6):
        await server.abandon()
    after_s = await timed(server.draw)
    print(f"\nA drawing takes {alone_s:.2f} s, and {after_s:.2f} s after six abandoned ones", flush=True)


async def measure_long(server: HttpServer, path: Path) -> None:
    """Print what a server answers to seventeen uploads of an hour at once, and how its memory grows."""
    before = peak = resident_mb(server.address)
    uploads = asyncio.gather(*(server.upload(path) for _ in range(17)))
    started = time.monotonic()
    while not uploads.done():
        peak = max(peak, resident_mb(server.address))
        await asyncio.sleep(0.05)
    answers = Counter(await uploads)
    print(
        f"\n17 uploads of an hour, {path.stat().st_size / 1000:.0f} KB each: {dict(answers)} after "
        f"{time.monotonic() - started:.1f} s; {before:.0f} MB before, {peak:.0f} MB at most, "
        f"{resident_mb(server.address):.0f} MB afterwards",
        flush=True,
    )


async def timed(function: Callable[[], Awaitable[None]]) -> float:
    """Return the seconds that a function takes."""
    started = time.perf_counter()
    await function()
    return time.perf_counter() - started


@contextmanager
def started(port: int) -> Iterator[HttpServer]:
    """Start a server in a process of its own, and end it with the block."""
    with tempfile.TemporaryFile() as log:
        command = [sys.executable, "-m", "photism", "serve", "--port", str(port)]
        process = subprocess.Popen(command, stderr=log, stdout=subprocess.DEVNULL)
        address = f"http://127.0.0.1:{port}"
        try:
            wait_for(f"{address}/health")
            yield HttpServer(address)
        finally:
            process.terminate()
            process.wait(60)
        log.seek(0)
        lines = log.read().decode().splitlines()
        errors = [line for line in lines if json.loads(line)["level"] in ("error", "critical")]
        print(f"\n{len(lines)} lines of the log, {len(errors)} of them errors; exit status {process.returncode}")


def wait_for(url: str) -> None:
    """Wait until a server answers."""
    for _ in range(600):
        try:
            httpx.get(url).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(f"{url} does not answer")


def resident_mb(address: str) -> float:
    """Return the resident memory of the process that listens on the port of an address, and of its children, in MB.

    Memory that processes share counts once (PSS).
    """
    port = int(address.rsplit(":", 1)[1])
    (pid,) = {
        each.pid
        for each in psutil.net_connections("tcp")
        if each.status == psutil.CONN_LISTEN and each.laddr.port == port
    }
    process, total = psutil.Process(pid), 0
    for each in (process, *process.children(recursive=True)):
        try:
            total += each.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total / 1e6


def example_recordings() -> list[Path]:
    """Return the recordings of the bundled model."""
    return sorted((bundled_model() / "examples").glob("*.ogg"))


def write_hour(path: Path) -> Path:
    """Write an hour of silence, which Opus compresses to less than a megabyte."""
    import av

    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libopus", rate=48_000, layout="mono")
        stream.bit_rate = 6000
        second = np.zeros((1, 48_000), np.int16)
        for number in range(3600):
            frame = av.AudioFrame.from_ndarray(second, format="s16", layout="mono")
            frame.sample_rate, frame.pts = 48_000, 48_000 * number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


if __name__ == "__main__":
    main()
