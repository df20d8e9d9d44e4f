"""Greedy decoding of CTC: the most probable token of each frame."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from photism.listening.transcription.transcript import TokenSpan
from photism.listening.transcription.vocabulary import Vocabulary


def best_path(log_probs: NDArray[np.float32], vocabulary: Vocabulary) -> list[TokenSpan]:
    """Return the runs of equal tokens in the most probable path, without blanks.

    Args:
        log_probs: log-probabilities (F, V).
        vocabulary: vocabulary of the V tokens.

    Source: https://www.cs.toronto.edu/~graves/icml_2006.pdf, section 3.2.
    """
    path = log_probs.argmax(1)  # (F,)
    edges = np.flatnonzero(np.diff(path, prepend=-1, append=-1))  # where a run starts or stops
    return [
        TokenSpan(token, start, stop)
        for token, (start, stop) in zip(path[edges[:-1]].tolist(), pairwise(edges.tolist()), strict=True)
        if token != vocabulary.blank_id
    ]
