"""A recording that is still going on: what was said so far, some of it final and the rest not yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import soxr
from numpy.typing import NDArray

from photism.audio.waveform import SAMPLING_RATE, Waveform
from photism.errors import InputError
from photism.listening.transcription.decoding_options import Decoder
from photism.listening.transcription.emissions import AcousticModel
from photism.listening.transcription.greedy_search import best_path
from photism.listening.transcription.transcript import Transcript, Word, spell
from photism.listening.transcription.vocabulary import SPACE

PAUSE_S = 1.0
"""Without a letter, which ends a word that nothing else has ended."""
SEARCH_PAUSE_S = 0.4
"""Without a letter, behind which a search does not go back."""
LONGEST_OPEN_S = 15.0
"""After which it does not either, behind the last word that is over, and a word that is not over is cut."""


@dataclass(frozen=True, kw_only=True)
class Streaming:
    """How a recording is cut up while it goes on.

    A window is heard every `step_s`: these seconds, `context_s` before and `lookahead_s` after them, which are heard
    again in the next one. Each is heard as a recording by itself.

    Attributes:
        step_s: that each window adds.
        lookahead_s: that must have been heard after a sound before it is final.
        context_s: before the step. More of it, and of `step_s`, is more exact, and more work: a model hears
            (context_s + step_s + lookahead_s) / step_s times as much as the recording is long.
        sampling_rate: of the pieces, in Hz.

    Raises:
        InputError: a step is not above 0, or another length is below it.
    """

    step_s: float = 2.0
    lookahead_s: float = 1.0
    context_s: float = 6.0
    sampling_rate: float = SAMPLING_RATE

    def __post_init__(self) -> None:
        if not self.step_s > 0:
            raise InputError(f"step_s must be above 0 seconds; got {self.step_s:g}")
        for name in ("lookahead_s", "context_s"):
            if not getattr(self, name) >= 0:
                raise InputError(f"{name} must be 0 seconds or more; got {getattr(self, name):g}")

    @property
    def delay_s(self) -> float:
        """Seconds after which a sound is heard for good, at most, beside the time that hearing a window takes.

        A word is final with what ends it: the space before the next one or a pause of 1 s; where texts are searched
        for, a pause of .4 s, or 15 s.
        """
        return self.step_s + self.lookahead_s


class Heard(NamedTuple):
    """What is new."""

    final: tuple[Word, ...]  # words that follow those that were final before, and never change
    partial: tuple[Word, ...]  # what follows these as far as is known; it may change


class TranscriptStream:
    """Takes a recording in pieces, and says which words are final.

    The final words are those of the log-probabilities that the windows' steps hold, one after the other, decoded as
    those of a whole recording, but from one pause to the next, and at most 15 s at once.

    Attributes:
        delay_s: as in `Streaming`.

    Example:
        >>> stream = transcriber.stream()  # doctest: +SKIP
        >>> for piece in pieces:  # doctest: +SKIP
        ...     for word in stream.feed(piece).final:
        ...         print(word.text)
        >>> stream.finish().final  # doctest: +SKIP
    """

    def __init__(self, model: AcousticModel, streaming: Streaming, decoder: Decoder, *, searches: bool) -> None:
        self.delay_s = streaming.delay_s
        self._model, self._decoder, self._searches = model, decoder, searches
        self._step = max(1, round(streaming.step_s / model.frame_s))
        self._lookahead = round(streaming.lookahead_s / model.frame_s)
        self._context = round(streaming.context_s / model.frame_s)
        self._resampler = soxr.ResampleStream(streaming.sampling_rate, SAMPLING_RATE, 1, dtype="float32", quality="HQ")
        self._samples = np.empty(0, np.float32)
        self._forgotten = 0  # samples before these
        self._heard = 0  # frames of steps
        self._open = np.empty((0, len(model.vocabulary)), np.float32)  # log-probabilities that are not yet final words
        self._ahead = self._open  # those after them, of the lookahead
        self._final: list[Word] = []
        self._partial: tuple[Word, ...] = ()

    @property
    def transcript(self) -> Transcript:
        """What is final so far."""
        heard_s = (self._forgotten + len(self._samples)) / SAMPLING_RATE
        return Transcript(tuple(self._final), heard_s, -(-self._heard // self._step))

    def feed(self, samples: NDArray[np.floating]) -> Heard:
        """Goes on by some samples, (T,) floats within ±1, any number.

        Raises:
            InputError: they are anything else, or not finite.
        """
        if samples.ndim != 1 or samples.dtype.kind != "f":
            raise InputError("samples must be (T,) floats within ±1; convert and mix them down first")
        if not np.isfinite(samples).all():
            raise InputError("samples must be finite, but hold NaN or infinity")
        return self._go_on(self._resampler.resample_chunk(samples.astype(np.float32, copy=False)), last=False)

    def finish(self) -> Heard:
        """The rest, after the last piece: all of it is final."""
        return self._go_on(self._resampler.resample_chunk(np.empty(0, np.float32), last=True), last=True)

    def _go_on(self, samples: NDArray[np.float32], *, last: bool) -> Heard:
        before, heard = len(self._final), self._heard
        self._samples = np.concatenate([self._samples, samples])
        while self._frames() >= self._heard + self._step + self._lookahead:
            self._hear(self._heard + self._step + self._lookahead)
            self._close(self._end_of_final())
        if last:
            if self._frames() > self._heard:
                self._hear(self._frames(), all_of_it=True)
            self._ahead = self._ahead[:0]
            self._close(len(self._open))
        if last or self._heard > heard:
            self._samples = self._samples.copy()  # the others are let go
            self._partial = self._words(np.concatenate([self._open, self._ahead]))
        return Heard(tuple(self._final[before:]), self._partial)

    def _frames(self) -> int:
        samples = self._forgotten + len(self._samples)
        return max(0, (samples - self._model.reach_samples) // self._model.hop_samples + 1)

    def _hear(self, stop: int, *, all_of_it: bool = False) -> None:
        """A window up to a frame."""
        model, hop = self._model, self._model.hop_samples
        start = max(0, self._heard - self._context)
        first, last = start * hop - self._forgotten, (stop - 1) * hop + model.reach_samples - self._forgotten
        heard = model.hear([Waveform(self._samples[first:last])])[0].log_probs[self._heard - start :]
        step = len(heard) if all_of_it else self._step
        self._open, self._ahead = np.concatenate([self._open, heard[:step]]), heard[step:]
        self._heard += step
        forgotten = max(0, self._heard - self._context) * hop
        self._samples = self._samples[forgotten - self._forgotten :]
        self._forgotten = forgotten

    def _end_of_final(self) -> int:
        """Up to which open frame nothing that follows can change the words."""
        model = self._model
        pieces = model.vocabulary.pieces
        spans = best_path(self._open, model.vocabulary)
        letters = [span for span in spans if pieces[span.output] != SPACE]
        if not letters:
            return len(self._open)
        too_long = len(self._open) * model.frame_s > LONGEST_OPEN_S
        pause = round((SEARCH_PAUSE_S if self._searches else PAUSE_S) / model.frame_s)
        nexts = [*(span.start for span in letters[1:]), len(self._open)]
        ends = [
            (span.stop + start) // 2 for span, start in zip(letters, nexts, strict=True) if start - span.stop >= pause
        ]
        if too_long or not self._searches:
            befores = [None, *spans[:-1]]
            for span, before in zip(spans, befores, strict=True):
                after_word = before is not None and pieces[before.output].endswith(SPACE)
                if after_word or pieces[span.output].startswith(SPACE):
                    ends.append(span.start)
        return max(ends, default=0) or (spans[-1].start if too_long else 0)

    def _close(self, frames: int) -> None:
        """Makes the words of as many open frames final."""
        self._final += self._words(self._open[:frames])
        self._open = self._open[frames:]

    def _words(self, log_probs: NDArray[np.float32]) -> tuple[Word, ...]:
        first = self._heard - len(self._open)
        if not len(log_probs):
            return ()
        model = self._model
        spans = self._decoder(log_probs)
        return spell(spans, log_probs, model.vocabulary, frame_s=model.frame_s, first_frame=first)
