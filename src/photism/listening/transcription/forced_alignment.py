"""Forced alignment of a text with a recording: the most probable CTC path that spells the text.

The states of a path are those of CTC, a blank, a token, a blank, … A long text is searched in a window of states that
moves with the recording, so that the time is proportional to the length of the recording.

Source: https://en.wikipedia.org/wiki/Viterbi_algorithm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from photism.cancellation import check_cancelled
from photism.listening.transcription.transcript import TokenSpan
from photism.listening.transcription.vocabulary import Vocabulary

WILDCARD = -1
"""Token that stands for any characters, of any number."""

WINDOW_STATES = 16384
"""States that are searched in a frame: some 1,400 English words. A shorter text is searched completely."""
BLOCK_FRAMES = 256
"""Frames for which the window stays in place. A path advances by at most two states in a frame."""

WILDCARD_COST = 0.1
"""Cost of a frame of a wildcard, so that frames that fit the neighbouring words belong to those."""


class Costs(NamedTuple):
    """Costs, as negative log-probabilities, of a text and a recording that do not agree.

    The defaults were chosen with a model whose character error rate is 37 %. They are well above the cost of a
    character that such a model misspells, and below that of text that is not spoken.

    Attributes:
        speech: cost of a frame of speech between two words that is not in the text.
        omission: cost of words that are not in the recording, once for words in sequence.
        token: cost of each token of these words.
    """

    speech: float = 4.0
    omission: float = 50.0
    token: float = 3.0


@dataclass(frozen=True, eq=False)
class _Trellis:
    """States of all paths that spell a text.

    Attributes:
        columns: (S,) column of the emissions of each state.
        skips: (S,) 0 where the state before may be skipped, and -inf elsewhere.
        entries: (N,) states before each word and after the last one, ascending, from each of which a path may continue
            at a later one. Empty if no word may be omitted.
        costs: costs of what does not agree.
    """

    columns: NDArray[np.intp]
    skips: NDArray[np.float64]
    entries: NDArray[np.intp]
    costs: Costs

    def __len__(self) -> int:
        return len(self.columns)


class _Block(NamedTuple):
    """Frames that are searched in the same window of states, and the scores before the first of them."""

    frames: slice
    states: slice
    scores: NDArray[np.float64]


def align(log_probs: NDArray[np.float32], tokens: Sequence[int], vocabulary: Vocabulary) -> list[TokenSpan]:
    """Find the frames of each token in the most probable path that spells the text.

    Args:
        log_probs: log-probabilities (F, V).
        tokens: tokens of the text, without blanks and without two delimiters next to each other. The path may repeat a
            delimiter, and may have delimiters at either end, since these spell the same text.
        vocabulary: vocabulary of the V tokens.
    """
    if not tokens:
        return []
    delimiters = vocabulary.delimiter_ids
    is_between = [True, *(token in delimiters for token in tokens), True]  # next to a blank
    gaps = [before or after for before, after in pairwise(is_between)]
    never = Costs(np.inf, np.inf, np.inf)
    trellis = _make_trellis(tokens, gaps, [], vocabulary, never)
    return _spans(tokens, _best_path(_Emissions(log_probs, vocabulary, never), trellis))


def align_words(
    log_probs: NDArray[np.float32],
    words: Sequence[Sequence[int]],
    vocabulary: Vocabulary,
    costs: Costs = Costs(),  # noqa: B008
) -> list[list[TokenSpan]]:
    """Find the frames of each token of each word in the most probable path, which may deviate from the text.

    Between two words, the path may have delimiters, and speech that is not in the text. Words may be omitted.

    Args:
        log_probs: log-probabilities (F, V).
        words: at least one token for each word, without delimiters; `WILDCARD` stands for any characters.
        vocabulary: vocabulary of the V tokens.
        costs: costs of what does not agree.

    Returns:
        the tokens of each word with their frames; none for an omitted word.
    """
    tokens = [token for word in words for token in word]
    firsts = [0, *accumulate(len(word) for word in words)]
    gaps = [False] * (len(tokens) + 1)
    for first in firsts:
        gaps[first] = True
    trellis = _make_trellis(tokens, gaps, firsts, vocabulary, costs)
    spans = _spans(tokens, _best_path(_Emissions(log_probs, vocabulary, costs), trellis))
    found = [spans[start:stop] for start, stop in pairwise(firsts)]
    return [word if all(span.stop for span in word) else [] for word in found]


class _Emissions:
    """Scores (F, C) of the columns of a trellis: V tokens, the gap between two words, a wildcard, and the start."""

    def __init__(self, log_probs: NDArray[np.float32], vocabulary: Vocabulary, costs: Costs) -> None:
        self.log_probs, self.vocabulary, self.costs = log_probs, vocabulary, costs

    def __len__(self) -> int:
        return len(self.log_probs)

    def __getitem__(self, frames: slice) -> NDArray[np.float32]:
        log_probs = self.log_probs[frames]
        best = log_probs.max(1)
        silent = log_probs[:, [self.vocabulary.blank_id, *self.vocabulary.delimiter_ids]].max(1)
        gap = np.maximum(silent, best - self.costs.speech)
        columns = [gap, best - WILDCARD_COST, np.full_like(best, -np.inf)]
        return np.concatenate([log_probs, np.stack(columns, 1)], 1)


def _make_trellis(
    tokens: Sequence[int], gaps: Sequence[bool], firsts: Sequence[int], vocabulary: Vocabulary, costs: Costs
) -> _Trellis:
    """Return the trellis of a text: the start, then a blank or a gap before each token and after the last one.

    Args:
        tokens: tokens of the text.
        gaps: for each token, and for the end, whether a gap rather than a blank precedes it.
        firsts: first token of each word that may be omitted, and the number of tokens.
        vocabulary: vocabulary of the tokens.
        costs: costs of what does not agree.
    """
    size = len(vocabulary)
    gap, wildcard, start = size, size + 1, size + 2
    columns = np.empty(2 * len(tokens) + 2, np.intp)
    columns[0] = start
    columns[1::2] = np.where(gaps, gap, vocabulary.blank_id)
    columns[2::2] = [wildcard if token == WILDCARD else token for token in tokens]
    skips = np.full(len(columns), -np.inf)
    skips[2] = 0.0
    skips[4::2][columns[4::2] != columns[2:-2:2]] = 0.0  # between two different tokens, the blank is optional
    return _Trellis(columns, skips, 2 * np.array(firsts, np.intp) + 1, costs)


def _best_path(emissions: _Emissions, trellis: _Trellis) -> NDArray[np.intp]:
    """Return the state (F,) of each frame in the most probable path.

    The steps of a path are kept for one block only, and computed again from the scores before each block.
    """
    blocks: list[_Block] = []
    width = min(WINDOW_STATES, len(trellis))
    low, scores = 0, np.full(width, -np.inf)
    scores[0] = 0.0
    # Of two states, the later one needs to omit fewer tokens from here on. But it may have omitted more of them so far.
    # Half of that cost prefers neither.
    saved = np.arange(width) / 2 * trellis.costs.token / 2 if len(trellis.entries) else 0.0
    for first in range(0, len(emissions), BLOCK_FRAMES):
        moved = min(len(trellis) - width - low, max(0, int((scores + saved).argmax()) - width // 2))
        low, scores = low + moved, np.concatenate([scores[moved:], np.full(moved, -np.inf)])
        blocks.append(_Block(slice(first, first + BLOCK_FRAMES), slice(low, low + width), scores))
        scores, _ = _advance(blocks[-1], emissions, trellis)
    path = np.zeros(len(emissions), np.intp)
    state = _last_state(scores, low, trellis)
    for block in reversed(blocks):
        state = _trace_back(block, emissions, trellis, state, path)
    return path


def _last_state(scores: NDArray[np.float64], low: int, trellis: _Trellis) -> int:
    """Return the state in which the best path ends, by the scores after the last frame.

    Args:
        scores: (W,) scores of the states in the window.
        low: first state of the window.
        trellis: states of all paths. If the window does not reach the last one, the words after it are omitted.
    """
    ends = np.array([len(trellis) - 1]) if low + len(scores) == len(trellis) else trellis.entries
    ends = ends[(ends >= low) & (ends < low + len(scores))] - low
    if not len(ends):
        return low + len(scores) - 1
    states = np.concatenate([ends, ends - 1])  # a path may also end in the token before
    states = states[states >= 0]
    costs = trellis.costs.token * (states // 2) if len(trellis.entries) else np.zeros(len(states))
    return low + int(states[(scores[states] + costs).argmax()])


class _Steps(NamedTuple):
    """How the best path to each of W states reached it in each of n frames.

    Attributes:
        steps: (n, W) number of states by which it advanced, 0 to 2, or `OMITS`.
        gains: (n, N) of the N entries in the window, their scores without omissions and without the cost of the tokens
            before them.
    """

    steps: NDArray[np.int8]
    gains: NDArray[np.float64]


OMITS = 3
"""In place of a number of states: the path omitted words, in the same frame."""


def _advance(
    block: _Block, emissions: _Emissions, trellis: _Trellis, *, record: bool = False
) -> tuple[NDArray[np.float64], _Steps]:
    """Return the scores (W,) after a block, and if asked the steps that led to them."""
    check_cancelled()
    emitted = emissions[block.frames][:, trellis.columns[block.states]]  # (n, W)
    skips = trellis.skips[block.states]
    entries, costs = _entries(block, trellis), trellis.costs
    token_costs = costs.token * entries / 2  # of all tokens before an entry
    steps = np.zeros(emitted.shape if record else (0, 0), np.int8)
    gains = np.empty((len(emitted) if record else 0, len(entries)))
    scores = block.scores
    padded = np.full(len(scores) + 2, -np.inf)
    for frame, row in enumerate(emitted):
        padded[2:] = scores
        advanced, skipped = padded[1:-1], padded[:-2] + skips
        scores = np.maximum(np.maximum(scores, advanced), skipped)
        if record:
            steps[frame] = np.where(padded[2:] == scores, 0, np.where(advanced == scores, 1, 2))
        scores += row
        if len(entries) > 1:
            gain = scores[entries] + token_costs
            omitted = np.maximum.accumulate(gain)[:-1] - token_costs[1:] - costs.omission
            is_better = omitted > scores[entries[1:]]
            if is_better.any():
                targets = entries[1:][is_better]
                scores[targets] = omitted[is_better]
                if record:
                    steps[frame, targets] = OMITS
            if record:
                gains[frame] = gain
    return scores, _Steps(steps, gains)


def _trace_back(block: _Block, emissions: _Emissions, trellis: _Trellis, state: int, path: NDArray[np.intp]) -> int:
    """Write the states of a block into the path that ends in a state, and return the state before the block."""
    _, (steps, gains) = _advance(block, emissions, trellis, record=True)
    entries, low = _entries(block, trellis), block.states.start
    state -= low
    for frame in range(len(steps) - 1, -1, -1):
        if steps[frame, state] == OMITS:
            before = int(np.searchsorted(entries, state))
            state = int(entries[gains[frame, :before].argmax()])
        path[block.frames.start + frame] = low + state
        state -= int(steps[frame, state])
    return low + state


def _entries(block: _Block, trellis: _Trellis) -> NDArray[np.intp]:
    """Return the entries in the window of a block, relative to it."""
    first, last = np.searchsorted(trellis.entries, [block.states.start, block.states.stop])
    return trellis.entries[first:last] - block.states.start


def _spans(tokens: Sequence[int], path: NDArray[np.intp]) -> list[TokenSpan]:
    """Return the frames of each token in a path: 0 to 0 for those that it omits."""
    starts, stops = np.zeros(len(tokens), np.intp), np.zeros(len(tokens), np.intp)
    frames = np.flatnonzero((path >= 2) & (path % 2 == 0))
    numbers = path[frames] // 2 - 1
    stops[numbers] = frames + 1  # of several assignments, the last one stays
    starts[numbers[::-1]] = frames[::-1]
    return [TokenSpan(*each) for each in zip(tokens, starts.tolist(), stops.tolist(), strict=True)]
