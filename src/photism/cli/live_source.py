"""Where the samples of a live drawing come from: a microphone, a pipe, or a file at its own pace."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from photism.audio.reading_settings import ReadingSettings
from photism.audio.sources import SoundFile
from photism.errors import InputError
from photism.output_files import STANDARD_INPUT

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BLOCK_SAMPLES = 512
"""Samples of a file that arrive at once: 32 ms."""


@dataclass(frozen=True)
class LiveSource:
    """Source of samples that arrive at their own pace.

    Attributes:
        given: file or URL, or - for standard input; None for the microphone.
        reading: track and channel.
        raw_hz: sampling rate of raw samples on standard input; None for a file.
        device: microphone by its FFmpeg name; None for the system's.

    Raises:
        InputError: what is given does not fit together.
    """

    given: str | None
    reading: ReadingSettings
    raw_hz: float | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        if self.raw_hz is not None and self.given != STANDARD_INPUT:
            raise InputError("--raw is for standard input: give - as SOUND, or omit --raw")
        if self.device is not None and self.given is not None:
            raise InputError("--input-device is for the microphone: omit SOUND, or omit --input-device")
        if self.reading.strict and self.file is None:
            raise InputError("--strict is for files: of a live recording it is not known how long it should be")

    @property
    def file(self) -> SoundFile | None:
        """The file; None for a microphone or a pipe."""
        return None if self.given in (None, STANDARD_INPUT) else SoundFile(self.given, reading=self.reading)

    @property
    def name(self) -> str:
        """Name of the source in messages."""
        return {None: "the microphone", STANDARD_INPUT: "standard input"}.get(self.given, str(self.given))

    def check(self) -> None:
        """Read the first samples of a file, and open and close a microphone, so that errors are found early.

        Raises:
            InputError: there are none.
        """
        if self.given == STANDARD_INPUT:
            if sys.stdin is None:
                raise InputError("- is standard input, which is closed; give a file")
            return
        with closing(self.blocks()) as blocks:
            next(blocks, None)

    def blocks(self) -> Generator[NDArray[np.float32]]:
        """Yield samples (T,) float32 at 16 kHz as they arrive; those of a file at its own pace.

        Raises:
            InputError: the source cannot be read.
        """
        from photism.audio.live_input import microphone_samples, pipe_samples

        if self.given is None:
            return microphone_samples(self.device, reading=self.reading)
        if self.given == STANDARD_INPUT:
            return pipe_samples(sys.stdin.buffer, raw_rate=self.raw_hz, reading=self.reading)
        return _at_own_pace(SoundFile(self.given, reading=self.reading))


def _at_own_pace(file: SoundFile) -> Generator[NDArray[np.float32]]:
    """Yield each block of a file when its last sample would have been played."""
    from photism.audio.sampling import SAMPLING_RATE
    from photism.audio.streaming import stream_samples

    start_s, count = time.monotonic(), 0
    for block in stream_samples(file, block_samples=BLOCK_SAMPLES):
        count += len(block)
        time.sleep(max(0.0, start_s + count / SAMPLING_RATE - time.monotonic()))
        yield block
