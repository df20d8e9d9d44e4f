"""Words that are to be expected: each adds to the score of a text that has it, the more of it is there the more.

An Aho-Corasick automaton (https://en.wikipedia.org/wiki/Aho–Corasick_algorithm) over characters, of which a word with a
space on either side is a pattern, or without where a model writes no spaces; made into a table of what each output of
the head does in each state.
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
    """The automaton of S states; it begins in state `begin`.

    Attributes:
        next_state: (S, V), the state after an output.
        reward: (S, V), what that output adds for words that it completes.
        hope: (S,), what is added for a word that is begun, and taken back when it is left.
        last_reward: (S,), what is added for a word that the end of the text completes.
        begin: the state before the text.
    """

    next_state: NDArray[np.int32]
    reward: NDArray[np.float64]
    hope: NDArray[np.float64]
    last_reward: NDArray[np.float64]
    begin: int

    @classmethod
    def of(cls, words: Sequence[str], vocabulary: Vocabulary, *, weight: float) -> HotWords:
        """For words, or names of several words, each of which adds `weight` wherever it stands as a whole.

        Raises:
            InputError: a word is empty, or has a character that the vocabulary does not write.
        """
        writable = frozenset("".join(vocabulary.pieces[index] for index in vocabulary.spoken))
        around = SPACE if SPACE in writable else ""  # writing without spaces has its words anywhere
        trie = _Trie(sorted(writable | {SPACE}))
        for word in words:
            trie.add(f"{around}{_written(word, writable)}{around}")
        step, matches, share = trie.automaton()  # (S, A), (S,), (S,)
        reached = matches[step].astype(np.float64) * weight  # (S, A)
        states = len(step)
        next_state = np.zeros((states, len(vocabulary)), np.int32)
        reward = np.zeros((states, len(vocabulary)))
        for output, piece in enumerate(vocabulary.pieces):
            state = np.arange(states)
            for character in piece if output in vocabulary.spoken else "":
                reward[:, output] += reached[state, trie.letters[character]]
                state = step[state, trie.letters[character]]
            next_state[:, output] = state
        space = trie.letters[SPACE]
        return cls(next_state, reward, share * weight, reached[:, space], int(step[0, space]))


def _written(word: str, writable: frozenset[str]) -> str:
    """A word in letters that can be written: as it is given or, where only those are, in capital or small ones."""
    text = SPACE.join(word.split())
    if not text:
        raise InputError("a hot word must have a letter; got an empty one")
    for each in (text, text.upper(), text.lower()):
        if writable.issuperset(each):
            return each
    missing = sorted(set(text) - writable)
    raise InputError(f"hot word {word!r} must be written with what the model writes, which has no {''.join(missing)!r}")


class _Trie:
    """Patterns by their beginnings; state 0 is before any."""

    def __init__(self, alphabet: Sequence[str]) -> None:
        self.letters = {letter: index for index, letter in enumerate(alphabet)}
        self._children: list[dict[int, int]] = [{}]
        self._ends = [0]  # patterns that end in a state
        self._share = [0.0]  # the largest part of a longer pattern that a state is, its first letter not counted

    def add(self, pattern: str) -> None:
        """Each pattern counts once, however often it is added."""
        state = 0
        for depth, letter in enumerate(pattern):
            self._share[state] = max(self._share[state], (depth - 1) / max(1, len(pattern) - 1))
            children = self._children[state]
            if self.letters[letter] not in children:
                children[self.letters[letter]] = len(self._children)
                self._children.append({})
                self._ends.append(0)
                self._share.append(0.0)
            state = children[self.letters[letter]]
        self._ends[state] = 1

    def automaton(self) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float64]]:
        """For S states: the next ones (S, A), how many patterns end in each, and the share of one that is begun."""
        step = np.zeros((len(self._children), len(self.letters)), np.int32)
        matches, share = np.array(self._ends), np.array(self._share)
        failure = [0] * len(self._children)
        waiting = deque([0])
        while waiting:
            state = waiting.popleft()
            if state:
                step[state] = step[failure[state]]
                matches[state] += matches[failure[state]]
                share[state] = max(share[state], share[failure[state]])
            for letter, child in self._children[state].items():
                failure[child] = int(step[state, letter])
                step[state, letter] = child
                waiting.append(child)
        return step, matches, share
