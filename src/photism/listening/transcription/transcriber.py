"""Speech to text with the times of its words, by any CTC model of transformers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from photism.audio.voice_activity import joined, speech_spans
from photism.audio.waveform import SAMPLING_RATE, Waveform
from photism.errors import InputError
from photism.listening.batching import SORTED_BATCHES, OnError, OnHeard, Recordings, decoded, in_batches, is_single
from photism.listening.transcription.ctc_checkpoint import load_ctc
from photism.listening.transcription.decoding_options import Decoder, Decoding
from photism.listening.transcription.emissions import AcousticModel, Emissions
from photism.listening.transcription.ngram_lm import LanguageModel
from photism.listening.transcription.streaming import Streaming, TranscriptStream
from photism.listening.transcription.transcript import Transcript, spell

AT_ONCE_S = 240
"""Seconds of a batch, padding included."""


class Transcriber:
    """Says what is said in recordings, and when.

    Args:
        acoustic_model: a CTC model with its feature extractor and vocabulary.

    Example:
        >>> transcriber = Transcriber.from_pretrained("facebook/wav2vec2-base-960h")  # doctest: +SKIP
        >>> for word in transcriber("speech.wav").words:  # doctest: +SKIP
        ...     word.text, word.start_s
    """

    def __init__(self, acoustic_model: AcousticModel) -> None:
        self.acoustic_model = acoustic_model

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path | None = None,
        *,
        device: str | torch.device | None = None,
        dtype: torch.dtype | str = "float32",
        int8: bool = False,
    ) -> Transcriber:
        """Loads a CTC checkpoint of transformers, with its processor: Wav2Vec2-BERT, wav2vec2, XLSR, HuBERT and kin.

        Args:
            model: folder or hub id; by default the bundled one, if there is one.
            device: by default CUDA where there is a GPU, else MPS, else the processor.
            dtype: of the weights: float32, float16 or bfloat16.
            int8: linear layers in int8, on a processor: faster, and not quite the same.

        Raises:
            InputError: something is missing, damaged, of another kind, or does not fit together, which is known before
                weights are loaded.
        """
        return cls(load_ctc(model, device=device, dtype=dtype, int8=int8))

    def __call__(
        self,
        sounds: Recordings,
        *,
        beams: int | None = None,
        hot_words: Sequence[str] = (),
        hot_word_weight: float = 8.0,
        language_model: LanguageModel | str | Path | None = None,
        language_model_weight: float = 0.5,
        word_score: float = 1.5,
        vad: bool = False,
        window_s: float | None = None,
        sampling_rate: float = SAMPLING_RATE,
        max_duration_s: float = math.inf,
        batch_size: int = 8,
        num_workers: int = 2,
    ) -> Transcript | Iterator[Transcript]:
        """What is said in one recording, or in several: an iterator in their order, as they are done.

        Args:
            sounds: anything that `load_waveform` takes, or several in a list, a generator or a data set.
            beams: this and the next ones are those of `Decoding`.
            hot_words: likewise.
            hot_word_weight: likewise.
            language_model: likewise.
            language_model_weight: likewise.
            word_score: likewise.
            vad: hear only where somebody speaks, by the library silero-vad, and cut in silences.
            window_s: a recording that is longer is heard in windows of this length. By default 60 s with Wav2Vec2-BERT
                and 30 s otherwise, and only of a recording that is too long for the memory that is free, or longer
                than 11 minutes and 1 minute.
            sampling_rate: of arrays that do not bring their own, in Hz.
            max_duration_s: longer recordings are an error.
            batch_size: recordings that are heard at once, which changes no result.
            num_workers: recordings that are decoded ahead.

        Raises:
            InputError: a recording cannot be used, or a setting is wrong.
        """
        found = self.numbered(
            sounds,
            Decoding(
                beams=beams,
                hot_words=hot_words,
                hot_word_weight=hot_word_weight,
                language_model=language_model,
                language_model_weight=language_model_weight,
                word_score=word_score,
            ),
            vad=vad,
            window_s=window_s,
            sampling_rate=sampling_rate,
            max_duration_s=max_duration_s,
            batch_size=batch_size,
            num_workers=num_workers,
        )
        transcripts = (transcript for _, transcript in found)
        return next(transcripts) if is_single(sounds) else transcripts

    def numbered(
        self,
        sounds: Recordings,
        decoding: Decoding | None = None,
        *,
        vad: bool = False,
        window_s: float | None = None,
        sampling_rate: float = SAMPLING_RATE,
        max_duration_s: float = math.inf,
        batch_size: int = 8,
        num_workers: int = 2,
        on_error: OnError | None = None,
        on_heard: OnHeard | None = None,
    ) -> Iterator[tuple[int, Transcript]]:
        """The same with the numbers of the recordings, from 0; an iterator for a single one too.

        Args:
            sounds: as above.
            decoding: how texts are searched for.
            vad: this and the next ones are as above.
            window_s: likewise.
            sampling_rate: likewise.
            max_duration_s: likewise.
            batch_size: likewise.
            num_workers: likewise.
            on_error: what is done about a recording that cannot be used, instead of ending; it is left out.
            on_heard: is told how far it is.

        Raises:
            InputError: as above.
        """
        if window_s is not None and not window_s > 0:
            raise InputError(f"window_s must be above 0 seconds; got {window_s:g}")
        if batch_size < 1:
            raise InputError(f"batch_size must be at least 1; got {batch_size}")
        decoder = (decoding or Decoding()).decoder(self.acoustic_model.vocabulary)
        waveforms = decoded(
            sounds,
            sampling_rate=sampling_rate,
            max_duration_s=max_duration_s,
            num_workers=num_workers,
            on_error=on_error,
        )

        def compute(batch: Sequence[tuple[int, Waveform]]) -> list[tuple[int, Transcript]]:
            emissions = self._hear(batch, vad, window_s, on_heard)
            return [
                (number, self._transcript(waveform, heard, decoder))
                for (number, waveform), heard in zip(batch, emissions, strict=True)
            ]

        return in_batches(
            waveforms,
            compute,
            length=lambda item: len(item[1].samples),
            batch_size=batch_size,
            longest_batch=AT_ONCE_S * SAMPLING_RATE,
            longest_group=SORTED_BATCHES * AT_ONCE_S * SAMPLING_RATE,
        )

    def stream(self, streaming: Streaming | None = None, decoding: Decoding | None = None) -> TranscriptStream:
        """Takes a recording piece by piece and says what was said so far: `TranscriptStream` says how.

        Raises:
            InputError: a setting is wrong.
        """
        decoding = decoding or Decoding()
        decoder = decoding.decoder(self.acoustic_model.vocabulary)
        return TranscriptStream(self.acoustic_model, streaming or Streaming(), decoder, searches=decoding.searches)

    def _hear(
        self, batch: Sequence[tuple[int, Waveform]], vad: bool, window_s: float | None, on_heard: OnHeard | None
    ) -> list[Emissions]:
        model = self.acoustic_model
        whole_s = window_s or model.whole_s
        is_long = [vad or waveform.duration_s > whole_s for _, waveform in batch]
        short = [waveform for (_, waveform), long in zip(batch, is_long, strict=True) if not long]
        together = iter(model.hear(short) if short else ())
        emissions: list[Emissions] = []
        for (number, waveform), long in zip(batch, is_long, strict=True):
            duration_s = waveform.duration_s

            def on_window(heard_s: float, number: int = number, duration_s: float = duration_s) -> None:
                if on_heard is not None:
                    on_heard(number, min(heard_s, duration_s), duration_s)

            if long:
                longest_s = window_s or model.default_window_s
                spans = joined(speech_spans(waveform), longest_s) if vad else None
                emissions.append(model.hear_long(waveform, window_s=window_s, spans=spans, on_window=on_window))
            else:
                emissions.append(next(together))
            on_window(duration_s)
        return emissions

    def _transcript(self, waveform: Waveform, heard: Emissions, decoder: Decoder) -> Transcript:
        model = self.acoustic_model
        spans = decoder(heard.log_probs)
        duration_s = waveform.duration_s
        words = spell(spans, heard.log_probs, model.vocabulary, frame_s=model.frame_s, duration_s=duration_s)
        return Transcript(words, duration_s, heard.windows)
