"""Speech, random log-probabilities, and the probabilities of all texts by enumeration."""

import itertools
import math

import numpy as np
import pytest

from photism.hub import bundled_model
from photism.listening.transcription.vocabulary import Vocabulary


@pytest.fixture(scope="session")
def speech() -> np.ndarray:
    """Recording of "an elephant": samples (T,) at 16 kHz."""
    from photism import load_waveform

    return load_waveform(bundled_model() / "examples" / "elephant.en.ogg").samples


@pytest.fixture
def letters() -> Vocabulary:
    """Vocabulary of a blank, a space and two letters."""
    return Vocabulary(("", " ", "a", "b"), 0)


@pytest.fixture
def random_log_probs():
    """Function from a seed to log-probabilities (F, V)."""

    def make(seed: int, frames: int, tokens: int) -> np.ndarray:
        logits = 1.5 * np.random.default_rng(seed).standard_normal((frames, tokens))
        return (logits - np.log(np.exp(logits).sum(1, keepdims=True))).astype(np.float32)

    return make


@pytest.fixture
def all_texts():
    """Function that returns the probability of each text, and the log-probability of its best path."""

    def texts_of(log_probs: np.ndarray, vocabulary: Vocabulary) -> tuple[dict[str, float], dict[str, float]]:
        sums: dict[str, float] = {}
        best: dict[str, float] = {}
        frames, tokens = log_probs.shape
        for path in itertools.product(range(tokens), repeat=frames):
            text = text_of(path, vocabulary)
            log_prob = sum(float(log_probs[frame, token]) for frame, token in enumerate(path))
            sums[text] = sums.get(text, 0.0) + math.exp(log_prob)
            best[text] = max(best.get(text, -math.inf), log_prob)
        return sums, best

    return texts_of


def text_of(path: tuple[int, ...], vocabulary: Vocabulary) -> str:
    """Return the text of a path, in which repeated tokens and repeated spaces are one."""
    kept = [token for token, _ in itertools.groupby(path)]
    return " ".join("".join(vocabulary.tokens[token] for token in kept if token != vocabulary.blank_id).split())
