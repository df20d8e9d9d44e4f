"""CTC prefix beam search with hot words and a language model.

The probability of a text is the sum over all CTC paths that spell it. The search keeps the most probable prefixes, each
with the probability of its paths that end in a blank and of those that end in its last token
(https://arxiv.org/abs/1408.2873). Texts that differ only in the number of delimiters between two words are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from photism.cancellation import check_cancelled
from photism.errors import InputError
from photism.listening.transcription.hot_words import HotWords
from photism.listening.transcription.ngram_lm import LanguageModel
from photism.listening.transcription.prefix_tree import PrefixTree
from photism.listening.transcription.vocabulary import SPACE, Vocabulary

COMMIT_FRAMES = 500
"""Number of frames after which the common beginning of all prefixes is committed, which bounds the memory."""


@dataclass(frozen=True, kw_only=True)
class BeamSearch:
    """Configuration of a beam search.

    Attributes:
        width: number of prefixes that are kept.
        min_log_prob: log-probability below which a token of a frame does not extend a prefix.
        max_gap: largest difference to the score of the best prefix.
        hot_words: hot words.
        language_model: language model.
        language_model_weight: weight of the language model's log-probabilities.
        word_score: bonus for each word, which offsets the language model's preference for few words.
    """

    width: int = 100
    min_log_prob: float = -5.0
    max_gap: float = 15.0
    hot_words: HotWords | None = None
    language_model: LanguageModel | None = None
    language_model_weight: float = 0.5
    word_score: float = 1.5


class Hypothesis(NamedTuple):
    """A text that the search has found."""

    tokens: tuple[int, ...]  # without blanks
    frames: tuple[int, ...]  # the frame in which the search appended each token
    log_prob: float  # natural logarithm of the probability by the head alone
    score: float  # log_prob with hot words and language model


def search(
    log_probs: NDArray[np.float32], vocabulary: Vocabulary, settings: BeamSearch, *, count: int = 1
) -> list[Hypothesis]:
    """Return the best texts of a recording, best first.

    Args:
        log_probs: log-probabilities (F, V).
        vocabulary: vocabulary of the V tokens.
        settings: configuration of the search.
        count: maximum number of texts. What all prefixes agree on after 500 frames is committed, so that the texts
            differ only in what follows.

    Raises:
        InputError: there is a language model, but no token of the vocabulary starts with a space.
    """
    beams = _Beams(vocabulary, settings)
    for frame, row in enumerate(log_probs):
        check_cancelled()
        beams.advance(frame, row.astype(np.float64))
        if frame % COMMIT_FRAMES == COMMIT_FRAMES - 1:
            beams.commit()
    return beams.finish()[:count]


class _Beams:
    """State of a search: the N prefixes that are kept, in arrays of shape (N,)."""

    def __init__(self, vocabulary: Vocabulary, settings: BeamSearch) -> None:
        self.vocabulary, self.settings = vocabulary, settings
        self.delimiter = min(vocabulary.delimiter_ids, default=-1)
        self.starts_word = np.array([token.startswith(SPACE) for token in vocabulary.tokens])
        if settings.language_model is not None and not self.starts_word[vocabulary.text_ids].any():
            raise InputError("a language model needs an acoustic model that predicts spaces; this one has none")
        self.tree = PrefixTree(vocabulary, settings)
        self.node = np.zeros(1, np.intp)
        # The empty prefix counts as one that ends in a delimiter: another delimiter leaves it the same.
        self.last = np.array([self.delimiter])
        self.blank = np.zeros(1)  # log-probability of the paths that end in a blank
        self.nonblank = np.full(1, -np.inf)  # and of those that end in the last token
        self.bonus = np.zeros(1)  # of the language model and of complete hot words
        self.hot_state = np.array([settings.hot_words.begin if settings.hot_words else 0])

    def advance(self, frame: int, row: NDArray[np.float64]) -> None:
        """Extend the prefixes by a frame with log-probabilities (V,)."""
        settings = self.settings
        text_ids = self.vocabulary.text_ids
        tokens = text_ids[row[text_ids] > settings.min_log_prob]  # (K,)
        total = np.logaddexp(self.blank, self.nonblank)
        repeats = np.where(self.last == self.delimiter, total, self.nonblank)
        blank = total + row[self.vocabulary.blank_id]
        nonblank = repeats + np.where(self.last >= 0, row[self.last], -np.inf)
        if not len(tokens):
            self.blank, self.nonblank = blank, nonblank
            return
        extended = np.where(tokens == self.last[:, None], self.blank[:, None], total[:, None]) + row[tokens]  # (N, K)
        extended[np.ix_(self.last == self.delimiter, tokens == self.delimiter)] = -np.inf
        self._merge_existing(tokens, extended, nonblank)

        added, hot_state = self._bonuses(tokens)  # (N, K) both
        stay_scores = np.logaddexp(blank, nonblank) + self.bonus + self._partial_rewards(self.hot_state)
        extended_scores = extended + self.bonus[:, None] + added + self._partial_rewards(hot_state)
        kept = self._prune(np.concatenate([stay_scores, extended_scores.ravel()]))
        count = len(self.node)
        stay, new = kept[kept < count], kept[kept >= count] - count
        parents, columns = new // len(tokens), new % len(tokens)
        grown = [
            self.tree.extend(node, token, frame)
            for node, token in zip(self.node[parents].tolist(), tokens[columns].tolist(), strict=True)
        ]
        self.node = np.concatenate([self.node[stay], np.array(grown, np.intp)])
        self.last = np.concatenate([self.last[stay], tokens[columns]])
        self.blank = np.concatenate([blank[stay], np.full(len(new), -np.inf)])
        self.nonblank = np.concatenate([nonblank[stay], extended[parents, columns]])
        self.bonus = np.concatenate([self.bonus[stay], (self.bonus[:, None] + added)[parents, columns]])
        self.hot_state = np.concatenate([self.hot_state[stay], hot_state[parents, columns]])

    def commit(self) -> None:
        """Commit the common beginning of all prefixes."""
        self.node = self.tree.commit(self.node)

    def finish(self) -> list[Hypothesis]:
        """Return the texts, best first, joining those with and without a delimiter at the end."""
        total = np.logaddexp(self.blank, self.nonblank)
        found: dict[int, tuple[float, float]] = {}
        hot_words = self.settings.hot_words
        for index, node in enumerate(self.node.tolist()):
            bonus = float(self.bonus[index]) + self.tree.end_bonus(node)
            bonus += float(hot_words.final_reward[self.hot_state[index]]) if hot_words else 0.0
            key = self.tree.parent[node] if self.last[index] == self.delimiter and node else node
            before = found[key][0] if key in found else -np.inf
            found[key] = float(np.logaddexp(before, total[index])), bonus
        hypotheses: list[Hypothesis] = []
        for node, (log_prob, bonus) in found.items():
            tokens, frames = self.tree.path(node)
            if tokens and tokens[-1] == self.delimiter:  # committed
                tokens, frames = tokens[:-1], frames[:-1]
            hypotheses.append(Hypothesis(tokens, frames, log_prob, log_prob + bonus))
        return sorted(hypotheses, key=lambda each: -each.score)

    def _prune(self, scores: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the indices of the best scores: at most `width`, and none too far below the best."""
        settings = self.settings
        kept = np.flatnonzero((scores >= scores.max() - settings.max_gap) & (scores > -np.inf))
        if len(kept) > settings.width:
            kept = kept[np.argpartition(scores[kept], -settings.width)[-settings.width :]]
        return kept

    def _merge_existing(
        self, tokens: NDArray[np.intp], extended: NDArray[np.float64], nonblank: NDArray[np.float64]
    ) -> None:
        """Move what extends a prefix (N, K) to another prefix that is kept into that one's `nonblank`, in place."""
        order = np.argsort(self.node)
        parents = self.tree.parents(self.node)
        rows = order[np.searchsorted(self.node, parents, sorter=order).clip(max=len(order) - 1)]
        columns = np.searchsorted(tokens, self.last).clip(max=len(tokens) - 1)
        exists = (self.node[rows] == parents) & (tokens[columns] == self.last)
        rows, columns = rows[exists], columns[exists]
        nonblank[exists] = np.logaddexp(nonblank[exists], extended[rows, columns])
        extended[rows, columns] = -np.inf

    def _bonuses(self, tokens: NDArray[np.intp]) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
        """Return the bonus (N, K) of the words that each token completes, and the state of the hot words after it."""
        added = np.zeros((len(self.node), len(tokens)))
        starts = self.starts_word[tokens]
        if self.settings.language_model is not None and starts.any():
            added[:, starts] += self.tree.word_bonuses(self.node)[:, None]
        if self.settings.hot_words is None:
            return added, np.zeros(added.shape, np.int32)
        index = np.ix_(self.hot_state, tokens)
        return added + self.settings.hot_words.reward[index], self.settings.hot_words.next_state[index]

    def _partial_rewards(self, hot_state: NDArray[np.int32]) -> NDArray[np.float64] | float:
        return self.settings.hot_words.partial_reward[hot_state] if self.settings.hot_words else 0.0
