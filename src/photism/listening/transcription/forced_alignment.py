"""When each output of a text is heard: the likeliest CTC path that writes that text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from photism.listening.transcription.transcript import Span
from photism.listening.transcription.vocabulary import Vocabulary

WHOLE_STATES = 1 << 22
"""Of a trellis that is searched as a whole: 4 MB."""
BAND_FRAMES = 250
"""How far from where the beam search met it an output is looked for in a larger one: 5 s at 50 frames a second."""


def align(
    log_probs: NDArray[np.float32],
    outputs: Sequence[int],
    vocabulary: Vocabulary,
    *,
    met: Sequence[int],
    band: int | None = None,
) -> list[Span]:
    """The frames of each output, by Viterbi's algorithm over all paths that write the text.

    Args:
        log_probs: (F, V).
        outputs: of the text, no blanks, and no two delimiters in a row. Where there is a delimiter, or an end, any
            number of delimiters may be heard, which writes the same text.
        vocabulary: of the V.
        met: a frame for each output, ascending, which is roughly where it is.
        band: frames on either side of `met` that are searched; by default `BAND_FRAMES` where the whole trellis would
            be larger than `WHOLE_STATES`.

    Source: https://en.wikipedia.org/wiki/Viterbi_algorithm, on the states of CTC: a blank, an output, a blank, …
    """
    frames, states = len(log_probs), 2 * len(outputs) + 1
    if not outputs:
        return []
    if band is None:
        band = frames if frames * states <= WHOLE_STATES else BAND_FRAMES
    at = np.arange(frames)
    lows = 2 * np.searchsorted(met, at - band)  # (F,) the first state that is searched in a frame
    highs = 2 * np.searchsorted(met, at + band, side="right")  # and the last
    steps = _search(log_probs, np.array(outputs, np.intp), vocabulary, lows, highs)
    return _trace_back(outputs, steps, lows)


def _search(
    log_probs: NDArray[np.float32],
    outputs: NDArray[np.intp],
    vocabulary: Vocabulary,
    lows: NDArray[np.intp],
    highs: NDArray[np.intp],
) -> list[NDArray[np.int8]]:
    """By how many states, 0 to 2, the best path to each state of each frame came up."""
    labels = np.full(2 * len(outputs) + 1, vocabulary.blank, np.intp)
    labels[1::2] = outputs
    # A blank beside a delimiter, or at an end, may be a delimiter as well.
    others = labels.copy()
    delimiters = sorted(vocabulary.delimiters)
    if delimiters:
        is_delimiter = np.concatenate([[True], np.isin(outputs, delimiters), [True]])
        others[::2][is_delimiter[:-1] | is_delimiter[1:]] = delimiters[0]
    skips = np.zeros(len(labels), bool)
    skips[3::2] = outputs[1:] != outputs[:-1]  # a blank need not part two different outputs

    scores = np.array([0.0])  # before the first frame: in a state before the first
    low = -1
    steps: list[NDArray[np.int8]] = []
    for frame, (new_low, new_high) in enumerate(zip(lows.tolist(), highs.tolist(), strict=True)):
        reached = np.full(new_high - new_low + 3, -np.inf)  # of the states new_low - 2 to new_high, before this frame
        first = max(low, new_low - 2)
        last = min(low + len(scores), new_high + 1)
        reached[first - new_low + 2 : last - new_low + 2] = scores[first - low : last - low]
        searched = slice(new_low, new_high + 1)
        skipped = np.where(skips[searched], reached[:-2], -np.inf)
        if frame == 0:  # from before the first: to the first blank, or past it to the first output
            skipped[1 - new_low : 2 - new_low] = 0.0
        ways = np.stack([reached[2:], reached[1:-1], skipped])
        step = ways.argmax(0)
        steps.append(step.astype(np.int8))
        row = log_probs[frame]
        heard = np.maximum(row[labels[searched]], row[others[searched]])
        scores, low = np.take_along_axis(ways, step[None], 0)[0] + heard, new_low
    if len(scores) > 1 and scores[-2] > scores[-1]:
        steps.append(np.ones(1, np.int8))  # ends in the last output
    else:
        steps.append(np.zeros(1, np.int8))
    return steps


def _trace_back(outputs: Sequence[int], steps: list[NDArray[np.int8]], lows: NDArray[np.intp]) -> list[Span]:
    frames = len(lows)
    state = 2 * len(outputs) - int(steps[frames][0])
    starts, stops = [0] * len(outputs), [0] * len(outputs)
    for frame in range(frames - 1, -1, -1):
        if state % 2:
            starts[state // 2] = frame
            stops[state // 2] = stops[state // 2] or frame + 1
        state -= int(steps[frame][state - lows[frame]])
    return [Span(*each) for each in zip(outputs, starts, stops, strict=True)]
