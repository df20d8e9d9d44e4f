"""The beginnings of texts that a beam search meets, as a tree: what is alike in them is held once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from photism.listening.transcription.vocabulary import SPACE, Vocabulary

if TYPE_CHECKING:
    from photism.listening.transcription.beam_search import BeamSearch


class Prefixes:
    """Nodes are numbered, parents below their children; 0 is the root, the text that all others begin with."""

    def __init__(self, vocabulary: Vocabulary, settings: BeamSearch) -> None:
        model = settings.language_model
        self._vocabulary, self._settings, self._model = vocabulary, settings, model
        self.parent = [-1]
        self._output = [-1]
        self._frame = [-1]
        self._children: dict[int, int] = {}  # by parent and output in one number
        self._laid: list[tuple[int, int]] = []  # outputs and frames of the root
        # For a language model: the word that is not complete, the state before it, and what completing it adds.
        self._word = [""]
        self._state: list[Any] = [model.begin() if model else None]
        self._completed: list[tuple[float, Any] | None] = [None]

    def extend(self, node: int, output: int, frame: int) -> int:
        """The node of a text with one more output, which was met in a frame, or the node that it has already."""
        key = node * len(self._vocabulary) + output
        known = self._children.get(key)
        if known is not None:
            return known
        number = self._children[key] = len(self.parent)
        self.parent.append(node)
        self._output.append(output)
        self._frame.append(frame)
        if self._model is not None:
            piece = self._vocabulary.pieces[output]
            if piece.startswith(SPACE):
                self._word.append(piece[1:])
                self._state.append(self._complete(node)[1])
            else:
                self._word.append(self._word[node] + piece)
                self._state.append(self._state[node])
            self._completed.append(None)
        return number

    def parents(self, nodes: NDArray[np.intp]) -> NDArray[np.intp]:
        """-1 for the root."""
        return np.array([self.parent[node] for node in nodes.tolist()], np.intp)

    def word_bonuses(self, nodes: NDArray[np.intp]) -> NDArray[np.float64]:
        """What completing the last word adds to each text."""
        return np.array([self._complete(node)[0] for node in nodes.tolist()])

    def end_bonus(self, node: int) -> float:
        """What ending a text adds to it."""
        if self._model is None:
            return 0.0
        bonus, state = self._complete(node)
        return bonus + self._settings.language_model_weight * self._model.end(state)

    def path(self, node: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The outputs of a text, and the frames in which they were met."""
        steps: list[tuple[int, int]] = []
        while node:
            steps.append((self._output[node], self._frame[node]))
            node = self.parent[node]
        steps = self._laid + steps[::-1]
        return tuple(output for output, _ in steps), tuple(frame for _, frame in steps)

    def commit(self, nodes: NDArray[np.intp]) -> NDArray[np.intp]:
        """Forgets all texts but some, makes what these begin with the root, and gives their new numbers."""
        alive = set(nodes.tolist())
        heads = set(alive)
        while len(heads) > 1:  # the latest is the beginning of no other
            latest = max(heads)
            heads.remove(latest)
            heads.add(self.parent[latest])
            alive.add(self.parent[latest])
        (root,) = heads
        self._laid = list(zip(*self.path(root), strict=True))
        order = sorted(alive)
        number = {node: index for index, node in enumerate(order)}
        self.parent = [-1, *(number[self.parent[node]] for node in order[1:])]
        self._output = [self._output[node] for node in order]
        self._frame = [self._frame[node] for node in order]
        if self._model is not None:
            self._word = [self._word[node] for node in order]
            self._state = [self._state[node] for node in order]
            self._completed = [self._completed[node] for node in order]
        size = len(self._vocabulary)
        self._children = {
            parent * size + output: index
            for index, (parent, output) in enumerate(zip(self.parent, self._output, strict=True))
            if index
        }
        return np.array([number[node] for node in nodes.tolist()], np.intp)

    def _complete(self, node: int) -> tuple[float, Any]:
        """What completing the last word of a text adds, and the language model's state after it."""
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
