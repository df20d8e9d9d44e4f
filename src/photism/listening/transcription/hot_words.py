"""Hot words: a bonus for expected words, part of which is granted while a word is still incomplete.

The words are the patterns of an Aho-Corasick automaton (https://en.wikipedia.org/wiki/Aho–Corasick_algorithm) over
characters, with a space on either side unless the vocabulary has no spaces. The automaton is compiled into a table of
the effect of each token in each state.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from photism.errors import InputError
from photism.listening.transcription.vocabulary import SPACE, Vocabulary


@dataclass(frozen=True)
class HotWords:
    """Automaton of S states over the V tokens of a vocabulary.

    Attributes:
        next_state: (S, V), the state after a token.
        reward: (S, V), the bonus for the words that a token completes.
        partial_reward: (S,), the bonus for a word that has begun; it is withdrawn if the word is not completed.
        final_reward: (S,), the bonus for a word that the end of the text completes.
        begin: the state before the text.
    """

    next_state: NDArray[np.int32]
    reward: NDArray[np.float64]
    partial_reward: NDArray[np.float64]
    final_reward: NDArray[np.float64]
    begin: int

    @classmethod
    def from_words(cls, words: Sequence[str], vocabulary: Vocabulary, *, weight: float) -> HotWords:
        """Compile the automaton.

        Args:
            words: words, or names of several words.
            vocabulary: vocabulary of the model.
            weight: bonus for each occurrence as a whole word.

        Raises:
            InputError: a word is empty, or has a character that the vocabulary lacks.
        """
        alphabet = frozenset("".join(vocabulary.tokens[index] for index in vocabulary.text_ids))
        margin = SPACE if SPACE in alphabet else ""  # without spaces, a word may occur anywhere
        trie = _Trie(sorted(alphabet | {SPACE}))
        for word in words:
            trie.add(f"{margin}{_spell(word, alphabet)}{margin}")
        step, matches, progress = trie.automaton()  # (S, A), (S,), (S,)
        reached = matches[step].astype(np.float64) * weight  # (S, A)
        states = len(step)
        next_state = np.zeros((states, len(vocabulary)), np.int32)
        reward = np.zeros((states, len(vocabulary)))
        for token, text in enumerate(vocabulary.tokens):
            state = np.arange(states)
            for character in text if token in vocabulary.text_ids else "":
                reward[:, token] += reached[state, trie.letters[character]]
                state = step[state, trie.letters[character]]
            next_state[:, token] = state
        space = trie.letters[SPACE]
        return cls(next_state, reward, progress * weight, reached[:, space], int(step[0, space]))


def _spell(word: str, alphabet: frozenset[str]) -> str:
    """Return a word in letters of the alphabet: as it is or, if only those are known, in upper or lower case."""
    text = SPACE.join(word.split())
    if not text:
        raise InputError("hot words must not be empty")
    for each in (text, text.upper(), text.lower()):
        if alphabet.issuperset(each):
            return each
    missing = "".join(sorted(set(text) - alphabet))
    raise InputError(f"hot word {word!r} has characters that the model cannot predict: {missing!r}")


class _Trie:
    """Trie of patterns; state 0 is its root."""

    def __init__(self, alphabet: Sequence[str]) -> None:
        self.letters = {letter: index for index, letter in enumerate(alphabet)}
        self._children: list[dict[int, int]] = [{}]
        self._ends = [0]  # number of patterns that end in a state
        self._progress = [0.0]  # largest fraction of a longer pattern that is complete, without its first letter

    def add(self, pattern: str) -> None:
        """Add a pattern; adding it again has no effect."""
        state = 0
        for depth, letter in enumerate(pattern):
            self._progress[state] = max(self._progress[state], (depth - 1) / max(1, len(pattern) - 1))
            children = self._children[state]
            if self.letters[letter] not in children:
                children[self.letters[letter]] = len(self._children)
                self._children.append({})
                self._ends.append(0)
                self._progress.append(0.0)
            state = children[self.letters[letter]]
        self._ends[state] = 1

    def automaton(self) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float64]]:
        """Return the next states (S, A) of S states, the number of patterns that end in each, and its progress."""
        step = np.zeros((len(self._children), len(self.letters)), np.int32)
        matches, progress = np.array(self._ends), np.array(self._progress)
        failure = [0] * len(self._children)
        waiting = deque([0])
        while waiting:
            state = waiting.popleft()
            if state:
                step[state] = step[failure[state]]
                matches[state] += matches[failure[state]]
                progress[state] = max(progress[state], progress[failure[state]])
            for letter, child in self._children[state].items():
                failure[child] = int(step[state, letter])
                step[state, letter] = child
                waiting.append(child)
        return step, matches, progress
