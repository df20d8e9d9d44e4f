"""The beam search beside all paths that there are."""

import math

import numpy as np
import pytest

from photism import InputError
from photism.listening.transcription import beam_search as beam
from photism.listening.transcription.beam_search import BeamSearch, search
from photism.listening.transcription.greedy_search import best_path
from photism.listening.transcription.hot_words import HotWords
from photism.listening.transcription.vocabulary import Vocabulary

ALL = {"width": 100_000, "output_floor": -math.inf, "margin": math.inf}
FRAMES = 6


def written(hypothesis, vocabulary):
    return "".join(vocabulary.pieces[output] for output in hypothesis.outputs)


class Lengths:
    """A language model: words of one letter are likelier, a word like the one before is not."""

    def begin(self):
        return ""

    def score(self, state, word):
        return -0.7 * len(word) - 2.0 * (word == state), word

    def end(self, state):
        return -0.3 * len(state)


def of_words(text):
    """What `Lengths` gives a text."""
    model, state, total = Lengths(), "", 0.0
    for word in text.split():
        score, state = model.score(state, word)
        total += score
    return total + model.end(state)


@pytest.mark.parametrize("seed", range(4))
def test_a_texts_probability_is_the_sum_over_all_its_paths(letters, random_log_probs, all_texts, seed):
    log_probs = random_log_probs(seed, FRAMES, 4)
    sums, _ = all_texts(log_probs, letters)
    found = search(log_probs, letters, BeamSearch(**ALL), count=10_000)
    assert {written(each, letters): pytest.approx(math.exp(each.log_prob), abs=1e-7) for each in found} == sums
    assert [each.score for each in found] == sorted((each.log_prob for each in found), reverse=True)


@pytest.mark.parametrize("commit_frames", [1, 3])
def test_what_is_laid_down_changes_nothing(letters, random_log_probs, monkeypatch, commit_frames):
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
    assert (best.outputs, math.exp(best.log_prob)) == ((1,), pytest.approx(0.64))


@pytest.mark.parametrize("seed", range(3))
def test_a_language_model_scores_each_word_and_the_end(letters, random_log_probs, all_texts, seed):
    log_probs = random_log_probs(seed, FRAMES, 4)
    sums, _ = all_texts(log_probs, letters)
    wanted = {text: math.log(p) + 1.3 * of_words(text) + 0.4 * len(text.split()) for text, p in sums.items()}
    settings = BeamSearch(**ALL, language_model=Lengths(), language_model_weight=1.3, word_score=0.4)
    found = search(log_probs, letters, settings, count=10_000)
    assert {written(each, letters): pytest.approx(each.score, abs=1e-5) for each in found} == wanted
    assert written(found[0], letters) == max(wanted, key=wanted.get)


@pytest.mark.parametrize("seed", range(3))
def test_a_hot_word_counts_wherever_it_stands_as_a_whole(letters, random_log_probs, all_texts, seed):
    log_probs = random_log_probs(seed, FRAMES, 4)
    sums, _ = all_texts(log_probs, letters)

    def hot(text):
        words = text.split()
        return 2.0 * (words.count("ab") + words.count("a") + f" {text} ".count(" b a "))

    wanted = {text: math.log(p) + hot(text) for text, p in sums.items()}
    settings = BeamSearch(**ALL, hot_words=HotWords.of(["ab", "A", "b a", "ab"], letters, weight=2.0))
    found = search(log_probs, letters, settings, count=10_000)
    assert {written(each, letters): pytest.approx(each.score, abs=1e-5) for each in found} == wanted


def test_a_hot_word_that_is_begun_gives_hope():
    vocabulary = Vocabulary(("", " ", *"abc"), 0)
    hot_words = HotWords.of(["abc"], vocabulary, weight=4.0)
    state, hopes = hot_words.begin, []
    for output in (2, 3, 4):
        state = hot_words.next_state[state, output]
        hopes.append(hot_words.hope[state])
    assert hopes == [1.0, 2.0, 3.0]
    assert hot_words.last_reward[state] == hot_words.reward[state, 1] == 4.0
    assert hot_words.hope[hot_words.next_state[state, 2]] == 0.0


def test_hot_words_of_pieces_of_words_and_of_writing_without_spaces():
    pieces = Vocabulary(("", " a", "b", " ab", " c", "bc"), 0)
    hot_words = HotWords.of(["abc"], pieces, weight=4.0)
    for outputs in ((1, 5), (1, 2)):
        state = hot_words.begin
        for output in outputs:
            state = hot_words.next_state[state, output]
        assert hot_words.last_reward[state] == (4.0 if outputs == (1, 5) else 0.0)
    unspaced = Vocabulary(("", "a", "b"), 0)
    hot_words = HotWords.of(["ab", "b"], unspaced, weight=4.0)
    state = hot_words.next_state[hot_words.next_state[hot_words.begin, 2], 1]
    assert hot_words.reward[state, 2] == 8.0  # both end there


@pytest.mark.parametrize(
    ("word", "message"),
    [("", "a hot word must have a letter; got an empty one"), ("abx", "hot word 'abx' must be written .* no 'x'")],
)
def test_a_hot_word_that_cannot_be_written_is_told(letters, word, message):
    with pytest.raises(InputError, match=message):
        HotWords.of([word], letters, weight=1.0)


def test_a_hot_word_wins_over_what_is_a_little_likelier():
    vocabulary = Vocabulary(("", " ", *"cat"), 0)
    best = [2, 0, 4, 0, 4]  # "ctt"
    log_probs = np.full((5, 5), np.log(0.02), np.float32)
    log_probs[range(5), best] = np.log(0.6)
    log_probs[2, 3] = np.log(0.3)
    plain = search(log_probs, vocabulary, BeamSearch())[0]
    hot = search(log_probs, vocabulary, BeamSearch(hot_words=HotWords.of(["CAT"], vocabulary, weight=8.0)))[0]
    assert (written(plain, vocabulary), written(hot, vocabulary)) == ("ctt", "cat")


def test_a_narrow_search_of_much_is_as_good_as_the_best_path(random_log_probs):
    vocabulary = Vocabulary(("", " ", *"abcdefgh"), 0)
    log_probs = random_log_probs(0, 1200, 10) * 2
    (found,) = search(log_probs, vocabulary, BeamSearch(width=20))
    assert len(found.outputs) == len(found.met)
    assert all(before < after for before, after in zip(found.met, found.met[1:], strict=False))
    greedy = sum(float(row.max()) for row in log_probs)
    assert found.log_prob > greedy


def test_wrong_settings_are_told(letters, random_log_probs):
    with pytest.raises(InputError, match="beams must be at least 1; got 0"):
        BeamSearch(width=0)
    unspaced = Vocabulary(("", "a", "b", "c"), 0)
    with pytest.raises(InputError, match="a language model needs a model that writes spaces between words"):
        search(random_log_probs(0, 3, 4), unspaced, BeamSearch(language_model=Lengths()))
