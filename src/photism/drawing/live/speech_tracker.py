"""Follow what is said or played while it goes on: which parts of the recording are encoded, and when.

Time is counted in blocks of 32 ms, those of voice activity detection, so that what is found does not depend on how the
samples arrive. A segment of speech opens with its first block of speech, and a pause of 0.2 s ends it. It is encoded
several times while it goes on, and whenever a short pause may be its end. Sound that is not speech is encoded in
windows, as long as it is loud enough.

A pause may be within a name of several phrases, and words may follow one another nearly without one. So speech that
pauses may begin at several blocks: with its segment, with the phrase after the last short pause before, or with one of
the segments shortly before.
"""

from __future__ import annotations

from collections import deque
from typing import Literal, NamedTuple, TypeAlias

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

Kind: TypeAlias = Literal["speaking", "paused", "sound"]

BLOCK_S = BLOCK_SAMPLES / SAMPLING_RATE  # 32 ms
GUESS_BLOCKS = 5
"""Blocks of speech after which it is encoded again, at least: 160 ms."""
GUESS_GROWTH = 0.15
"""The same as a fraction of its length: longer speech takes longer to encode, and changes less."""
SHORT_PAUSE_BLOCKS = 2
"""Blocks of silence after which a word has probably ended: 64 ms."""
PAUSE_BLOCKS = round(SHORTEST_SILENCE_S / BLOCK_S)
"""Blocks of silence that end a segment."""
SHORTEST_BLOCKS = round(SHORTEST_SOUND_S / BLOCK_S)
"""Blocks of the shortest segment that is encoded."""
CONTEXT_BLOCKS = 2
"""Blocks before speech that are encoded with it."""
JOINED_BLOCKS = round(1.0 / BLOCK_S)
"""Blocks of the longest pause within a name."""
JOINED_SEGMENTS = 2
"""Number of segments before a segment that may begin its name."""
SOUND_BLOCKS = round(1.0 / BLOCK_S)
"""Blocks of sound without speech after which it is encoded again: a second."""
SOUND_FRACTION = 1 / 3
"""Longest window of such sound, as a fraction of that of speech."""
QUIETEST_SOUND_DB = -50.0
"""Level in dBFS up to which sound that is not speech is taken for the noise of a room."""
PEAK_DECAY_DB = 0.1
"""Decay of the level of the loudest block in a block, in dB: 3 dB in a second."""


class PartToEncode(NamedTuple):
    """A part of the recording that is to be encoded, in blocks of 32 ms from its start.

    Attributes:
        starts: blocks that it may begin with, the most likely one first.
        stop: the block after the last one, which is the newest.
        kind: whether it is speech that goes on, speech that pauses, or other sound.
    """

    starts: tuple[int, ...]
    stop: int
    kind: Kind


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
        self._segment: _Segment | None = None
        self._ended: deque[_Segment] = deque(maxlen=JOINED_SEGMENTS)  # those that may begin a name, ascending
        self._peak_db = MIN_DB  # of the recording, which decays
        self._sounding = 0  # blocks with sound, and without speech

    def __call__(self, block: NDArray[np.float32]) -> PartToEncode | None:
        """Follow the next block (512,), and return the part that is to be encoded after it, if there is one."""
        samples = np.concatenate([self._context, block])
        self._context = block[-CONTEXT_SAMPLES:]
        probability = float(self._detect(torch.from_numpy(samples)[None]))
        self._is_speech = probability >= (SILENCE_BELOW if self._is_speech else SPEECH_ABOVE)
        level_db = float(power_to_db(np.square(block, dtype=np.float64).mean(keepdims=True))[0])
        self._peak_db = max(self._peak_db - PEAK_DECAY_DB, level_db)
        is_loud = level_db > max(self._peak_db - SOUND_RANGE_DB, QUIETEST_SOUND_DB)
        self.is_active = self._is_speech or is_loud
        self._count += 1
        if self._segment is None and self._is_speech:
            self._segment = self._open(level_db)
        elif self._segment is not None:
            return self._extend(self._segment)
        else:
            self._before.append(level_db)
        if self._segment is not None:
            self._sounding = 0
            return None
        return self._sound(is_loud=is_loud)

    def _open(self, level_db: float) -> _Segment:
        """Open a segment with the newest block."""
        first = self._count - 1
        if self._ended and first - self._ended[-1].stop > JOINED_BLOCKS:
            self._ended.clear()
        start = max(0, first - count_weak([*reversed(self._before)], level_db) - CONTEXT_BLOCKS)
        return _Segment(first, start, GUESS_BLOCKS)

    def _extend(self, segment: _Segment) -> PartToEncode | None:
        """Extend the segment that is open by the newest block, or end it."""
        if self._is_speech:
            if segment.silent >= SHORT_PAUSE_BLOCKS:
                segment.phrase = self._count - 1 - min(CONTEXT_BLOCKS, segment.silent // 2)
            segment.silent = 0
        else:
            segment.silent += 1
        length = self._count - segment.first
        if segment.silent == PAUSE_BLOCKS:
            self._end(segment)
        elif segment.silent == SHORT_PAUSE_BLOCKS and length - segment.silent >= SHORTEST_BLOCKS:
            return self._part(segment, "paused")
        elif segment.silent == 0 and length >= segment.next_guess:
            segment.next_guess = length + max(GUESS_BLOCKS, round(GUESS_GROWTH * length))
            return self._part(segment, "speaking")
        return None

    def _end(self, segment: _Segment) -> None:
        """End the segment that is open."""
        self._segment = None
        self._before.clear()
        segment.stop = self._count - segment.silent
        if segment.stop - segment.first >= SHORTEST_BLOCKS:
            self._ended.append(segment)

    def _part(self, segment: _Segment, kind: Kind) -> PartToEncode:
        """Return the segment that is open, with all its starts."""
        earliest = self._count - self._longest
        starts = [max(segment.start, earliest)]
        if segment.phrase is not None:
            starts.append(segment.phrase)
        if kind != "speaking":
            starts += [each.start for each in reversed(self._ended)]
        return PartToEncode(tuple(each for each in starts if each >= earliest), self._count, kind)

    def _sound(self, *, is_loud: bool) -> PartToEncode | None:
        """Follow sound that is not speech."""
        self._sounding = self._sounding + 1 if is_loud else max(0, self._sounding - 1)
        if not is_loud or self._sounding % SOUND_BLOCKS:
            return None
        length = min(self._sounding, round(SOUND_FRACTION * self._longest))
        return PartToEncode((self._count - length,), self._count, "sound")


class _Segment:
    """A segment of speech, in blocks from the start of the recording."""

    def __init__(self, first: int, start: int, next_guess: int) -> None:
        self.first = first  # block of speech
        self.start = start  # first block that is encoded: weak starts and some context are before the speech
        self.next_guess = next_guess  # length at which it is encoded next
        self.phrase: int | None = None  # first block after its last short pause
        self.silent = 0  # blocks without speech at its end
        self.stop = first  # block after the last one of speech, once it has ended
