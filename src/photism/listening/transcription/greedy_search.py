"""The likeliest output of each frame: what CTC's best path writes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from photism.listening.transcription.transcript import Span
from photism.listening.transcription.vocabulary import Vocabulary


def best_path(log_probs: NDArray[np.float32], vocabulary: Vocabulary) -> list[Span]:
    """The runs of equal outputs in the likeliest path, without blanks.

    Args:
        log_probs: (F, V).
        vocabulary: of the V.

    Source: https://www.cs.toronto.edu/~graves/icml_2006.pdf, section 3.2.
    """
    outputs = log_probs.argmax(1)  # (F,)
    changes = np.flatnonzero(np.diff(outputs)) + 1
    starts = np.concatenate([np.zeros(min(1, len(outputs)), np.intp), changes])
    stops = np.append(starts[1:], len(outputs))
    return [
        Span(output, start, stop)
        for output, start, stop in zip(outputs[starts].tolist(), starts.tolist(), stops.tolist(), strict=True)
        if output != vocabulary.blank
    ]
