"""Loudness of a recording in LUFS, as ITU-R BS.1770 and EBU R 128 define it."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from photism.audio.sampling import SAMPLING_RATE

QUIETEST_LUFS = -70.0
"""Absolute threshold of the standard; what is quieter has no loudness."""


def integrated_loudness(blocks: Iterable[NDArray[np.float32]]) -> float | None:
    """Measure the integrated, gated loudness of mono samples, with FFmpeg's filter ebur128.

    A mono signal is 3 dB quieter than the same signal on two channels. What is above 8 kHz in a recording does not
    count, since samples are at 16 kHz.

    Args:
        blocks: samples (T,) at 16 kHz, in blocks of any length.

    Returns:
        LUFS; None for less than 400 ms, and where nothing is louder than -70 LUFS.
    """
    from av import AudioFrame
    from av.filter import Graph

    graph = Graph()
    source = graph.add_abuffer(
        sample_rate=SAMPLING_RATE, format="flt", layout="mono", time_base=Fraction(1, SAMPLING_RATE)
    )
    meter = graph.add("ebur128", "metadata=1:framelog=quiet")
    sink = graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    loudness, count = QUIETEST_LUFS, 0
    for block in blocks:
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(block[None]), format="flt", layout="mono")
        frame.sample_rate, frame.pts = SAMPLING_RATE, count
        count += len(block)
        graph.push(frame)
        loudness = _read(graph, loudness)
    graph.push(None)
    loudness = _read(graph, loudness)
    return loudness if loudness > QUIETEST_LUFS else None


def _read(graph: Any, loudness: float) -> float:
    """Return the loudness up to the last frame that a graph has finished; the given one if there is none."""
    from av.error import BlockingIOError, EOFError

    while True:
        try:
            metadata = cast("dict[str, str]", graph.pull().metadata)
        except (BlockingIOError, EOFError):
            return loudness
        loudness = float(metadata.get("lavfi.r128.I", loudness))
