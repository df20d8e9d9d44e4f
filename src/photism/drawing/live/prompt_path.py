"""The prompt of a live drawing at each time: what was encoded last and is known, cross-faded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from photism.audio.waveform import Waveform
from photism.prompts.audio_prompt import AudioPrompt
from photism.prompts.mixing import with_strength

if TYPE_CHECKING:
    from photism.listening.zero_shot import RankedCaption

MOST_WAITING = 8
"""Number of parts that may wait to be encoded. Older ones are dropped: on a machine that draws less than a picture a
second, or while nothing is drawn."""


@dataclass(eq=False)
class PromptStep:
    """A part of a recording that moves the prompt, if the model knows it.

    Attributes:
        time_s: time in seconds from which it does.
        fade_s: duration of the cross-fade from the prompt before.
        start_s: start of the part in seconds.
        samples: its samples (T,).
        prompt: its prompt, once it is encoded.
        heard: captions nearest to it, once they are ranked.
    """

    time_s: float
    fade_s: float
    start_s: float
    samples: NDArray[np.float32] = field(repr=False)
    prompt: AudioPrompt | None = None
    heard: tuple[RankedCaption, ...] | None = None

    def weight(self, time_s: float) -> float:
        """Return the weight of its prompt at a time, 0 to 1."""
        return 1.0 if time_s - self.time_s >= self.fade_s else (time_s - self.time_s) / self.fade_s


class PromptPath:
    """The prompt at ascending times. It moves to the prompt of the newest part that the model knows, and stays there.

    A part is encoded when its prompt is first needed, and never if a newer one is known and its fade is over.

    Args:
        encode: encodes samples (T,) into a prompt of one row.
        first: prompt while nothing is known.
    """

    def __init__(self, encode: Callable[[Waveform], AudioPrompt], first: AudioPrompt) -> None:
        self._encode, self._first = encode, first
        self._steps: deque[PromptStep] = deque()  # ascending; the first may be older than all that is needed
        self.newest: PromptStep | None = None

    def append(self, step: PromptStep) -> None:
        """Append a part with the latest time."""
        self._steps.append(step)
        waiting = [each for each in self._steps if each.prompt is None]
        if len(waiting) > MOST_WAITING:
            self._steps.remove(waiting[0])

    def at(self, time_s: float) -> tuple[AudioPrompt, PromptStep | None]:
        """Return the prompt at a time, one row, and the newest part that the model knows, if there is one.

        Args:
            time_s: time in seconds, at least that of the newest part.
        """
        fading: list[tuple[float, AudioPrompt, PromptStep]] = []  # newest first
        kept: deque[PromptStep] = deque()
        for step in reversed(self._steps):
            if step.prompt is None:
                step.prompt = self._encode(Waveform(step.samples))
                self.newest = step if self.newest is None or step.time_s > self.newest.time_s else self.newest
            if step.prompt.known[:1] == (False,):
                continue
            kept.appendleft(step)
            fading.append((step.weight(time_s), step.prompt, step))
            if fading[-1][0] == 1:
                break
        self._steps = kept
        prompt = self._first
        for weight, target, _ in reversed(fading):
            prompt = target if weight == 1 else with_strength(target, prompt, weight)
        return prompt, fading[0][2] if fading else None
