"""Beam search compared with the enumeration of all paths."""

import math

import numpy as np
import pytest

from photism import InputError
from photism.listening.transcription import beam_search as beam
from photism.listening.transcription.beam_search import BeamSearch, search
from photism.listening.transcription.greedy_search import best_path
from photism.listening.transcription.hot_words import HotWords
from photism.listening.transcription.vocabulary import Vocabulary

UNPRUNED = {"width": 100_000, "min_log_prob": -math.inf, "max_gap": math.inf}
FRAMES = 6


def text_of(hypothesis, vocabulary):
    return "".join(vocabulary.tokens[token] for token in hypothesis.tokens)


class Lengths:
    """Language model that prefers short words and avoids repeating a word."""

    def begin(self):
        return ""

    def score(self, state, word):
        return -0.7 * len(word) - 2.0 * (word == state), word

    def end(self, state):
        return -0.3 * len(state)


def language_model_score(text):
    """Return the log-probability of a text by `Lengths`."""
    model, state, total = Lengths(), "", 0.0
    for word in text.split():
        score, state = model.score(state, word)
        total += score
    return total + model.end(state)


@pytest.mark.parametrize("seed", range(4))
def test_the_probability_of_a_text_is_the_sum_over_its_paths(letters, random_log_probs, all_texts, seed):
    log_probs = random_log_probs(seed, FRAMES, 4)
    sums, _ = all_texts(log_probs, letters)
    found = search(log_probs, letters, BeamSearch(**UNPRUNED), count=10_000)
    assert {text_of(each, letters): pytest.approx(math.exp(each.log_prob), abs=1e-7) for each in found} == sums
    assert [each.score for each in found] == sorted((each.log_prob for each in found), reverse=True)


@pytest.mark.parametrize("commit_frames", [1, 3])
def test_committing_prefixes_changes_nothing(letters, random_log_probs, monkeypatch, commit_frames):
    log_probs = random_log_probs(7, 40, 4)
    settings = BeamSearch(width=8, language_model=Lengths())
    before = search(log_probs, letters, settings)
    monkeypatch.setattr(beam, "COMMIT_FRAMES", commit_frames)
    assert search(log_probs, letters, settings) == before


def test_the_best_text_need_not_have_the_best_path():
    vocabulary = Vocabulary(("", "a"), 0)
    log_probs = np.log(np.array([[0.6, 0.4], [0.6, 0.4]], np.float32))  # "": .36; "a": .16 + .24 + .24 = .64
    assert best_path(log_probs, vocabulary) == []
    (best,) = search(log_probs, vocabulary, BeamSearch())
    assert (best.tokens, math.exp(best.log_prob)) == ((1,), pytest.approx(0.64))


@pytest.mark.parametrize("seed", range(3))
def test_a_language_model_scores_each_word_and_the_end_of_the_text(letters, random_log_probs, all_texts, seed):
    log_probs = random_log_probs(seed, FRAMES, 4)
    sums, _ = all_texts(log_probs, letters)
    expected = {
        text: math.log(p) + 1.3 * language_model_score(text) + 0.4 * len(text.split()) for text, p in sums.items()
    }
    settings = BeamSearch(**UNPRUNED, language_model=Lengths(), language_model_weight=1.3, word_score=0.4)
    found = search(log_probs, letters, settings, count=10_000)
    assert {text_of(each, letters): pytest.approx(each.score, abs=1e-5) for each in found} == expected
    assert text_of(found[0], letters) == max(expected, key=expected.get)


