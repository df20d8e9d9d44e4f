"""Samples of a live connection: 16-bit messages as waveform, and what waits for the model."""

from __future__ import annotations

import asyncio
from collections import deque
from http import HTTPStatus
from threading import Lock
from typing import Protocol

import numpy as np
import soxr
from numpy.typing import NDArray

from photism.audio.sampling import SAMPLING_RATE
from photism.server.problems import Problem

SAMPLE_BYTES = 2
BLOCK_SAMPLES = 2**17
"""Samples at 16 kHz that are resampled at once, within milliseconds. A message may have 64 times as many, and other
connections are served in between."""


class SampleSink(Protocol):
    """What receives the samples of a connection."""

    def put(self, samples: NDArray[np.float32]) -> None:
        """Append samples (T,) at 16 kHz."""
        ...

    def end(self) -> None:
        """Mark the end of the samples."""
        ...


class SampleReader:
    """Convert messages of signed 16-bit little-endian samples to a waveform at 16 kHz.

    Args:
        sink: receives the waveform.
        sampling_rate: rate of the samples in Hz.

    Attributes:
        duration_s: duration of the samples so far.
    """

    def __init__(self, sink: SampleSink, sampling_rate: float) -> None:
        self.duration_s = 0.0
        self._sink, self._sampling_rate = sink, sampling_rate
        self._resampler = soxr.ResampleStream(sampling_rate, SAMPLING_RATE, 1, dtype="float32", quality="HQ")

    async def read(self, message: bytes) -> None:
        """Pass on the samples of a message, and serve other connections between its parts.

        Raises:
            Problem: the message ends in the middle of a sample, or too many samples wait.
        """
        if len(message) % SAMPLE_BYTES:
            raise Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "invalid-samples",
                f"Samples have 16 bits, so that a message has an even number of bytes; got {len(message)}.",
                remedy="Send whole samples in each binary message.",
            )
        count = max(1, int(BLOCK_SAMPLES * self._sampling_rate / SAMPLING_RATE))
        for start in range(0, len(message), count * SAMPLE_BYTES):
            if start:
                await asyncio.sleep(0)
            samples = np.frombuffer(message[start : start + count * SAMPLE_BYTES], "<i2").astype(np.float32) / 2**15
            self.duration_s += len(samples) / self._sampling_rate
            self._sink.put(self._resampler.resample_chunk(samples))

    def end(self) -> None:
        """Pass on the samples that the resampler holds, and end."""
        self._sink.put(self._resampler.resample_chunk(np.empty(0, np.float32), last=True))
        self._sink.end()


class SampleQueue:
    """All samples that wait for the model, up to a limit.

    Args:
        max_samples: number of samples that may wait.
    """

    def __init__(self, max_samples: int) -> None:
        self._max_samples = max_samples
        self._blocks: deque[NDArray[np.float32]] = deque()
        self._count, self._ended = 0, False
        self._changed = asyncio.Event()

    def put(self, samples: NDArray[np.float32]) -> None:
        """Append samples (T,).

        Raises:
            Problem: too many wait. None is ever dropped, since words would be missing in the transcript.
        """
        if self._count + len(samples) > self._max_samples:
            seconds = self._max_samples / SAMPLING_RATE
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too-far-ahead",
                f"More than {seconds:g} s of samples wait for the model.",
                remedy="Send samples as they are recorded. If this happens at that rate, the server is too slow or has "
                "too many visitors. Send a file to /v1/audio/transcriptions instead.",
            )
        if len(samples):
            self._blocks.append(samples)
            self._count += len(samples)
            self._changed.set()

    def end(self) -> None:
        """Mark the end of the samples."""
        self._ended = True
        self._changed.set()

    async def take(self, count: int) -> NDArray[np.float32]:
        """Wait for a number of samples and return them; at the end there are fewer, and finally none."""
        while self._count < count and not self._ended:
            self._changed.clear()
            await self._changed.wait()
        waiting = np.concatenate([np.empty(0, np.float32), *self._blocks])
        self._blocks = deque([waiting[count:].copy()])
        self._count = len(self._blocks[0])
        return waiting[:count]


class NewestSamples:
    """The newest samples of a connection, up to a limit; older ones that wait are dropped.

    They arrive in the event loop; another thread may take them.

    Args:
        max_samples: number of samples that may wait.

    Attributes:
        total: number of samples that have arrived.
        has_ended: whether there will be no further samples.
    """

    def __init__(self, max_samples: int) -> None:
        self.total, self.has_ended = 0, False
        self._max_samples = max_samples
        self._waiting = deque[NDArray[np.float32]]()
        self._count = 0  # of samples that wait
        self._changed, self._lock = asyncio.Event(), Lock()

    def put(self, samples: NDArray[np.float32]) -> None:
        """Append samples (T,)."""
        if not len(samples):
            return
        with self._lock:
            self.total += len(samples)
            self._waiting.append(samples)
            self._count += len(samples)
            self._drop(self._max_samples)
        self._changed.set()

    def end(self) -> None:
        """Mark the end of the samples."""
        self.has_ended = True
        self._changed.set()

    async def wait(self, total: int) -> None:
        """Wait until this number of samples has arrived in all, or until their end."""
        while self.total < total and not self.has_ended:
            self._changed.clear()
            await self._changed.wait()

    def newest(self) -> NDArray[np.float32]:
        """Return the samples that wait, (T,)."""
        with self._lock:
            return np.concatenate([np.empty(0, np.float32), *self._waiting])

    def drop(self, kept: int) -> None:
        """Drop the samples that wait, other than a number of the newest ones."""
        with self._lock:
            self._drop(kept)

    def take(self) -> tuple[NDArray[np.float32], int]:
        """Return the samples that wait, (T,), and the number of all that have arrived; they wait no more."""
        with self._lock:
            taken = np.concatenate([np.empty(0, np.float32), *self._waiting])
            self._drop(0)
            return taken, self.total

    def _drop(self, kept: int) -> None:
        while self._count > kept:
            excess, oldest = self._count - kept, self._waiting.popleft()
            if len(oldest) > excess:
                self._waiting.appendleft(oldest[excess:].copy())  # a view would keep all of a long message
            self._count -= min(excess, len(oldest))
