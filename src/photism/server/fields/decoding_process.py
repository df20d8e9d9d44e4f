"""Decode uploaded recordings in processes of their own.

A file that makes a decoder hang, crash or take all memory ends such a process, and not the server.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Timer
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

import photism
from photism.audio.reading_settings import ReadingSettings
from photism.audio.sampling import SAMPLING_RATE
from photism.audio.sources import SoundFile
from photism.audio.waveform import Waveform
from photism.cancellation import check_cancelled
from photism.errors import InputError

WORKER = "photism.server.fields.decoding_worker"
MAX_DECODING_S = 120.0
"""Longest time that a file may take."""
PRIVATE_VARIABLES = "PHOTISM_"
"""Beginning of the names of environment variables that a decoder must not have."""


class TooLongError(InputError):
    """A recording is longer than allowed."""


class DecodingProcesses:
    """Processes that decode, which start when they are needed.

    Args:
        count: number of processes.
        max_s: longest time that a file may take.
    """

    def __init__(self, count: int, *, max_s: float = MAX_DECODING_S) -> None:
        self._max_s = max_s
        self._idle: SimpleQueue[_Process] = SimpleQueue()
        self._all = [_Process() for _ in range(count)]
        for each in self._all:
            self._idle.put(each)
        self._busy: dict[Path, _Process] = {}
        self._lock = Lock()

    def read(self, path: Path, name: str, reading: ReadingSettings, *, limit_s: float, is_held: bool) -> SoundFile:
        """Return a recording that can be decoded, with its samples if they are to be held in memory.

        Args:
            path: of the file.
            name: what error messages call it.
            reading: how it is read.
            limit_s: longest duration in seconds; decoding stops there.
            is_held: whether to return the samples.

        Raises:
            TooLongError: it is longer than allowed.
            InputError: it cannot be decoded, or takes too much time or memory.
        """
        request = {
            "path": str(path),
            "name": name,
            "track": reading.track,
            "channel": reading.channel,
            "strict": reading.strict,
            "limit_s": limit_s,
            "is_held": is_held,
        }
        process = self._idle.get()
        with self._lock:
            self._busy[path] = process
        try:
            found, samples = process.decode(request, self._max_s)
        finally:
            with self._lock:
                self._busy.pop(path, None)
            self._idle.put(process)
        if "failure" in found:
            raise RuntimeError(found["failure"])
        if "problem" in found:
            raise InputError(found["problem"], code=found.get("code"), values=found.get("values"))
        if "is_too_long" in found:
            raise TooLongError(f"{name} must be at most {limit_s:g} s long")
        warnings = tuple(found["warnings"])
        try:
            decoded = None if samples is None else Waveform(samples, warnings)
        except InputError as error:
            raise error.about(name) from None
        sound = SoundFile(path, name, reading, decoded=decoded)
        sound.warnings, sound.measured_s = warnings, found["samples"] / SAMPLING_RATE
        return sound

    def stop(self, path: Path) -> None:
        """End the process that decodes a file, which nobody awaits any more; do nothing if there is none."""
        with self._lock:
            process = self._busy.get(path)
            if process is not None:
                process.kill()

    def close(self) -> None:
        """End the processes, also those that are decoding."""
        for each in self._all:
            each.kill()
        while not self._idle.empty():
            self._idle.get().end()


class _Process:
    """A process that decodes one file after another."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def decode(self, request: dict[str, Any], max_s: float) -> tuple[dict[str, Any], NDArray[np.float32] | None]:
        """Return the answer of the worker, and samples if there are some.

        Raises:
            InputError: the process was ended, because it took too long or by the file.
            Cancelled: nobody awaits the answer any more.
        """
        process, end_s = self._started(), time.monotonic() + max_s
        check_cancelled()
        with _ended_after(process, max_s):
            source, target = _pipes(process)
            try:
                target.write(json.dumps(request).encode() + b"\n")
                target.flush()
                found: dict[str, Any] = json.loads(source.readline() or b"null") or {}
                if not found:
                    raise EOFError
                if not request["is_held"] or "samples" not in found:
                    return found, None
                samples = np.frombuffer(bytearray(source.read(4 * found["samples"])), np.float32)
                if len(samples) < found["samples"]:
                    raise EOFError
            except (OSError, EOFError, ValueError):
                self.end()
                reason = f"takes longer than {max_s:g} s" if time.monotonic() >= end_s else "crashes the decoder"
                raise InputError(f"{request['name']}: decoding it {reason}; convert it") from None
            return found, samples

    def kill(self) -> None:
        """Kill the process, so that the thread that waits for it goes on."""
        if self._process is not None:
            self._process.kill()

    def end(self) -> None:
        """Kill the process, and close its pipes."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in _pipes(self._process):
                pipe.close()
            self._process = None

    def _started(self) -> subprocess.Popen[bytes]:
        """Return the process, started if there is none."""
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", WORKER],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=Path(photism.__file__).parents[1],  # Python imports from there
                env={name: value for name, value in os.environ.items() if not name.startswith(PRIVATE_VARIABLES)},
                start_new_session=True,  # Ctrl-C is for the server, which ends it
            )
        return self._process


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    """Return the output and the input of a process."""
    if process.stdout is None or process.stdin is None:
        raise RuntimeError("a decoding process was started without pipes")
    return process.stdout, process.stdin


@contextmanager
def _ended_after(process: subprocess.Popen[bytes], seconds: float) -> Generator[None]:
    """Kill a process if a block takes too long."""
    timer = Timer(seconds, process.kill)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
