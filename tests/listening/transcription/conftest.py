"""Speech, and what decoding is compared with."""

import itertools
import math

import numpy as np
import pytest

from photism.hub import bundled_model
from photism.listening.transcription.vocabulary import Vocabulary


@pytest.fixture(scope="session")
def speech() -> np.ndarray:
    """A person who says "an elephant": (T,) at 16 kHz."""
    from photism import load_waveform

    return load_waveform(bundled_model() / "examples" / "elephant.en.ogg").samples


@pytest.fixture
def letters() -> Vocabulary:
    """A blank, a space, two letters."""
    return Vocabulary(("", " ", "a", "b"), 0)


@pytest.fixture
def random_log_probs():
    """A function that makes (F, V) log-probabilities of a seed."""

    def make(seed: int, frames: int, outputs: int) -> np.ndarray:
        logits = 1.5 * np.random.default_rng(seed).standard_normal((frames, outputs))
        return (logits - np.log(np.exp(logits).sum(1, keepdims=True))).astype(np.float32)

    return make


@pytest.fixture
def all_texts():
    """A function that goes through all paths: of each text, the sum of their probabilities, and the likeliest."""

    def texts_of(log_probs: np.ndarray, vocabulary: Vocabulary) -> tuple[dict[str, float], dict[str, float]]:
        sums: dict[str, float] = {}
        best: dict[str, float] = {}
        frames, outputs = log_probs.shape
        for path in itertools.product(range(outputs), repeat=frames):
            text = text_of(path, vocabulary)
            log_prob = sum(float(log_probs[frame, output]) for frame, output in enumerate(path))
            sums[text] = sums.get(text, 0.0) + math.exp(log_prob)
            best[text] = max(best.get(text, -math.inf), log_prob)
        return sums, best

    return texts_of


def text_of(path: tuple[int, ...], vocabulary: Vocabulary) -> str:
    """What a path writes: equal outputs in a row are one, and so are spaces."""
    kept = [output for output, _ in itertools.groupby(path)]
    return " ".join("".join(vocabulary.pieces[output] for output in kept if output != vocabulary.blank).split())
