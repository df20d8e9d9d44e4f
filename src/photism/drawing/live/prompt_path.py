"""The prompt of a live drawing at each time: that of the newest part which the model knows, cross-faded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from photism.audio.waveform import Waveform
from photism.prompts.audio_prompt import AudioPrompt
from photism.prompts.mixing import with_strength

MOST_WAITING = 8
"""Number of parts that may wait to be encoded. Older ones are dropped: on a machine that draws less than a picture a
second, or while nothing is drawn."""
CONFIDENT_LOG_ODDS = 4.0
"""Log-odds that a part is known from which on it is not tried from another start."""


class Cut(NamedTuple):
    """A part of a recording as it may be cut."""

    start_s: float
    samples: NDArray[np.float32]  # (T,)


@dataclass(frozen=True, eq=False)
class PromptStep:
    """A part of a recording that may move the prompt.

    Attributes:
        time_s: time in seconds from which it does.
        fade_s: duration of the cross-fade from the prompt before.
        min_log_odds: log-odds above which it moves the prompt, if the model knows it; None if it does in any case.
        cuts: the part as it may be cut, the most likely one first.
    """

    time_s: float
    fade_s: float
    min_log_odds: float | None
    cuts: Sequence[Cut]


@dataclass(frozen=True, eq=False)
class EncodedPart:
    """A part that was encoded.

    Attributes:
        step: the part.
        start_s: its start in seconds, which the model knows best.
        prompt: its prompt, one row.
        moves: whether it moves the prompt.
    """

    step: PromptStep
    start_s: float
    prompt: AudioPrompt
    moves: bool

    @property
    def known(self) -> bool | None:
        """Whether the model knows the part; None if it cannot tell."""
        return self.prompt.known[0]

    def weight(self, time_s: float) -> float:
        """Return the weight of its prompt at a time, 0 to 1."""
        passed_s, fade_s = time_s - self.step.time_s, self.step.fade_s
        return 1.0 if passed_s >= fade_s else passed_s / fade_s


class PromptPath:
    """The prompt at ascending times. It moves to that of the newest part which the model knows, and stays there.

    A part is encoded when its prompt is first needed, and never if a newer one is known and its fade is over.

    Args:
        encode: encodes a waveform into a prompt of one row.
        first: prompt while nothing is known.

    Attributes:
        newest: the newest part that was encoded, known or not.
    """

    def __init__(self, encode: Callable[[Waveform], AudioPrompt], first: AudioPrompt) -> None:
        self.newest: EncodedPart | None = None
        self._encode, self._first = encode, first
        self._waiting: deque[PromptStep] = deque(maxlen=MOST_WAITING)
        self._moving: list[EncodedPart] = []  # ascending; all but the first have begun to move the prompt only

    def append(self, step: PromptStep) -> None:
        """Append a part with the latest time."""
        self._waiting.append(step)

    def at(self, time_s: float) -> tuple[AudioPrompt, EncodedPart | None]:
        """Return the prompt at a time, one row, and the newest part that the model knows, if there is one.

        Args:
            time_s: time in seconds, at least that of the newest part.
        """
        moving: list[EncodedPart] = []  # descending
        while self._waiting and not self._is_over(moving, time_s):
            encoded = self._encoded(self._waiting.pop())
            if self.newest is None or encoded.step.time_s > self.newest.step.time_s:
                self.newest = encoded
            if encoded.moves:
                moving.append(encoded)
        self._waiting.clear()
        for each in reversed(self._moving):
            if self._is_over(moving, time_s):
                break
            moving.append(each)
        self._moving = moving[::-1]
        prompt = self._first
        for each in self._moving:
            weight = each.weight(time_s)
            prompt = each.prompt if weight == 1 else with_strength(each.prompt, prompt, weight)
        return prompt, self._moving[-1] if self._moving else None

    @staticmethod
    def _is_over(moving: Sequence[EncodedPart], time_s: float) -> bool:
        """Return whether the fade of the oldest part is over, so that no part before it counts."""
        return bool(moving) and moving[-1].weight(time_s) == 1

    def _encoded(self, step: PromptStep) -> EncodedPart:
        """Encode a part from each of its starts, until the model surely knows it, and return what it knows best."""
        encoded: list[tuple[float, Cut, AudioPrompt]] = []
        for cut in step.cuts:
            prompt = self._encode(Waveform(cut.samples))
            encoded.append((prompt.log_odds[0] if prompt.log_odds else 0.0, cut, prompt))
            if not prompt.log_odds or prompt.log_odds[0] > CONFIDENT_LOG_ODDS:
                break
        log_odds, cut, prompt = max(encoded, key=itemgetter(0))
        known = prompt.known[0]
        moves = step.min_log_odds is None or known is None or (known and log_odds > step.min_log_odds)
        return EncodedPart(step, cut.start_s, prompt, moves)
