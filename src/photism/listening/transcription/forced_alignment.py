"""Forced alignment of a text with a recording: the most probable CTC path that spells the text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from photism.listening.transcription.transcript import TokenSpan
from photism.listening.transcription.vocabulary import Vocabulary

MAX_TRELLIS = 1 << 22
"""Number of states of the largest trellis that is searched completely: 4 MB."""
BAND_FRAMES = 250
"""Distance from the frame found by the beam search within which a larger trellis is searched: 5 s at 50 frames/s."""


def align(
    log_probs: NDArray[np.float32],
    tokens: Sequence[int],
    vocabulary: Vocabulary,
    *,
    frames: Sequence[int],
    band: int | None = None,
) -> list[TokenSpan]:
    """Find the frames of each token, by the Viterbi algorithm over all paths that spell the text.

    Args:
        log_probs: log-probabilities (F, V).
        tokens: tokens of the text, without blanks and without two delimiters next to each other. The path may repeat a
            delimiter, and may have delimiters at either end, since these spell the same text.
        vocabulary: vocabulary of the V tokens.
        frames: approximate frame of each token, ascending.
        band: distance from `frames` that is searched; by default `BAND_FRAMES` if the trellis would exceed
            `MAX_TRELLIS` states, and otherwise unlimited.

    Source: https://en.wikipedia.org/wiki/Viterbi_algorithm, on the states of CTC: a blank, a token, a blank, …
    """
    count, states = len(log_probs), 2 * len(tokens) + 1
    if not tokens:
        return []
    if band is None:
        band = count if count * states <= MAX_TRELLIS else BAND_FRAMES
    at = np.arange(count)
    lows = 2 * np.searchsorted(frames, at - band)  # (F,) first state that is searched in a frame
    highs = 2 * np.searchsorted(frames, at + band, side="right")  # (F,) last one
    steps = _search(log_probs, np.array(tokens, np.intp), vocabulary, lows, highs)
    return _trace_back(tokens, steps, lows)


def _search(
    log_probs: NDArray[np.float32],
    tokens: NDArray[np.intp],
    vocabulary: Vocabulary,
    lows: NDArray[np.intp],
    highs: NDArray[np.intp],
) -> list[NDArray[np.int8]]:
    """Return by how many states, 0 to 2, the best path to each searched state of each frame advanced."""
    labels, alternatives = _state_labels(tokens, vocabulary)
    may_skip = np.zeros(len(labels), bool)
    may_skip[3::2] = tokens[1:] != tokens[:-1]  # between two different tokens, the blank is optional

    scores = np.array([0.0])  # before the first frame, of a state before the first
    low = -1
    steps: list[NDArray[np.int8]] = []
    for frame, (new_low, new_high) in enumerate(zip(lows.tolist(), highs.tolist(), strict=True)):
        before = np.full(new_high - new_low + 3, -np.inf)  # scores of the states new_low - 2 to new_high, one frame ago
        first = max(low, new_low - 2)
        last = min(low + len(scores), new_high + 1)
        before[first - new_low + 2 : last - new_low + 2] = scores[first - low : last - low]
        searched = slice(new_low, new_high + 1)
        skipped = np.where(may_skip[searched], before[:-2], -np.inf)
        if frame == 0:  # from the state before the first to the first blank, or past it to the first token
            skipped[1 - new_low : 2 - new_low] = 0.0
        choices = np.stack([before[2:], before[1:-1], skipped])
        step = choices.argmax(0)
        steps.append(step.astype(np.int8))
        row = log_probs[frame]
        emitted = np.maximum(row[labels[searched]], row[alternatives[searched]])
        scores, low = np.take_along_axis(choices, step[None], 0)[0] + emitted, new_low
    ends_in_token = len(scores) > 1 and scores[-2] > scores[-1]
    steps.append(np.full(1, int(ends_in_token), np.int8))
    return steps


def _state_labels(tokens: NDArray[np.intp], vocabulary: Vocabulary) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the token of each state, and the other token that it may emit, or the same one again."""
    labels = np.full(2 * len(tokens) + 1, vocabulary.blank_id, np.intp)
    labels[1::2] = tokens
    # A blank next to a delimiter, or at an end, may be a delimiter as well.
    alternatives = labels.copy()
    delimiters = sorted(vocabulary.delimiter_ids)
    if delimiters:
        is_delimiter = np.concatenate([[True], np.isin(tokens, delimiters), [True]])
        alternatives[::2][is_delimiter[:-1] | is_delimiter[1:]] = delimiters[0]
    return labels, alternatives


def _trace_back(tokens: Sequence[int], steps: list[NDArray[np.int8]], lows: NDArray[np.intp]) -> list[TokenSpan]:
    count = len(lows)
    state = 2 * len(tokens) - int(steps[count][0])
    starts, stops = [0] * len(tokens), [0] * len(tokens)
    for frame in range(count - 1, -1, -1):
        if state % 2:
            starts[state // 2] = frame
            stops[state // 2] = stops[state // 2] or frame + 1
        state -= int(steps[frame][state - lows[frame]])
    return [TokenSpan(*each) for each in zip(tokens, starts, stops, strict=True)]
