"""Tree of the prefixes of a beam search, in which prefixes share their common beginnings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from photism.listening.transcription.vocabulary import SPACE, Vocabulary

if TYPE_CHECKING:
    from photism.listening.transcription.beam_search import BeamSearch


class PrefixTree:
    """Prefixes as nodes, whose numbers are above that of their parent; node 0 is the committed beginning of all."""

    def __init__(self, vocabulary: Vocabulary, settings: BeamSearch) -> None:
        model = settings.language_model
        self._vocabulary, self._settings, self._model = vocabulary, settings, model
        self.parent = [-1]
        self._token = [-1]
        self._frame = [-1]
        self._children: dict[int, int] = {}  # by parent and token in one number
        self._committed: list[tuple[int, int]] = []  # tokens and frames of the root
        # For a language model: the last, incomplete word, the state before it, and the bonus for completing it.
        self._word = [""]
        self._state: list[Any] = [model.begin() if model else None]
        self._completed: list[tuple[float, Any] | None] = [None]

    def extend(self, node: int, token: int, frame: int) -> int:
        """Return the node of a prefix with one more token; an existing node keeps its frame."""
        key = node * len(self._vocabulary) + token
        known = self._children.get(key)
        if known is not None:
            return known
        number = self._children[key] = len(self.parent)
        self.parent.append(node)
        self._token.append(token)
        self._frame.append(frame)
        if self._model is not None:
            text = self._vocabulary.tokens[token]
            if text.startswith(SPACE):
                self._word.append(text[1:])
                self._state.append(self._complete(node)[1])
            else:
                self._word.append(self._word[node] + text)
                self._state.append(self._state[node])
            self._completed.append(None)
        return number

    def parents(self, nodes: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the parent of each node; -1 for the root."""
        return np.array([self.parent[node] for node in nodes.tolist()], np.intp)

    def word_bonuses(self, nodes: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the bonus for completing the last word of each prefix."""
        return np.array([self._complete(node)[0] for node in nodes.tolist()])

    def end_bonus(self, node: int) -> float:
        """Return the bonus for ending the text after a prefix."""
        if self._model is None:
            return 0.0
        bonus, state = self._complete(node)
        return bonus + self._settings.language_model_weight * self._model.end(state)

    def path(self, node: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the tokens of a prefix, and the frames in which they were appended."""
        steps: list[tuple[int, int]] = []
        while node:
            steps.append((self._token[node], self._frame[node]))
            node = self.parent[node]
        steps = self._committed + steps[::-1]
        return tuple(token for token, _ in steps), tuple(frame for _, frame in steps)

    def commit(self, nodes: NDArray[np.intp]) -> NDArray[np.intp]:
        """Drop all prefixes but some, make their longest common beginning the root, and return their new numbers."""
        alive = set(nodes.tolist())
        heads = set(alive)
        while len(heads) > 1:  # the node with the highest number is the parent of no other
            latest = max(heads)
            heads.remove(latest)
            heads.add(self.parent[latest])
            alive.add(self.parent[latest])
        (root,) = heads
        self._committed = list(zip(*self.path(root), strict=True))
        order = sorted(alive)
        number = {node: index for index, node in enumerate(order)}
        self.parent = [-1, *(number[self.parent[node]] for node in order[1:])]
        self._token = [self._token[node] for node in order]
        self._frame = [self._frame[node] for node in order]
        if self._model is not None:
            self._word = [self._word[node] for node in order]
            self._state = [self._state[node] for node in order]
            self._completed = [self._completed[node] for node in order]
        size = len(self._vocabulary)
        self._children = {
            parent * size + token: index
            for index, (parent, token) in enumerate(zip(self.parent, self._token, strict=True))
            if index
        }
        return np.array([number[node] for node in nodes.tolist()], np.intp)

    def _complete(self, node: int) -> tuple[float, Any]:
        """Return the bonus for completing the last word of a prefix, and the language model's state after it."""
        found = self._completed[node]
        if found is None:
            word, state = self._word[node], self._state[node]
            if word and self._model is not None:
                log_prob, after = self._model.score(state, word)
                found = self._settings.language_model_weight * log_prob + self._settings.word_score, after
            else:
                found = 0.0, state
            self._completed[node] = found
        return found
