"""Change the tempo of a recording without changing its pitch, by FFmpeg's filter atempo."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SLOWEST = 0.5
"""Slowest tempo of one filter; slower ones take several."""


def change_tempo(samples: NDArray[np.float32], tempo: float, *, sampling_rate: int) -> NDArray[np.float32]:
    """Return samples at another tempo.

    Args:
        samples: (T,) within ±1.
        tempo: factor, 1 for no change; the result has about T / tempo samples.
        sampling_rate: in Hz.

    Source: https://ffmpeg.org/ffmpeg-filters.html#atempo.
    """
    import av
    from av.error import BlockingIOError as NoFrameYet
    from av.error import EOFError as EndOfFrames
    from av.filter import Graph

    if tempo == 1:
        return samples
    factors: list[float] = []
    while tempo < SLOWEST:
        factors.append(SLOWEST)
        tempo /= SLOWEST
    graph = Graph()
    source = graph.add_abuffer(format="flt", sample_rate=sampling_rate, layout="mono")
    filters = [graph.add("atempo", f"{factor}") for factor in (*factors, tempo)]
    sink = graph.add("abuffersink")
    graph.link_nodes(source, *filters, sink).configure()
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples, np.float32)[None], format="flt", layout="mono")
    frame.sample_rate = sampling_rate
    graph.push(frame)
    graph.push(None)
    parts: list[NDArray[np.float32]] = []
    while True:
        try:
            pulled = graph.pull()
        except (NoFrameYet, EndOfFrames):
            return np.concatenate(parts) if parts else samples[:0]
        parts.append(pulled.to_ndarray().reshape(-1).astype(np.float32, copy=False))
