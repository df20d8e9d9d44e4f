"""Forced alignment compared with the enumeration of all paths, and of texts that differ from the recording."""

import itertools
import math
import tracemalloc

import numpy as np
import pytest

from photism.listening.transcription import forced_alignment
from photism.listening.transcription.beam_search import BeamSearch, search
from photism.listening.transcription.forced_alignment import WILDCARD, WILDCARD_COST, Costs, align, align_words
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
        spans = align(log_probs, hypothesis.tokens, letters)
        assert [span.token for span in spans] == list(hypothesis.tokens)
        assert best_score(spans, log_probs, letters) == pytest.approx(best[text], abs=1e-5)


def test_the_best_path_is_its_own_alignment(random_log_probs):
    vocabulary = Vocabulary(("", "a", "b", "c"), 0)
    log_probs = random_log_probs(5, 200, 4)
    path = best_path(log_probs, vocabulary)
    assert path == align(log_probs, [span.token for span in path], vocabulary)


def test_equal_tokens_need_a_blank_between_them_and_one_frame_each():
    vocabulary = Vocabulary(("", "a"), 0)
    log_probs = np.log(np.array([[0.1, 0.9], [0.4, 0.6], [0.1, 0.9]], np.float32))
    assert align(log_probs, [1, 1], vocabulary) == [TokenSpan(1, 0, 1), TokenSpan(1, 2, 3)]
    assert align(log_probs, [1], vocabulary) == [TokenSpan(1, 0, 3)]
    assert align(log_probs[:1], [1], vocabulary) == [TokenSpan(1, 0, 1)]
    assert align(log_probs, [], vocabulary) == []


def synthetic(words, vocabulary, generator, *, certainty=6.0):
    """Return log-probabilities in which words of tokens are spoken, and the first frame of each word."""
    path: list[int] = []
    starts = []
    for word in words:
        path += [0] * int(generator.integers(1, 4))
        starts.append(len(path))
        for token in word:
            path += [token] + [0] * int(generator.integers(1, 3))
    logits = generator.standard_normal((len(path), len(vocabulary)))
    logits[range(len(path)), path] += certainty
    return (logits - np.log(np.exp(logits).sum(1, keepdims=True))).astype(np.float32), starts


def random_words(generator, count):
    return [generator.integers(2, 28, generator.integers(2, 9)).tolist() for _ in range(count)]


@pytest.fixture
def alphabet():
    return Vocabulary(("", " ", *"abcdefghijklmnopqrstuvwxyz"), 0)


def path_cost(log_probs, words, spans, costs):
    """Return the cost of spans by the definition of `align_words`, with the best filling between the words."""
    best, cost = log_probs.max(1), 0.0
    filler = np.minimum(-np.maximum(log_probs[:, 0], log_probs[:, 1]), costs.speech - best)
    frame, was_omitted = 0, False
    for word, found in zip(words, spans, strict=True):
        if not found:
            cost += costs.token * len(word) + (0.0 if was_omitted else costs.omission)
            was_omitted = True
            continue
        was_omitted = False
        cost += filler[frame : found[0].start].sum()
        for span, following in zip(found, [*found[1:], None], strict=True):
            wildcard = WILDCARD_COST - best[span.start : span.stop]
            cost += (wildcard if span.token == WILDCARD else -log_probs[span.start : span.stop, span.token]).sum()
            if following is not None:
                cost += -log_probs[span.stop : following.start, 0].sum()
        frame = found[-1].stop
    return float(cost + filler[frame:].sum())


def least_cost(log_probs, words, costs):
    """Return the least cost of all paths, state by state: gaps and blanks alternate with tokens."""
    gaps, tokens = {0}, [token for word in words for token in word]
    for word in words:
        gaps.add(max(gaps) + len(word))
    entries = sorted(2 * gap for gap in gaps)
    before = {-1: 0.0}
    for row in log_probs:
        costs_now = {}
        for state in range(2 * len(tokens) + 1):
            index = state // 2
            if state % 2:
                emitted = WILDCARD_COST - row.max() if tokens[index] == WILDCARD else -row[tokens[index]]
            else:
                emitted = -row[0]
                if index in gaps:
                    emitted = min(-max(row[0], row[1]), costs.speech - row.max())
            sources = [state, state - 1]
            if state % 2 and (index == 0 or tokens[index] != tokens[index - 1]):
                sources.append(state - 2)
            costs_now[state] = emitted + min(before.get(source, math.inf) for source in sources)
        omitted = {}
        for entry, later in itertools.combinations(entries, 2):
            cost = costs_now[entry] + costs.omission + costs.token * (later - entry) / 2
            omitted[later] = min(omitted.get(later, math.inf), cost)
        before = {state: min(cost, omitted.get(state, math.inf)) for state, cost in costs_now.items()}
    return min(before[2 * len(tokens)], before[2 * len(tokens) - 1])


