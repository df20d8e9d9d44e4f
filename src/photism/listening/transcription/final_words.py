"""Words of log-probabilities that arrive in order: which of them are final, while the recording goes on."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from photism.listening.transcription.decoder import Decoder
from photism.listening.transcription.greedy_search import best_path
from photism.listening.transcription.transcript import Word, tokens_to_words
from photism.listening.transcription.vocabulary import SPACE, Vocabulary

PAUSE_S = 1.0
"""Pause after which a word has ended, with greedy decoding."""
SEARCH_PAUSE_S = 0.4
"""Pause after which the text is final, with a beam search."""
MAX_OPEN_S = 15.0
"""Longest audio without a pause, after which the text is final up to the last complete word. An incomplete word that
is even longer is split."""


class FinalWords:
    """Decode log-probabilities as they arrive, from pause to pause, and at most 15 s at once.

    Args:
        vocabulary: vocabulary of the V tokens.
        decoder: decoder of log-probabilities.
        frame_s: time from one frame to the next.
        is_greedy: whether the decoder takes the most probable token of each frame.
        duration_s: duration of the recording, if it is known; a word ends there at the latest.

    Attributes:
        words: final words so far.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        decoder: Decoder,
        *,
        frame_s: float,
        is_greedy: bool,
        duration_s: float = math.inf,
    ) -> None:
        self.words: list[Word] = []
        self._vocabulary, self._decoder, self._is_greedy = vocabulary, decoder, is_greedy
        self._frame_s, self._duration_s = frame_s, duration_s
        self._open = np.empty((0, len(vocabulary)), np.float32)  # log-probabilities that are not final words yet
        self._first_frame = 0  # of the open ones

    def add(self, log_probs: NDArray[np.float32]) -> tuple[Word, ...]:
        """Append log-probabilities (F, V), and return the words that have become final."""
        self._open = np.concatenate([self._open, log_probs])
        return self._finalise(self._final_frames())

    def finish(self) -> tuple[Word, ...]:
        """Make all words final, and return those that were not."""
        return self._finalise(len(self._open))

    def partial(self, ahead: NDArray[np.float32]) -> tuple[Word, ...]:
        """Return the words after the final ones, which may still change.

        Args:
            ahead: log-probabilities (F, V) after those that were added.
        """
        return self._decode(np.concatenate([self._open, ahead]))

    def _final_frames(self) -> int:
        """Return the number of open frames whose words cannot change any more."""
        tokens = self._vocabulary.tokens
        spans = best_path(self._open, self._vocabulary)
        letters = [span for span in spans if tokens[span.token] != SPACE]
        if not letters:
            return len(self._open)
        is_too_long = len(self._open) * self._frame_s > MAX_OPEN_S
        pause = round((PAUSE_S if self._is_greedy else SEARCH_PAUSE_S) / self._frame_s)
        next_starts = [*(span.start for span in letters[1:]), len(self._open)]
        ends = [
            (span.stop + start) // 2
            for span, start in zip(letters, next_starts, strict=True)
            if start - span.stop >= pause
        ]
        if is_too_long or self._is_greedy:
            for span, before in zip(spans, [None, *spans[:-1]], strict=True):
                is_after_word = before is not None and tokens[before.token].endswith(SPACE)
                if is_after_word or tokens[span.token].startswith(SPACE):
                    ends.append(span.start)
        return max(ends, default=0) or (spans[-1].start if is_too_long else 0)

    def _finalise(self, frames: int) -> tuple[Word, ...]:
        """Make the words of the first open frames final."""
        words = self._decode(self._open[:frames])
        self.words += words
        self._open, self._first_frame = self._open[frames:], self._first_frame + frames
        return words

    def _decode(self, log_probs: NDArray[np.float32]) -> tuple[Word, ...]:
        """Decode log-probabilities that start at the first open frame."""
        if not len(log_probs):
            return ()
        return tokens_to_words(
            self._decoder(log_probs),
            log_probs,
            self._vocabulary,
            frame_s=self._frame_s,
            first_frame=self._first_frame,
            duration_s=self._duration_s,
        )
