"""Loudness of a recording in LUFS, as ITU-R BS.1770 and EBU R 128 define it."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

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

    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        # The filter reports by metadata of frames, which PyAV shows from version 18.1 on; FFmpeg writes them to a file.
        reports = Path(folder) / "loudness.txt"
        graph = Graph()
        filters = [
            graph.add_abuffer(
                sample_rate=SAMPLING_RATE, format="flt", layout="mono", time_base=Fraction(1, SAMPLING_RATE)
            ),
            graph.add("ebur128", "metadata=1:framelog=quiet"),
            graph.add("ametadata", mode="print", key="lavfi.r128.I", file=str(reports), direct="1"),
            graph.add("abuffersink"),
        ]
        for one, following in pairwise(filters):
            one.link_to(following)
        graph.configure()
        count = 0
        for block in blocks:
            frame = AudioFrame.from_ndarray(np.ascontiguousarray(block[None]), format="flt", layout="mono")
            frame.sample_rate, frame.pts = SAMPLING_RATE, count
            count += len(block)
            graph.push(frame)
            _drop_finished(graph)
        graph.push(None)
        _drop_finished(graph)
        *_, last = f"I={QUIETEST_LUFS}\n{reports.read_text('utf8')}".split()
    loudness = float(last.rpartition("=")[2])
    return loudness if loudness > QUIETEST_LUFS else None


def _drop_finished(graph: Any) -> None:
    """Take the frames out of a graph that its filters have finished."""
    from av.error import BlockingIOError, EOFError

    try:
        while True:
            graph.pull()
    except (BlockingIOError, EOFError):
        return