@pytest.mark.parametrize("seed", range(8))
def test_words_have_the_best_of_all_paths(random_log_probs, letters, seed):
    log_probs = random_log_probs(seed, 12, 4)
    words = [[2, 2], [WILDCARD], [3], [2], [3, 2]] if seed % 2 else [[3], [2, 3], [3, 2, 2]]
    costs = Costs(speech=0.5, omission=seed / 2, token=0.3)
    found = align_words(log_probs, words, letters, costs)
    assert path_cost(log_probs, words, found, costs) == pytest.approx(least_cost(log_probs, words, costs), abs=1e-5)


def test_a_window_of_states_that_moves_finds_the_same_path(alphabet, monkeypatch):
    generator = np.random.default_rng(1)
    words = random_words(generator, 60)
    log_probs, starts = synthetic(words, alphabet, generator)
    whole = align_words(log_probs, words, alphabet)
    assert [word[0].start for word in whole] == pytest.approx(starts, abs=2)
    monkeypatch.setattr(forced_alignment, "WINDOW_STATES", 200)
    monkeypatch.setattr(forced_alignment, "BLOCK_FRAMES", 16)
    assert align_words(log_probs, words, alphabet) == whole


def test_the_words_after_a_recording_that_ends_early_are_omitted(alphabet, monkeypatch):
    generator = np.random.default_rng(1)
    words = [generator.integers(2, len(alphabet), 5).tolist() for _ in range(300)]
    log_probs, _ = synthetic(words[:40], alphabet, generator)
    expected = align_words(log_probs, words, alphabet)
    assert [bool(word) for word in expected] == [True] * 40 + [False] * 260
    monkeypatch.setattr(forced_alignment, "WINDOW_STATES", 700)
    assert align_words(log_probs, words, alphabet) == expected


def test_speech_that_is_not_in_the_text_and_words_that_are_not_spoken_leave_the_other_words_in_place(alphabet):
    generator = np.random.default_rng(2)
    words, others = random_words(generator, 60), random_words(generator, 30)
    spoken = [*others[:10], *words[:20], *words[40:], *others[10:20]]
    log_probs, starts = synthetic(spoken, alphabet, generator)
    text = [*words[:30], *others[20:], *words[30:]]
    found = align_words(log_probs, text, alphabet)
    assert [index for index, word in enumerate(found) if not word] == list(range(20, 50))
    assert [word[0].start for word in found if word] == pytest.approx(starts[10:50], abs=2)


def test_a_wildcard_takes_the_frames_that_its_neighbours_leave(alphabet):
    generator = np.random.default_rng(3)
    words = random_words(generator, 9)
    log_probs, starts = synthetic(words, alphabet, generator)
    text = [*words[:3], [WILDCARD], *words[6:]]
    found = align_words(log_probs, text, alphabet)
    assert [word[0].start for word in found] == pytest.approx([*starts[:4], *starts[6:]], abs=2)
    assert starts[5] < found[3][0].stop <= starts[6]


def test_a_text_that_is_too_long_for_the_recording_is_omitted_in_part(random_log_probs, letters):
    found = align_words(random_log_probs(4, 3, 4), [[2, 3], [2, 3]], letters)
    assert [len(word) for word in found] in ([2, 0], [0, 2], [0, 0])
    assert align_words(np.zeros((0, 4), np.float32), [[2]], letters) == [[]]


def test_hours_take_little_memory(alphabet, monkeypatch):
    """The steps of all paths, at a byte each, would take 28 MB for these minutes already."""
    generator = np.random.default_rng(5)
    words = random_words(generator, 400)
    log_probs, _ = synthetic(words, alphabet, generator)
    monkeypatch.setattr(forced_alignment, "WINDOW_STATES", 1000)
    tracemalloc.start()
    align_words(log_probs, words, alphabet)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 7e6


def test_the_window_stays_with_a_path_that_is_worse_so_far(alphabet, monkeypatch):
    """A path that stays in a gap avoids the cost of omissions for the moment, and has to pay for all of them later."""
    generator = np.random.default_rng(6)
    words = random_words(generator, 150)
    log_probs, _ = synthetic(words, alphabet, generator, certainty=2.5)
    text = [each for start in range(0, 150, 15) for each in words[start : start + 15] + random_words(generator, 5)]
    costs = Costs(speech=1.0, omission=10.0, token=2.0)
    whole = align_words(log_probs, text, alphabet, costs)
    monkeypatch.setattr(forced_alignment, "WINDOW_STATES", 800)
    monkeypatch.setattr(forced_alignment, "BLOCK_FRAMES", 64)
    assert align_words(log_probs, text, alphabet, costs) == whole
    assert 150 <= sum(map(bool, whole)) < 200
