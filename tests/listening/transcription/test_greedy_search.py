"""The most probable path, on cases worked out by hand."""

import numpy as np
import pytest

from photism.listening.transcription.greedy_search import best_path
from photism.listening.transcription.vocabulary import Vocabulary

VOCABULARY = Vocabulary(("<pad>", "a", "b"), blank_id=0)


@pytest.mark.parametrize(
    ("path", "spans"),
    [
        ([], []),
        ([0, 0], []),
        ([1], [(1, 0, 1)]),
        ([1, 1, 0, 1, 2, 2, 0], [(1, 0, 2), (1, 3, 4), (2, 4, 6)]),
    ],
)
def test_runs_of_equal_tokens_without_blanks(path, spans):
    log_probs = np.log(np.full((len(path), 3), 0.1, np.float32))
    log_probs[np.arange(len(path)), path] = 0.0
    assert best_path(log_probs, VOCABULARY) == spans
