"""Chunks of a long recording that overlap by strides, laid out as in transformers' speech recognition pipeline.

A chunk of `chunk_length_s` seconds has context of `stride_length_s` at its start and end, which the model sees and
whose frames are dropped. Chunks are a whole number of frames long, so that the kept frames of all chunks follow one
another as if the recording had been computed at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from photism.audio.waveform import FRAME_SAMPLES, SAMPLING_RATE, Waveform
from photism.errors import InputError

STRIDES_IN_CHUNK = 6
"""Length of a chunk in default strides."""


class ChunkLengths(NamedTuple):
    """Lengths of a chunk and of the context at its start and end, in samples at 16 kHz."""

    length: int
    left: int
    right: int

    @classmethod
    def of(cls, arguments: Mapping[str, Any], hop_samples: int) -> ChunkLengths | None:
        """Return the lengths for the arguments of a call; None if the recording is not to be cut.

        Args:
            arguments: `chunk_length_s` and `stride_length_s`.
            hop_samples: samples from one frame to the next, of which every length is a multiple.

        Raises:
            InputError: nothing of a chunk remains between its strides.
        """
        length_s, stride_s = arguments.get("chunk_length_s"), arguments.get("stride_length_s")
        if not length_s:
            return None
        if stride_s is None:
            stride_s = length_s / STRIDES_IN_CHUNK
        left_s, right_s = (stride_s, stride_s) if isinstance(stride_s, int | float) else stride_s
        length, left, right = (
            round(seconds * SAMPLING_RATE / hop_samples) * hop_samples for seconds in (length_s, left_s, right_s)
        )
        if min(left, right) < 0 or length <= left + right:
            raise InputError(
                f"stride_length_s for both ends must be less than chunk_length_s={length_s:g}; got {stride_s}"
            )
        return cls(length, left, right)


class Chunk(NamedTuple):
    """A chunk of a recording.

    Attributes:
        number: index of the recording.
        waveform: samples of the chunk.
        left, right: samples at its start and end that are context only.
        is_last: whether it is the last chunk of the recording.
    """

    number: int
    waveform: Waveform
    left: int
    right: int
    is_last: bool


def cut_chunks(number: int, waveform: Waveform, lengths: ChunkLengths) -> list[Chunk]:
    """Cut a recording into chunks; a rest at its end that is too short for a frame is dropped.

    Args:
        number: index of the recording.
        waveform: the recording.
        lengths: lengths of the chunks.
    """
    samples = waveform.samples
    chunks: list[Chunk] = []
    for start in range(0, len(samples), lengths.length - lengths.left - lengths.right):
        part = samples[start : start + lengths.length]
        if chunks and len(part) < FRAME_SAMPLES:
            break
        chunks.append(Chunk(number, Waveform(part), lengths.left if start else 0, lengths.right, is_last=False))
        if start + lengths.length >= len(samples):
            break
    chunks[-1] = chunks[-1]._replace(right=0, is_last=True)
    return chunks


def kept_frames(chunk: Chunk, hop_samples: int) -> slice:
    """Return the range of a chunk's frames that are not context.

    Args:
        chunk: the chunk.
        hop_samples: samples from one frame to the next.
    """
    if not chunk.left and not chunk.right:
        return slice(None)
    samples = len(chunk.waveform.samples)
    frames = round(samples * (1 / hop_samples))  # multiplied and rounded as in transformers, to the same frame
    left, right = (round(each / samples * frames) for each in (chunk.left, chunk.right))
    return slice(left, frames - right)
