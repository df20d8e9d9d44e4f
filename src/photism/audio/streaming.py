"""A recording of any length, piece by piece: what cannot be held whole is read again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from photism.audio.waveform import MAX_DOWNLOAD_BYTES, SAMPLING_RATE, TIMEOUT_S, mono_16khz
from photism.errors import InputError

BLOCK_SAMPLES = 10 * SAMPLING_RATE  # 10 s, 640 kB


@dataclass(frozen=True)
class SoundFile:
    """A file with sound that can be read from its beginning any number of times.

    Attributes:
        source: a path, which is read as it is decoded, or the bytes of a file.
        name: what error messages call it.
    """

    source: Path | bytes
    name: str

    @classmethod
    def of(cls, source: SoundFile | str | Path | bytes) -> SoundFile:
        """A path, an ``http(s)://`` or ``file://`` URL, or the bytes of a file; a download is kept in memory.

        Raises:
            InputError: the source is missing, unreachable or larger than 256 MiB, where it is downloaded.
        """
        from photism.audio.decoding import open_source

        if isinstance(source, SoundFile):
            return source
        name = f"source {str(source)!r}" if isinstance(source, str | Path) else f"source ({type(source).__name__})"
        with open_source(source, name, max_download_bytes=MAX_DOWNLOAD_BYTES, timeout_s=TIMEOUT_S) as file:
            if not isinstance(file, BytesIO):
                return cls(Path(file.name), name)
            return cls(file.getvalue(), name)

    def open(self) -> BinaryIO:
        """The file at its beginning."""
        from photism.audio.decoding import open_source

        return open_source(self.source, self.name, max_download_bytes=MAX_DOWNLOAD_BYTES, timeout_s=TIMEOUT_S)


def stream_samples(
    sound: SoundFile,
    *,
    block_samples: int = BLOCK_SAMPLES,
    callback_on_rate: Callable[[float], None] | None = None,
) -> Iterator[NDArray[np.float32]]:
    """The samples that ``load_waveform`` would make of a file, in memory that does not grow with its length.

    Args:
        sound: where they come from.
        block_samples: how many are yielded at once.
        callback_on_rate: is given the file's own sampling rate in Hz, and again where it changes on the way.

    Yields:
        (block_samples,) float32 at 16 kHz, nominally within ±1, finite; the last block has what is left, at least one.

    Raises:
        InputError: the file is not audio, its rate is out of range, or samples are not finite.
    """
    from photism.audio.decoding import decoded_blocks

    held: list[NDArray[np.float32]] = []
    count = 0
    decoded = decoded_blocks(sound.open(), sound.name)
    blocks = decoded if callback_on_rate is None else _telling_rates(decoded, callback_on_rate)
    for piece in mono_16khz(blocks, sound.name):
        # A sum that is finite has only finite parts.
        if not math.isfinite(float(piece.sum(dtype=np.float64))):
            raise InputError(f"{sound.name}: samples must be finite, but hold NaN or infinity; repair the recording")
        held.append(piece)
        count += len(piece)
        if count >= block_samples:
            joined = np.concatenate(held)
            whole = count - count % block_samples
            yield from np.split(joined[:whole], whole // block_samples)
            held, count = [joined[whole:]], count - whole
    if count:
        yield np.concatenate(held)


def _telling_rates(
    blocks: Iterator[tuple[float, NDArray[Any]]], callback: Callable[[float], None]
) -> Iterator[tuple[float, NDArray[Any]]]:
    told: float | None = None
    for rate, samples in blocks:
        if rate != told:
            callback(rate)
            told = rate
        yield rate, samples
