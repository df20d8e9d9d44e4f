"""Streaming recognition: transcribe a recording that is still going on."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import soxr
from numpy.typing import NDArray

from photism.audio.waveform import SAMPLING_RATE, Waveform, check_range
from photism.display.short_repr import short_repr
from photism.errors import InputError
from photism.listening.transcription.decoder import Decoder
from photism.listening.transcription.decoding_options import StreamingSettings
from photism.listening.transcription.emissions import AcousticModel
from photism.listening.transcription.final_words import FinalWords
from photism.listening.transcription.transcript import Transcript, Word


class StreamUpdate(NamedTuple):
    """Words that an update adds.

    Attributes:
        final: words after the earlier final ones; they never change.
        partial: words after these, which may still change.
    """

    final: tuple[Word, ...]
    partial: tuple[Word, ...]

    def __repr__(self) -> str:
        final, partial = (" ".join(word.text for word in words) for words in self)
        return short_repr(self, final=final, partial=partial)

    def as_dict(self) -> dict[str, Any]:
        """Return the final words with their start in seconds, to a millisecond, and the partial text for JSON."""
        final = [{"text": word.text, "start_s": round(word.start_s, 3)} for word in self.final]
        return {"final": final, "partial": " ".join(word.text for word in self.partial)}


class TranscriptStream:
    """Transcribe samples as they arrive.

    The final words are decoded from the log-probabilities of the windows' steps, joined, as for a whole recording, but
    from pause to pause, and at most 15 s at once.

    Attributes:
        delay_s: `StreamingSettings.delay_s`.

    Examples:
        >>> stream = transcriber.stream()  # doctest: +SKIP
        >>> for samples in microphone:  # doctest: +SKIP
        ...     for word in stream.feed(samples).final:
        ...         print(word.text)
        >>> stream.finish().final  # doctest: +SKIP
    """

    def __init__(self, model: AcousticModel, settings: StreamingSettings, decoder: Decoder, *, is_greedy: bool) -> None:
        self.delay_s = settings.delay_s
        self._model = model
        self._step = max(1, round(settings.step_s / model.frame_s))
        self._lookahead = round(settings.lookahead_s / model.frame_s)
        self._context = round(settings.context_s / model.frame_s)
        self._rate = settings.sampling_rate or SAMPLING_RATE
        self._resampler = soxr.ResampleStream(self._rate, SAMPLING_RATE, 1, dtype="float32", quality="HQ")
        self._samples = np.empty(0, np.float32)
        self._dropped = 0  # samples before these
        self._done = 0  # frames of complete steps
        self._final = FinalWords(model.vocabulary, decoder, frame_s=model.frame_s, is_greedy=is_greedy)
        self._ahead = np.empty((0, len(model.vocabulary)), np.float32)  # log-probabilities of the lookahead
        self._partial: tuple[Word, ...] = ()

    @property
    def transcript(self) -> Transcript:
        """Transcript of the final words so far."""
        duration_s = (self._dropped + len(self._samples)) / SAMPLING_RATE
        windows = -(-self._done // self._step)
        return Transcript(tuple(self._final.words), duration_s, windows, self._model.vocabulary.separator)

    @property
    def missing_samples(self) -> int:
        """Number of further samples, at least 1, before which `feed` computes nothing."""
        model = self._model
        last_frame = self._done + self._step + self._lookahead - 1
        missing = last_frame * model.hop_samples + model.receptive_samples - self._dropped - len(self._samples)
        return math.ceil(missing * self._rate / SAMPLING_RATE)

    def feed(self, samples: NDArray[np.floating]) -> StreamUpdate:
        """Append samples (T,), floats within ±1, in blocks of any size.

        Raises:
            InputError: the samples have another shape or dtype, or are not finite.
        """
        if samples.ndim != 1 or samples.dtype.kind != "f":
            raise InputError("samples must be (T,) floats within ±1; convert and mix them down first")
        check_range(samples)
        return self._advance(self._resampler.resample_chunk(samples.astype(np.float32, copy=False)), last=False)

    def finish(self) -> StreamUpdate:
        """Transcribe the rest after the last samples, and make all of it final."""
        return self._advance(self._resampler.resample_chunk(np.empty(0, np.float32), last=True), last=True)

    def _advance(self, samples: NDArray[np.float32], *, last: bool) -> StreamUpdate:
        final: list[Word] = []
        done_before = self._done
        self._samples = np.concatenate([self._samples, samples])
        while self._frames() >= self._done + self._step + self._lookahead:
            final += self._compute_window(self._done + self._step + self._lookahead)
        if last:
            if self._frames() > self._done:
                final += self._compute_window(self._frames(), is_last=True)
            self._ahead = self._ahead[:0]
            final += self._final.finish()
        if last or self._done > done_before:
            self._samples = self._samples.copy()  # releases the dropped samples
            self._partial = self._final.partial(self._ahead)
        return StreamUpdate(tuple(final), self._partial)

    def _frames(self) -> int:
        """Return the number of frames whose samples have all arrived."""
        samples = self._dropped + len(self._samples)
        return max(0, (samples - self._model.receptive_samples) // self._model.hop_samples + 1)

    def _compute_window(self, stop: int, *, is_last: bool = False) -> tuple[Word, ...]:
        """Compute a window that ends before a frame, drop samples that are not needed, and return new final words."""
        model, hop = self._model, self._model.hop_samples
        start = max(0, self._done - self._context)
        first, last = start * hop - self._dropped, (stop - 1) * hop + model.receptive_samples - self._dropped
        log_probs = model.emit([Waveform(self._samples[first:last])])[0].log_probs[self._done - start :]
        step = len(log_probs) if is_last else self._step
        self._ahead = log_probs[step:]
        self._done += step
        dropped = max(0, self._done - self._context) * hop
        self._samples = self._samples[dropped - self._dropped :]
        self._dropped = dropped
        return self._final.add(log_probs[:step])