@pytest.mark.parametrize("seed", range(3))
def test_a_hot_word_counts_as_a_whole_word_only(letters, random_log_probs, all_texts, seed):
    log_probs = random_log_probs(seed, FRAMES, 4)
    sums, _ = all_texts(log_probs, letters)

    def hot(text):
        words = text.split()
        return 2.0 * (words.count("ab") + words.count("a") + f" {text} ".count(" b a "))

    expected = {text: math.log(p) + hot(text) for text, p in sums.items()}
    settings = BeamSearch(**UNPRUNED, hot_words=HotWords.from_words(["ab", "A", "b a", "ab"], letters, weight=2.0))
    found = search(log_probs, letters, settings, count=10_000)
    assert {text_of(each, letters): pytest.approx(each.score, abs=1e-5) for each in found} == expected


def test_an_incomplete_hot_word_has_a_partial_reward():
    vocabulary = Vocabulary(("", " ", *"abc"), 0)
    hot_words = HotWords.from_words(["abc"], vocabulary, weight=4.0)
    state, rewards = hot_words.begin, []
    for token in (2, 3, 4):
        state = hot_words.next_state[state, token]
        rewards.append(hot_words.partial_reward[state])
    assert rewards == [1.0, 2.0, 3.0]
    assert hot_words.final_reward[state] == hot_words.reward[state, 1] == 4.0
    assert hot_words.partial_reward[hot_words.next_state[state, 2]] == 0.0


def test_hot_words_with_subwords_and_without_spaces():
    subwords = Vocabulary(("", " a", "b", " ab", " c", "bc"), 0)
    hot_words = HotWords.from_words(["abc"], subwords, weight=4.0)
    for tokens in ((1, 5), (1, 2)):
        state = hot_words.begin
        for token in tokens:
            state = hot_words.next_state[state, token]
        assert hot_words.final_reward[state] == (4.0 if tokens == (1, 5) else 0.0)
    unspaced = Vocabulary(("", "a", "b"), 0)
    hot_words = HotWords.from_words(["ab", "b"], unspaced, weight=4.0)
    state = hot_words.next_state[hot_words.next_state[hot_words.begin, 2], 1]
    assert hot_words.reward[state, 2] == 8.0  # both end there


@pytest.mark.parametrize(
    ("word", "message"),
    [("", "hot words must not be empty"), ("abx", "hot word 'abx' has characters that the model cannot predict: 'x'")],
)
def test_a_hot_word_with_unknown_characters_is_an_error(letters, word, message):
    with pytest.raises(InputError, match=message):
        HotWords.from_words([word], letters, weight=1.0)


def test_a_hot_word_wins_over_a_slightly_more_probable_text():
    vocabulary = Vocabulary(("", " ", *"cat"), 0)
    best = [2, 0, 4, 0, 4]  # "ctt"
    log_probs = np.full((5, 5), np.log(0.02), np.float32)
    log_probs[range(5), best] = np.log(0.6)
    log_probs[2, 3] = np.log(0.3)
    plain = search(log_probs, vocabulary, BeamSearch())[0]
    hot = search(log_probs, vocabulary, BeamSearch(hot_words=HotWords.from_words(["CAT"], vocabulary, weight=8.0)))[0]
    assert (text_of(plain, vocabulary), text_of(hot, vocabulary)) == ("ctt", "cat")


def test_a_narrow_beam_finds_a_better_text_than_the_best_path(random_log_probs):
    vocabulary = Vocabulary(("", " ", *"abcdefgh"), 0)
    log_probs = random_log_probs(0, 1200, 10) * 2
    (found,) = search(log_probs, vocabulary, BeamSearch(width=20))
    assert len(found.tokens) == len(found.frames)
    assert all(before < after for before, after in zip(found.frames, found.frames[1:], strict=False))
    greedy = sum(float(row.max()) for row in log_probs)
    assert found.log_prob > greedy


def test_a_language_model_needs_a_vocabulary_with_spaces(random_log_probs):
    unspaced = Vocabulary(("", "a", "b", "c"), 0)
    with pytest.raises(
        InputError, match="a language model needs an acoustic model that predicts spaces; this one has none"
    ):
        search(random_log_probs(0, 3, 4), unspaced, BeamSearch(language_model=Lengths()))
