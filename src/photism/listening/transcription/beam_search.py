"""The likeliest texts by CTC prefix beam search, with hot words and a language model.

A path's probability is that of its outputs; a text's is the sum over all paths that write it. The search keeps the
texts that are likeliest so far, each with the probability that its paths end in a blank or in its last output
(https://arxiv.org/abs/1408.2873). Texts that differ in how many delimiters stand between two words are one text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from photism.errors import InputError
from photism.listening.transcription.hot_words import HotWords
from photism.listening.transcription.ngram_lm import LanguageModel
from photism.listening.transcription.prefix_tree import Prefixes
from photism.listening.transcription.vocabulary import SPACE, Vocabulary

COMMIT_FRAMES = 500
"""How often what all texts begin with is laid down, so that what is held does not grow with the recording."""


@dataclass(frozen=True, kw_only=True)
class BeamSearch:
    """How texts are searched for.

    Attributes:
        width: texts that are kept.
        output_floor: natural logarithm of the probability under which a frame's outputs do not go on a text.
        margin: how far below the best text, in natural logarithms, one may be.
        hot_words: that are to be expected.
        language_model: what words are likely to follow one another.
        language_model_weight: of its logarithms, beside those of the head.
        word_score: is added for each word, since the model's logarithms are below 0 and would make texts short.

    Raises:
        InputError: `width` is below 1.
    """

    width: int = 100
    output_floor: float = -5.0
    margin: float = 15.0
    hot_words: HotWords | None = None
    language_model: LanguageModel | None = None
    language_model_weight: float = 0.5
    word_score: float = 1.5

    def __post_init__(self) -> None:
        if self.width < 1:
            raise InputError(f"beams must be at least 1; got {self.width}")


class Hypothesis(NamedTuple):
    """A text."""

    outputs: tuple[int, ...]  # that write it, without blanks
    met: tuple[int, ...]  # the frames in which the search met each of them
    log_prob: float  # natural logarithm of its probability by the head alone
    score: float  # the same with hot words and language model


def search(
    log_probs: NDArray[np.float32], vocabulary: Vocabulary, settings: BeamSearch, *, count: int = 1
) -> list[Hypothesis]:
    """The best texts of a recording, best first.

    Args:
        log_probs: (F, V).
        vocabulary: of the V.
        settings: how to search.
        count: of texts at most. What is alike in all of `settings.width` texts over 500 frames is laid down, so that
            the others differ in the rest alone.

    Raises:
        InputError: a language model is given, and the vocabulary does not part words by what comes before them.
    """
    beams = _Beams(vocabulary, settings)
    for frame, row in enumerate(log_probs):
        beams.advance(frame, row.astype(np.float64))
        if frame % COMMIT_FRAMES == COMMIT_FRAMES - 1:
            beams.commit()
    return beams.finish()[:count]


class _Beams:
    """The N texts that are kept, in arrays of (N,)."""

    def __init__(self, vocabulary: Vocabulary, settings: BeamSearch) -> None:
        self.vocabulary, self.settings = vocabulary, settings
        self.delimiter = min(vocabulary.delimiters, default=-1)
        self.starts_word = np.array([piece.startswith(SPACE) for piece in vocabulary.pieces])
        if settings.language_model is not None and not self.starts_word[vocabulary.spoken].any():
            raise InputError("a language model needs a model that writes spaces between words; this one has none")
        self.prefixes = Prefixes(vocabulary, settings)
        self.node = np.zeros(1, np.intp)
        # The empty text counts as one that ends in a delimiter: another one changes nothing.
        self.last = np.array([self.delimiter])
        self.blank = np.zeros(1)
        self.nonblank = np.full(1, -np.inf)
        self.bonus = np.zeros(1)  # of the language model and the hot words that are complete
        self.hot = np.array([settings.hot_words.begin if settings.hot_words else 0])

    def advance(self, frame: int, row: NDArray[np.float64]) -> None:
        """Goes on by a frame, whose log-probabilities are (V,)."""
        settings = self.settings
        spoken = self.vocabulary.spoken
        outputs = spoken[row[spoken] > settings.output_floor]  # (K,)
        total = np.logaddexp(self.blank, self.nonblank)
        repeats = np.where(self.last == self.delimiter, total, self.nonblank)
        blank = total + row[self.vocabulary.blank]
        nonblank = repeats + np.where(self.last >= 0, row[self.last], -np.inf)
        if not len(outputs):
            self.blank, self.nonblank = blank, nonblank
            return
        longer = np.where(outputs == self.last[:, None], self.blank[:, None], total[:, None]) + row[outputs]  # (N, K)
        longer[np.ix_(self.last == self.delimiter, outputs == self.delimiter)] = -np.inf
        self._meet(outputs, longer, nonblank)

        added, hot = self._added(outputs)  # (N, K) both
        stay_scores = np.logaddexp(blank, nonblank) + self.bonus + self._hope(self.hot)
        scores = np.concatenate([stay_scores, (longer + self.bonus[:, None] + added + self._hope(hot)).ravel()])
        kept = np.flatnonzero((scores >= scores.max() - settings.margin) & (scores > -np.inf))
        if len(kept) > settings.width:
            kept = kept[np.argpartition(scores[kept], -settings.width)[-settings.width :]]
        count = len(self.node)
        stay, new = kept[kept < count], kept[kept >= count] - count
        parents, columns = new // len(outputs), new % len(outputs)
        grown = [
            self.prefixes.extend(node, output, frame)
            for node, output in zip(self.node[parents].tolist(), outputs[columns].tolist(), strict=True)
        ]
        self.node = np.concatenate([self.node[stay], np.array(grown, np.intp)])
        self.last = np.concatenate([self.last[stay], outputs[columns]])
        self.blank = np.concatenate([blank[stay], np.full(len(new), -np.inf)])
        self.nonblank = np.concatenate([nonblank[stay], longer[parents, columns]])
        self.bonus = np.concatenate([self.bonus[stay], (self.bonus[:, None] + added)[parents, columns]])
        self.hot = np.concatenate([self.hot[stay], hot[parents, columns]])

    def commit(self) -> None:
        """Lays down what all texts begin with."""
        self.node = self.prefixes.commit(self.node)

    def finish(self) -> list[Hypothesis]:
        """The texts, best first: with and without a delimiter at the end they are one."""
        total = np.logaddexp(self.blank, self.nonblank)
        found: dict[int, tuple[float, float]] = {}
        hot_words = self.settings.hot_words
        for index, node in enumerate(self.node.tolist()):
            bonus = float(self.bonus[index]) + self.prefixes.end_bonus(node)
            bonus += float(hot_words.last_reward[self.hot[index]]) if hot_words else 0.0
            key = self.prefixes.parent[node] if self.last[index] == self.delimiter and node else node
            before = found[key][0] if key in found else -np.inf
            found[key] = float(np.logaddexp(before, total[index])), bonus
        hypotheses: list[Hypothesis] = []
        for node, (log_prob, bonus) in found.items():
            outputs, met = self.prefixes.path(node)
            if outputs and outputs[-1] == self.delimiter:  # laid down
                outputs, met = outputs[:-1], met[:-1]
            hypotheses.append(Hypothesis(outputs, met, log_prob, log_prob + bonus))
        return sorted(hypotheses, key=lambda each: -each.score)

    def _meet(self, outputs: NDArray[np.intp], longer: NDArray[np.float64], nonblank: NDArray[np.float64]) -> None:
        """What goes on a text (N, K) and becomes another that is kept is added to that one's `nonblank`, in place."""
        order = np.argsort(self.node)
        parents = self.prefixes.parents(self.node)
        places = order[np.searchsorted(self.node, parents, sorter=order).clip(max=len(order) - 1)]
        columns = np.searchsorted(outputs, self.last).clip(max=len(outputs) - 1)
        met = (self.node[places] == parents) & (outputs[columns] == self.last)
        places, columns = places[met], columns[met]
        nonblank[met] = np.logaddexp(nonblank[met], longer[places, columns])
        longer[places, columns] = -np.inf

    def _added(self, outputs: NDArray[np.intp]) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
        """What each output adds to each text by the words that it completes, and the hot words' state after it."""
        added = np.zeros((len(self.node), len(outputs)))
        starts = self.starts_word[outputs]
        if self.settings.language_model is not None and starts.any():
            added[:, starts] += self.prefixes.word_bonuses(self.node)[:, None]
        if self.settings.hot_words is None:
            return added, np.zeros(added.shape, np.int32)
        into = np.ix_(self.hot, outputs)
        return added + self.settings.hot_words.reward[into], self.settings.hot_words.next_state[into]

    def _hope(self, hot: NDArray[np.int32]) -> NDArray[np.float64] | float:
        return self.settings.hot_words.hope[hot] if self.settings.hot_words else 0.0
