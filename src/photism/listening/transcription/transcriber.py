"""Speech recognition with word times, by any CTC model of transformers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence, Sized
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from photism.audio.long_recording import Recording, load_recording
from photism.audio.voice_activity import merge_segments, speech_segments
from photism.audio.waveform import SAMPLING_RATE, AudioSource, Waveform
from photism.device import FLOAT32
from photism.encoder.precision import choose_precision
from photism.errors import InputError, ModelWarning, NotFiniteError, RecordingWarning
from photism.finite import each_finite
from photism.listening.batching import (
    SORTED_BATCHES,
    OnError,
    OnProgress,
    Recordings,
    in_batches,
    is_single,
    read_ahead,
    without_errors,
)
from photism.listening.transcription.checkpoint_language_model import CheckpointModel, with_language_model
from photism.listening.transcription.ctc_checkpoint import load_ctc
from photism.listening.transcription.decoder import Decoder, make_decoder
from photism.listening.transcription.decoding_options import (
    DecodingSettings,
    EmissionSettings,
    StreamingSettings,
    TranscribeSettings,
)
from photism.listening.transcription.emissions import AcousticModel, Emissions
from photism.listening.transcription.final_words import FinalWords
from photism.listening.transcription.languages import some_languages, tokenizer_languages
from photism.listening.transcription.reference_text import ReferenceText
from photism.listening.transcription.streaming import TranscriptStream
from photism.listening.transcription.text_alignment import align_text, spell_text
from photism.listening.transcription.transcript import (
    Transcript,
    Word,
    describe_mismatch,
    tokens_to_words,
)
from photism.settings import accepts

MAX_BATCH_S = 240
"""Maximum duration of a batch, padding included."""


class Transcriber:
    """Transcribe speech, with the times of words.

    Args:
        acoustic_model: a CTC model with its feature extractor and vocabulary.
        language: language of the model, if it was loaded from a checkpoint with several.
        languages: the languages of that checkpoint.
        language_model: language model of that checkpoint, which decodes unless a call has another one or `beams=1`.

    Examples:
        >>> transcriber = Transcriber.from_pretrained("facebook/wav2vec2-base-960h")  # doctest: +SKIP
        >>> for word in transcriber("speech.wav").words:  # doctest: +SKIP
        ...     word.text, word.start_s
    """

    def __init__(
        self,
        acoustic_model: AcousticModel,
        *,
        language: str | None = None,
        languages: Sequence[str] = (),
        language_model: CheckpointModel | None = None,
    ) -> None:
        self.acoustic_model = acoustic_model
        self.language, self.languages, self.language_model = language, tuple(languages), language_model

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path | None = None,
        *,
        device: str | torch.device | None = None,
        dtype: torch.dtype | str = "float32",
        precision: str = FLOAT32,
        int8: bool = False,
        language: str | None = None,
    ) -> Transcriber:
        """Load a CTC checkpoint of transformers: Wav2Vec2-BERT, wav2vec2, XLSR, HuBERT and similar.

        Args:
            model: folder or hub id. None is an error: no speech recogniser is bundled.
            device: device; by default CUDA if there is a GPU, else MPS, else the CPU.
            dtype: dtype of the weights: float32, float16, bfloat16, or "auto" for that of the checkpoint.
            precision: "bf16" or "int8" to compute linear layers in it on the CPU: faster, with slightly other results.
            int8: short for `precision="int8"`.
            language: language of a checkpoint with an adapter for each of several, such as "fra" of
                facebook/mms-1b-all. By default that of its weights, which a warning names.

        Raises:
            InputError: the checkpoint does not exist, has no CTC head, tokenizer or feature extractor that belong
                together, or is incomplete. All but the last is checked before weights are loaded.
            SettingError: the checkpoint does not have the language, or cannot be computed in the precision.
        """
        chosen_precision = choose_precision(precision, int8=int8)
        loaded = load_ctc(model, device=device, dtype=dtype, precision=chosen_precision, language=language)
        chosen, languages = getattr(loaded.tokenizer, "target_lang", None), tokenizer_languages(loaded.tokenizer)
        if language is None and len(languages) > 1:
            others = ", ".join(some_languages(languages, without=chosen))
            warnings.warn(
                f"no language was given for model {model}, defaulted to {chosen}; it has {len(languages)} languages, "
                f"such as {others}",
                ModelWarning,
                stacklevel=2,
            )
        acoustic_model = AcousticModel.from_tokenizer(loaded.model, loaded.extractor, loaded.tokenizer)
        return cls(acoustic_model, language=chosen, languages=languages, language_model=loaded.language_model)

    @accepts(TranscribeSettings)
    def __call__(
        self,
        recordings: Recordings,
        *,
        sampling_rate: float = SAMPLING_RATE,
        max_duration_s: float | None = None,
        **settings: Any,
    ) -> Transcript | Iterator[Transcript]:
        """Transcribe recordings.

        Args:
            recordings: anything that `load_waveform` accepts; or a list, generator or dataset of recordings.
            sampling_rate: rate in Hz of arrays that come without one.
            max_duration_s: maximum duration; longer recordings are an error. None for no limit.
            settings: settings of `TranscribeSettings`. The batch size changes no result.

        Returns:
            the transcript of a single recording; for several, an iterator of transcripts, which computes as it goes.

        Raises:
            InputError: a recording is unreadable, or there are none.
            SettingError: a setting is out of range.
        """
        found = self.transcribe(
            recordings, TranscribeSettings(**settings), sampling_rate=sampling_rate, max_duration_s=max_duration_s
        )
        transcripts = (transcript for _, transcript in found)
        return next(transcripts) if is_single(recordings) else transcripts

    def transcribe(
        self,
        recordings: Recordings,
        settings: TranscribeSettings | None = None,
        *,
        sampling_rate: float = SAMPLING_RATE,
        max_duration_s: float | None = None,
        on_error: OnError | None = None,
        on_progress: OnProgress | None = None,
    ) -> Iterator[tuple[int, Transcript]]:
        """Transcribe recordings, and yield the index of each, from 0, and its transcript, in order.

        Args:
            recordings: one recording, or any number of them.
            settings: settings; by default those of `TranscribeSettings`.
            sampling_rate: rate in Hz of arrays that come without one.
            max_duration_s: maximum duration; longer recordings are an error. None for no limit.
            on_error: called for each unreadable recording, which is then skipped; by default it is an error.
            on_progress: called after each window and batch.

        Raises:
            InputError: a recording is unreadable and there is no `on_error`, there are no recordings, or the model
                cannot be decoded with these hot words or this language model.
        """
        chosen = with_language_model(settings or TranscribeSettings(), self.language_model)
        decoder = make_decoder(chosen, self.acoustic_model.vocabulary)

        def decode(_: int, recording: Recording, emissions: Emissions) -> Transcript:
            """Decode the emissions of a recording."""
            return self._decode(recording, emissions, decoder)

        return self._for_each(
            recordings,
            decode,
            chosen,
            sampling_rate=sampling_rate,
            max_duration_s=max_duration_s,
            on_error=on_error,
            on_progress=on_progress,
        )

    def transcribe_words(
        self,
        recording: AudioSource,
        on_words: Callable[[tuple[Word, ...]], None],
        settings: TranscribeSettings | None = None,
        *,
        max_duration_s: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Transcript:
        """Transcribe a recording, and report its words as soon as they are final, window by window.

        The words are decoded from pause to pause, and at most 15 s at once, as those of `stream`. A recording that is
        longer than a window of 60 s with Wav2Vec2-BERT, or 30 s otherwise, is computed in such windows by default.

        Args:
            recording: anything that `load_waveform` accepts.
            on_words: called with the words after those of the earlier calls, at least one.
            settings: settings; by default those of `TranscribeSettings`.
            max_duration_s: maximum duration; a longer recording is an error. None for no limit.
            on_progress: called after each window.

        Raises:
            InputError: the recording is unreadable, or the model cannot be decoded with these hot words or this
                language model.
        """
        model = self.acoustic_model
        chosen = with_language_model(settings or TranscribeSettings(), self.language_model)
        chosen = replace(chosen, window_s=chosen.window_s or model.default_window_s)
        decoder = make_decoder(chosen, model.vocabulary)
        loaded = load_recording(recording, max_duration_s=max_duration_s)
        final = FinalWords(
            model.vocabulary,
            decoder,
            frame_s=model.frame_s,
            is_greedy=chosen.is_greedy,
            duration_s=loaded.duration_s,
        )

        def report(words: tuple[Word, ...]) -> None:
            """Report words, if there are any."""
            if words:
                on_words(words)

        (emissions,) = self._emit(
            [(0, loaded)], chosen, on_progress, on_emitted=lambda log_probs: report(final.add(log_probs))
        )
        report(final.finish())
        return Transcript(tuple(final.words), loaded.duration_s, emissions.windows, model.vocabulary.separator)

    @accepts(EmissionSettings)
    def align(
        self,
        recordings: Recordings,
        texts: str | Sequence[str] | ReferenceText | Sequence[ReferenceText],
        *,
        sampling_rate: float = SAMPLING_RATE,
        max_duration_s: float | None = None,
        **settings: Any,
    ) -> Transcript | Iterator[Transcript]:
        """Find the times of the words of transcripts that exist.

        Args:
            recordings: anything that `load_waveform` accepts; or a list, generator or dataset of recordings.
            texts: the text of the recording, whose lines become cues if there are several, or for several recordings a
                list of texts. For cues of several lines, and to read subtitles, use `ReferenceText`.
            sampling_rate: rate in Hz of arrays that come without one.
            max_duration_s: maximum duration; longer recordings are an error. None for no limit.
            settings: settings of `EmissionSettings`.

        Returns:
            the words of the text with their times and confidences, its cues, and the words that are not in the
            recording; for several recordings, an iterator, which computes as it goes.

        Raises:
            InputError: a recording is unreadable, a text is empty or in another script than the model's vocabulary, or
                there are not as many texts as recordings.
            SettingError: a setting is out of range.
        """
        single = is_single(recordings)
        given = cast("Sequence[str | ReferenceText]", [texts] if single else texts)
        references = [each if isinstance(each, ReferenceText) else ReferenceText.of(each) for each in given]
        found = self.align_transcripts(
            recordings,
            references,
            EmissionSettings(**settings),
            sampling_rate=sampling_rate,
            max_duration_s=max_duration_s,
        )
        transcripts = (_warned(transcript) for _, transcript in found)
        return next(transcripts) if single else transcripts

    def align_transcripts(
        self,
        recordings: Recordings,
        references: Sequence[ReferenceText] | Callable[[int], ReferenceText],
        settings: EmissionSettings | None = None,
        *,
        sampling_rate: float = SAMPLING_RATE,
        max_duration_s: float | None = None,
        on_error: OnError | None = None,
        on_progress: OnProgress | None = None,
    ) -> Iterator[tuple[int, Transcript]]:
        """Align recordings with their transcripts, and yield the index of each, from 0, and its times, in order.

        Args:
            recordings: one recording, or any number of them.
            references: transcript of each recording; or a function that returns that of the recording of an index,
                whose InputErrors are errors of that recording.
            settings: settings; by default those of `EmissionSettings`.
            sampling_rate: rate in Hz of arrays that come without one.
            max_duration_s: maximum duration; longer recordings are an error. None for no limit.
            on_error: called for each unreadable recording, which is then skipped; by default it is an error.
            on_progress: called after each window and batch.

        Raises:
            InputError: a recording is unreadable and there is no `on_error`, a text is in another script than the
                model's vocabulary, or there are not as many texts as recordings.
        """
        model = self.acoustic_model
        reference_of = references if callable(references) else self._checked_references(recordings, references)

        def align(number: int, recording: Recording, emissions: Emissions) -> Transcript:
            """Align a recording with its text."""
            reference = reference_of(number)
            return align_text(
                emissions,
                reference,
                spell_text(reference, model.vocabulary),
                model.vocabulary,
                frame_s=model.frame_s,
                duration_s=recording.duration_s,
            )

        return self._for_each(
            recordings,
            align,
            settings or EmissionSettings(),
            sampling_rate=sampling_rate,
            max_duration_s=max_duration_s,
            on_error=on_error,
            on_progress=on_progress,
        )

    def stream(
        self, streaming: StreamingSettings | None = None, decoding: DecodingSettings | None = None
    ) -> TranscriptStream:
        """Start to transcribe a recording that is still going on.

        Args:
            streaming: settings of the windows; by default those of `StreamingSettings`.
            decoding: settings of the decoder; by default those of `DecodingSettings`.

        Raises:
            InputError: the model cannot be decoded with these hot words or this language model.
        """
        decoding = with_language_model(decoding or DecodingSettings(), self.language_model)
        decoder = make_decoder(decoding, self.acoustic_model.vocabulary)
        return TranscriptStream(
            self.acoustic_model, streaming or StreamingSettings(), decoder, is_greedy=decoding.is_greedy
        )

    def _checked_references(
        self, recordings: Recordings, references: Sequence[ReferenceText]
    ) -> Callable[[int], ReferenceText]:
        """Return a function to the transcript of a recording, of which there are as many as recordings.

        Raises:
            InputError: there are not, or a text is in another script than the model's vocabulary.
        """
        for each in references:
            spell_text(each, self.acoustic_model.vocabulary)
        count = 1 if is_single(recordings) else len(recordings) if isinstance(recordings, Sized) else None
        if count is not None and count != len(references):
            raise InputError(f"there must be a transcript for each recording; got {len(references)} for {count}")

        def reference_of(number: int) -> ReferenceText:
            """Return the transcript of a recording."""
            if number >= len(references):
                raise InputError(f"there are {len(references)} transcripts, but more recordings")
            return references[number]

        return reference_of

    def _for_each(
        self,
        recordings: Recordings,
        finish: Callable[[int, Recording, Emissions], Transcript],
        settings: EmissionSettings,
        *,
        sampling_rate: float,
        max_duration_s: float | None,
        on_error: OnError | None,
        on_progress: OnProgress | None,
    ) -> Iterator[tuple[int, Transcript]]:
        """Yield the index of each recording and its transcript, which a function makes of its emissions."""
        found = read_ahead(
            recordings,
            sampling_rate=sampling_rate,
            max_duration_s=max_duration_s,
            num_workers=settings.num_workers,
            on_error=on_error,
        )

        def compute(batch: Sequence[tuple[int, Recording]]) -> list[tuple[int, Transcript | InputError]]:
            """Compute the transcripts of a batch of recordings."""
            emissions = each_finite(lambda some: self._emit(some, settings, on_progress), batch)
            results: list[tuple[int, Transcript | InputError]] = []
            for (number, recording), each in zip(batch, emissions, strict=True):
                try:
                    transcript = each if isinstance(each, NotFiniteError) else finish(number, recording, each)
                except InputError as error:
                    transcript = error
                results.append((number, transcript))
            return results

        transcripts = in_batches(
            found,
            compute,
            length=lambda item: item[1].sample_count,
            batch_size=settings.batch_size,
            max_batch_length=MAX_BATCH_S * SAMPLING_RATE,
            max_group_length=SORTED_BATCHES * MAX_BATCH_S * SAMPLING_RATE,
        )
        return without_errors(transcripts, on_error)

    def _emit(
        self,
        batch: Sequence[tuple[int, Recording]],
        settings: EmissionSettings,
        on_progress: OnProgress | None,
        *,
        on_emitted: Callable[[NDArray[np.float32]], None] | None = None,
    ) -> list[Emissions]:
        """Compute the emissions of a batch: of short recordings together, of long ones in windows.

        `on_emitted` is called with log-probabilities of consecutive frames, of a batch of one recording.
        """
        model, window_s = self.acoustic_model, settings.window_s
        max_whole_s = window_s or model.max_whole_s
        whole = {
            number: recording
            for number, recording in batch
            if isinstance(recording, Waveform) and not settings.vad and recording.duration_s <= max_whole_s
        }
        short_emissions = iter(model.emit(list(whole.values())) if whole else ())
        emissions: list[Emissions] = []
        for number, recording in batch:
            duration_s = recording.duration_s

            def report(processed_s: float, number: int = number, duration_s: float = duration_s) -> None:
                """Report the progress of this recording."""
                if on_progress is not None:
                    on_progress(number, min(processed_s, duration_s), duration_s)

            if number in whole:
                emissions.append(next(short_emissions))
                if on_emitted is not None:
                    on_emitted(emissions[-1].log_probs)
            else:
                max_segment_s = window_s or model.default_window_s
                segments_s = merge_segments(speech_segments(recording), max_segment_s) if settings.vad else None
                emissions.append(
                    model.emit_long(
                        recording, window_s=window_s, segments_s=segments_s, on_window=report, on_emitted=on_emitted
                    )
                )
            report(duration_s)
        return emissions

    def _decode(self, recording: Recording, emissions: Emissions, decoder: Decoder) -> Transcript:
        model, log_probs = self.acoustic_model, emissions.log_probs
        words = tokens_to_words(
            decoder(log_probs), log_probs, model.vocabulary, frame_s=model.frame_s, duration_s=recording.duration_s
        )
        return Transcript(words, recording.duration_s, emissions.windows, model.vocabulary.separator)


def _warned(transcript: Transcript) -> Transcript:
    """Return a transcript that was aligned, with a warning if it does not fit the recording."""
    if problem := describe_mismatch(transcript):
        warnings.warn(problem, RecordingWarning, stacklevel=3)
    return transcript
