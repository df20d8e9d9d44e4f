"""Forced alignment compared with the enumeration of all paths."""

import math

import numpy as np
import pytest

from photism.listening.transcription.beam_search import BeamSearch, search
from photism.listening.transcription.forced_alignment import align
from photism.listening.transcription.greedy_search import best_path
from photism.listening.transcription.transcript import TokenSpan
from photism.listening.transcription.vocabulary import Vocabulary


def best_score(spans, log_probs, vocabulary):
    """Return the best score of a path with these tokens in these frames, and blanks or delimiters between them."""
    covered = {frame: span.token for span in spans for frame in range(span.start, span.stop)}
    total = 0.0
    for frame, row in enumerate(log_probs):
        if frame in covered:
            total += float(row[covered[frame]])
            continue
        before = next((span.token for span in reversed(spans) if span.stop <= frame), 1)
        after = next((span.token for span in spans if span.start > frame), 1)
        total += float(max(row[0], row[1]) if 1 in (before, after) else row[0])
    return total


@pytest.mark.parametrize("seed", range(4))
def test_the_path_of_a_text_is_the_most_probable_one(letters, random_log_probs, all_texts, seed):
    log_probs = random_log_probs(seed, 6, 4)
    _, best = all_texts(log_probs, letters)
    settings = BeamSearch(width=1000, min_log_prob=-math.inf, max_gap=math.inf)
    for hypothesis in search(log_probs, letters, settings, count=1000):
        text = "".join(letters.tokens[token] for token in hypothesis.tokens)
        spans = align(log_probs, hypothesis.tokens, letters, frames=hypothesis.frames)
        assert [span.token for span in spans] == list(hypothesis.tokens)
        assert best_score(spans, log_probs, letters) == pytest.approx(best[text], abs=1e-5)


def test_the_best_path_is_its_own_alignment(random_log_probs):
    vocabulary = Vocabulary(("", "a", "b", "c"), 0)
    log_probs = random_log_probs(5, 200, 4)
    path = best_path(log_probs, vocabulary)
    assert path == align(log_probs, [span.token for span in path], vocabulary, frames=[span.start for span in path])


def test_a_band_around_the_frames_of_the_search_gives_the_same_path(random_log_probs):
    vocabulary = Vocabulary(("", " ", "a", "b", "c"), 0)
    log_probs = random_log_probs(6, 600, 5) * 2
    (best,) = search(log_probs, vocabulary, BeamSearch(width=30))
    whole = align(log_probs, best.tokens, vocabulary, frames=best.frames)
    assert align(log_probs, best.tokens, vocabulary, frames=best.frames, band=40) == whole


def test_equal_tokens_need_a_blank_between_them_and_one_frame_each():
    vocabulary = Vocabulary(("", "a"), 0)
    log_probs = np.log(np.array([[0.1, 0.9], [0.4, 0.6], [0.1, 0.9]], np.float32))
    assert align(log_probs, [1, 1], vocabulary, frames=[0, 2]) == [TokenSpan(1, 0, 1), TokenSpan(1, 2, 3)]
    assert align(log_probs, [1], vocabulary, frames=[0]) == [TokenSpan(1, 0, 3)]
    assert align(log_probs[:1], [1], vocabulary, frames=[0]) == [TokenSpan(1, 0, 1)]
    assert align(log_probs, [], vocabulary, frames=[]) == []
