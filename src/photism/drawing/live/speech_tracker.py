"""Follow what is said or played while it goes on: where speech began, and which parts are encoded at which time.

Time is counted in blocks of 32 ms, those of voice activity detection, so that what is found does not depend on how the
samples arrive. A segment of speech opens with its first block of speech. While it goes on, the part so far is encoded
at regular times; when a pause has ended it, all of it is encoded once more. Sound that is not speech is encoded in
windows, as long as it is loud enough.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from photism.audio.level import MIN_DB, power_to_db
from photism.audio.sampling import SAMPLING_RATE
from photism.audio.voice_activity import (
    BLOCK_SAMPLES,
    CONTEXT_SAMPLES,
    SILENCE_BELOW,
    SPEECH_ABOVE,
    SpeechDetector,
)
from photism.drawing.video.segmentation import (
    LONGEST_WEAK_S,
    SHORTEST_SILENCE_S,
    SHORTEST_SOUND_S,
    SOUND_RANGE_DB,
    count_weak,
)

BLOCK_S = BLOCK_SAMPLES / SAMPLING_RATE  # 32 ms
GUESS_BLOCKS = 5
"""Blocks of speech after which it is encoded again: 160 ms."""
PAUSE_BLOCKS = round(SHORTEST_SILENCE_S / BLOCK_S)
"""Blocks of silence that end a segment."""
SHORTEST_BLOCKS = round(SHORTEST_SOUND_S / BLOCK_S)
"""Blocks of the shortest segment that is encoded."""
CONTEXT_BLOCKS = 2
"""Blocks before and after speech that are encoded with it."""
SOUND_BLOCKS = round(1.0 / BLOCK_S)
"""Blocks of sound without speech after which it is encoded again: a second."""
QUIETEST_SOUND_DB = -50.0
"""Level in dBFS up to which sound that is not speech is taken for the noise of a room."""
PEAK_DECAY_DB = 0.1
"""Decay of the level of the loudest block in a block, in dB: 3 dB in a second."""


class HeardPart(NamedTuple):
    """A part of the recording that is encoded, in blocks of 32 ms from its start.

    Attributes:
        start, stop: first block, and the one after the last.
        time: number of blocks after which it is encoded, at least `stop`.
        is_speech: whether it is speech.
        is_final: whether the speech has ended.
    """

    start: int
    stop: int
    time: int
    is_speech: bool
    is_final: bool


class SpeechTracker:
    """Find the parts of a recording to encode, block by block.

    Args:
        longest_s: duration in seconds of the longest part.

    Attributes:
        is_active: whether there is speech or other sound in the newest block.

    Raises:
        InputError: the library silero-vad is not installed.
    """

    def __init__(self, longest_s: float) -> None:
        self.is_active = False
        self._longest = max(1, round(longest_s / BLOCK_S))
        self._detect = SpeechDetector()
        self._context = np.zeros(CONTEXT_SAMPLES, np.float32)
        self._count = 0  # of blocks so far
        self._is_speech = False
        self._before: deque[float] = deque(maxlen=round(LONGEST_WEAK_S / BLOCK_S))  # levels of blocks before speech
        self._start: int | None = None  # first block of the segment that is open
        self._silent = 0  # blocks at its end without speech
        self._segment_db = MIN_DB  # its loudest block
        self._peak_db = MIN_DB  # of the recording, which decays
        self._sounding = 0  # consecutive blocks with sound, and without speech

    def __call__(self, block: NDArray[np.float32]) -> HeardPart | None:
        """Follow the next block (512,), and return the part that is to be encoded after it, if there is one."""
        samples = np.concatenate([self._context, block])
        self._context = block[-CONTEXT_SAMPLES:]
        probability = float(self._detect(torch.from_numpy(samples)[None]))
        self._is_speech = probability >= (SILENCE_BELOW if self._is_speech else SPEECH_ABOVE)
        level_db = float(power_to_db(np.square(block, dtype=np.float64).mean(keepdims=True))[0])
        self._peak_db = max(self._peak_db - PEAK_DECAY_DB, level_db)
        self._count += 1
        found = self._speech(level_db)
        is_loud = level_db > max(self._peak_db - SOUND_RANGE_DB, QUIETEST_SOUND_DB)
        self.is_active = self._is_speech or is_loud
        if self._start is not None or not is_loud:
            self._sounding = 0 if self._start is not None else max(0, self._sounding - 1)
        else:
            self._sounding += 1
            if self._sounding % SOUND_BLOCKS == 0:
                length = min(self._sounding, self._longest)
                return HeardPart(self._count - length, self._count, self._count, False, True)
        return found

    def _speech(self, level_db: float) -> HeardPart | None:
        """Open, extend or end a segment of speech with the newest block."""
        if self._start is None:
            if not self._is_speech:
                self._before.append(level_db)
                return None
            self._start = self._count - 1 - count_weak([*reversed(self._before)], level_db)
            self._opened, self._segment_db, self._silent = self._count - 1, level_db, 0
            return None
        self._silent = 0 if self._is_speech else self._silent + 1
        self._segment_db = max(self._segment_db, level_db)
        if self._silent == PAUSE_BLOCKS:
            return self._end()
        if (self._count - self._opened) % GUESS_BLOCKS == 0:
            return self._part(self._count, is_final=False)
        return None

    def _end(self) -> HeardPart | None:
        """End the segment that is open, and return it unless it is too short."""
        stop = self._count - self._silent
        is_long = stop - self._opened >= SHORTEST_BLOCKS
        part = self._part(min(self._count, stop + CONTEXT_BLOCKS), is_final=True) if is_long else None
        self._start = None
        self._before.clear()
        return part

    def _part(self, stop: int, *, is_final: bool) -> HeardPart:
        start = max(0, (self._start or 0) - CONTEXT_BLOCKS, stop - self._longest)
        return HeardPart(start, stop, self._count, True, is_final)
