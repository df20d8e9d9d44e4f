"""Speech recognition with the interface of transformers' pipeline."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from photism.audio.waveform import SAMPLE_KEYS, SAMPLING_RATE, Waveform
from photism.encoder.heads import Wav2Vec2BertForCTC
from photism.encoder.pretrained import check_feature_extractor, check_model
from photism.errors import InputError
from photism.listening.batching import SORTED_BATCHES, Recordings, as_iterable, collect, decode_ahead, in_batches
from photism.listening.transcription.ctc_checkpoint import SEQUENCE_TO_SEQUENCE
from photism.listening.transcription.decoding_options import TranscribeSettings
from photism.listening.transcription.emissions import AcousticModel
from photism.listening.transcription.greedy_search import best_path
from photism.listening.transcription.transcriber import MAX_BATCH_S
from photism.listening.transcription.transcript import tokens_to_words
from photism.listening.transcription.vocabulary import SPACE
from photism.pipelines.arguments import accepted, batch_settings, decoded, has_own_stages
from photism.pipelines.chunks import Chunk, ChunkLengths, cut_chunks, kept_frames

CHUNK_ARGUMENTS = ("chunk_length_s", "stride_length_s")
CALL_ARGUMENTS = (*CHUNK_ARGUMENTS, "return_timestamps", "ignore_warning")
ARGUMENTS = (*CALL_ARGUMENTS, "batch_size", "binary_output", "dtype", "num_workers", "task", "torch_dtype")
CTC_TOKENIZERS = (transformers.Wav2Vec2CTCTokenizer, transformers.Wav2Vec2PhonemeCTCTokenizer)
"""Tokenizers that decode a CTC path themselves: the others keep repeated tokens and blanks."""
TIMESTAMPS = (None, False, "char", "word")
CONSUMED_KEYS = (*SAMPLE_KEYS, "path", "sampling_rate", "stride")
"""Keys of a recording that the pipeline reads; the others are part of the result, as in transformers."""


class _Emitted(NamedTuple):
    """Log-probabilities (F, V) of a chunk, without the frames of its stride."""

    chunk: Chunk
    log_probs: NDArray[np.float32]


class AutomaticSpeechRecognitionPipeline(transformers.AutomaticSpeechRecognitionPipeline):
    """Transcribe recordings, with the arguments and results of the pipeline in transformers, by CTC models.

    The text is that of the most probable tokens, special tokens included, as in transformers; `Transcriber` ignores
    these, and has a beam search, a language model and confidences. Devices, saving and the arguments of the constructor
    are those of the class in transformers, from which this one derives; `transformers.pipeline(…, pipeline_class=…)`
    makes it as well. A subclass with a `preprocess`, `_forward` or `postprocess` of its own is computed by these, as in
    transformers.

        recogniser = AutomaticSpeechRecognitionPipeline(model=model, feature_extractor=extractor, tokenizer=tokenizer)
        recogniser("speech.wav", return_timestamps="word")
        # {"text": "HELLO WORLD", "chunks": [{"text": "HELLO", "timestamp": (0.5, 0.9)}, …]}

    Args:
        model: a CTC model in evaluation mode. It is moved to the device.
        feature_extractor: its feature extractor.
        tokenizer: its tokenizer.
        decoder: not supported; `Transcriber` decodes with language models.
        device: device, as in transformers.
        processor: a processor, which has the feature extractor and the tokenizer if these are not given.
        arguments: as in transformers: `batch_size`, `num_workers`, `task`; defaults of a call; and what has no effect,
            such as `modelcard`.

    Raises:
        InputError: the model is not a CTC model, its feature extractor or tokenizer is missing or does not fit it, or
            an argument is not supported.
    """

    def __init__(
        self,
        model: Any,
        feature_extractor: Any = None,
        tokenizer: Any = None,
        decoder: Any = None,
        device: Any = None,
        *,
        processor: Any = None,
        **arguments: Any,
    ) -> None:
        given = accepted({"decoder": decoder, **arguments}, ARGUMENTS, type(self).__name__)
        _check_ctc(model)
        extractor = feature_extractor or getattr(processor, "feature_extractor", None)
        tokenizer = tokenizer or getattr(processor, "tokenizer", None)
        if extractor is None or tokenizer is None:
            raise InputError("feature_extractor and tokenizer must be given, or a processor that has them")
        extractor = check_feature_extractor(extractor, model.config, f"model {type(model).__name__}")
        model = _as_ours(model)
        self._joined = _join(model, extractor, tokenizer)
        super().__init__(
            model, extractor, tokenizer, device=device, **{"task": "automatic-speech-recognition", **given}
        )
        self._joined_parts = (self.model, self.feature_extractor, self.tokenizer)

    @property
    def _acoustic_model(self) -> AcousticModel:
        """The model with its feature extractor and tokenizer, any of which the caller may have set to another one."""
        parts = (self.model, self.feature_extractor, self.tokenizer)
        if any(part is not joined for part, joined in zip(parts, self._joined_parts, strict=True)):
            self._joined, self._joined_parts = _join(*parts), parts
        return self._joined

    def __call__(
        self, inputs: Recordings, *, num_workers: int | None = None, batch_size: int | None = None, **arguments: Any
    ) -> Any:
        """Transcribe recordings.

        Args:
            inputs: one recording, as `load_waveform` accepts it; or a list, generator or dataset of recordings. Arrays
                have 16 kHz. A mapping with samples may have a `stride`, the numbers of samples at its start and end
                that are context only; further keys come back in the result.
            num_workers: threads that decode recordings ahead of the model; by default that of the pipeline, or 2, or
                for an iterator 0.
            batch_size: recordings or chunks computed at once, which changes no result; by default that of the pipeline,
                or 8, or for an iterator 1.
            arguments: `chunk_length_s`, the length of overlapping chunks in seconds; by default a recording is computed
                at once, or in the windows of `Transcriber` if it does not fit into memory. `stride_length_s`, the part
                of a chunk at its start and end that is context only, one number or two; by default a sixth of the
                chunk. `return_timestamps`, "char" or "word".

        Returns:
            a dictionary with `text` and, with timestamps, `chunks`: dictionaries with `text` and `timestamp`, the start
            and end in seconds. For a list a list of these, and for any other iterable an iterator.

        Raises:
            InputError: a recording is unreadable, or an argument is out of range.
        """
        if has_own_stages(self, AutomaticSpeechRecognitionPipeline):
            given: Any = inputs
            return super().__call__(given, num_workers=num_workers, batch_size=batch_size, **arguments)
        preprocess, _, postprocess = self._sanitize_parameters(**arguments)
        lengths = ChunkLengths.of({**self._preprocess_params, **preprocess}, self._acoustic_model.hop_samples)
        timestamps = {**self._postprocess_params, **postprocess}.get("return_timestamps")
        settings = TranscribeSettings(
            **batch_settings(
                inputs, num_workers=(num_workers, self._num_workers), batch_size=(batch_size, self._batch_size)
            )
        )
        return collect(inputs, self._transcribe(inputs, lengths, timestamps, settings))

    def _transcribe(
        self, inputs: Recordings, lengths: ChunkLengths | None, timestamps: str | None, settings: TranscribeSettings
    ) -> Iterator[dict[str, Any]]:
        mappings: dict[int, Mapping[str, Any]] = {}  # recordings that may have a stride or further keys

        def recordings() -> Iterator[Any]:
            """Yield the recordings, and keep those that are mappings with samples."""
            for number, recording in enumerate(as_iterable(inputs)):
                if isinstance(recording, Mapping) and any(key in recording for key in SAMPLE_KEYS):
                    mappings[number] = recording
                yield recording

        def chunks() -> Iterator[Chunk]:
            """Yield the chunks of all recordings."""
            waveforms = decode_ahead(recordings(), max_duration_s=math.inf, num_workers=settings.num_workers)
            for number, waveform in waveforms:
                if lengths is None:
                    yield Chunk(number, waveform, *_own_stride(mappings.get(number, {}), waveform), is_last=True)
                else:
                    yield from cut_chunks(number, waveform, lengths)

        emitted = in_batches(
            chunks(),
            self._emit,
            length=lambda chunk: len(chunk.waveform.samples),
            batch_size=settings.batch_size,
            max_batch_length=MAX_BATCH_S * SAMPLING_RATE,
            max_group_length=SORTED_BATCHES * MAX_BATCH_S * SAMPLING_RATE,
        )
        for parts in _by_recording(emitted):
            log_probs = np.concatenate([part.log_probs for part in parts])
            mapping = mappings.pop(parts[0].chunk.number, {})
            extra = {key: [value] * len(parts) for key, value in mapping.items() if key not in CONSUMED_KEYS}
            yield {**self._decode(log_probs, timestamps), **extra}

    def _emit(self, batch: Sequence[Chunk]) -> list[_Emitted]:
        """Compute the log-probabilities of chunks, those that fit into memory together in one batch."""
        model = self._acoustic_model
        max_whole_s = model.max_whole_s
        short = [chunk for chunk in batch if chunk.waveform.duration_s <= max_whole_s]
        emissions = iter(model.emit([chunk.waveform for chunk in short]) if short else ())
        emitted: list[_Emitted] = []
        for chunk in batch:
            is_short = chunk.waveform.duration_s <= max_whole_s
            log_probs = (next(emissions) if is_short else model.emit_long(chunk.waveform)).log_probs
            emitted.append(_Emitted(chunk, log_probs[kept_frames(chunk, model.hop_samples)]))
        return emitted

    def _decode(self, log_probs: NDArray[np.float32], timestamps: str | None) -> dict[str, Any]:
        """Return the text of log-probabilities (F, V), and the times of its words or characters."""
        tokenizer: Any = self.tokenizer
        if isinstance(tokenizer, CTC_TOKENIZERS) and len(log_probs):
            decoded: Any = tokenizer.decode(log_probs.argmax(1), output_char_offsets=True)
            text, characters = decoded["text"], [_chunk(each, "char") for each in decoded["char_offsets"]]
        else:
            vocabulary = self._acoustic_model.vocabulary
            spans = best_path(log_probs, vocabulary)
            tokens = [vocabulary.tokens[span.token] for span in spans]
            text = "".join(tokens).strip()
            if tokenizer.clean_up_tokenization_spaces:
                text = tokenizer.clean_up_tokenization(text)
            characters = [(each.strip(SPACE) or SPACE, *span[1:]) for each, span in zip(tokens, spans, strict=True)]
        if not timestamps:
            return {"text": text}
        found = self._words(log_probs) if timestamps == "word" else characters
        hop_samples = self._acoustic_model.hop_samples
        chunks = [
            {"text": part, "timestamp": (start * hop_samples / SAMPLING_RATE, stop * hop_samples / SAMPLING_RATE)}
            for part, start, stop in found
        ]
        return {"text": text, "chunks": chunks}

    def _words(self, log_probs: NDArray[np.float32]) -> list[tuple[str, int, int]]:
        """Return each word and the frames that it starts and stops at."""
        tokenizer: Any = self.tokenizer
        if isinstance(tokenizer, transformers.Wav2Vec2CTCTokenizer) and len(log_probs):
            decoded: Any = tokenizer.decode(log_probs.argmax(1), output_word_offsets=True)
            return [_chunk(each, "word") for each in decoded["word_offsets"]]
        vocabulary = replace(self._acoustic_model.vocabulary, joins_punctuation=False)
        words = tokens_to_words(best_path(log_probs, vocabulary), log_probs, vocabulary, frame_s=1.0)
        return [(word.text, round(word.start_s), round(word.end_s)) for word in words]

    def preprocess(self, inputs: Any, chunk_length_s: Any = 0, stride_length_s: Any = None) -> Iterator[Any]:
        """Yield the features of the chunks of one recording."""
        extractor: Any = self.feature_extractor
        yield from super().preprocess(decoded(inputs, extractor.sampling_rate), chunk_length_s, stride_length_s)

    def _sanitize_parameters(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, **arguments: Any
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Check the arguments of a call; those of the constructor are its defaults."""
        given = accepted(arguments, CALL_ARGUMENTS, type(self).__name__)
        timestamps = given.get("return_timestamps")
        if timestamps not in TIMESTAMPS:
            raise InputError(f'return_timestamps must be "char" or "word" with a CTC model; got {timestamps!r}')
        preprocess = {name: given[name] for name in CHUNK_ARGUMENTS if name in given}
        postprocess = {"return_timestamps": timestamps} if "return_timestamps" in given else {}
        return preprocess, {}, postprocess


def _chunk(offset: Mapping[str, Any], name: str) -> tuple[str, int, int]:
    """Return the text and the frames of a character or word, as tokenizers of transformers describe it."""
    return offset[name], int(offset["start_offset"]), int(offset["end_offset"])


def _join(model: Any, feature_extractor: Any, tokenizer: Any) -> AcousticModel:
    """Return a model with its feature extractor and a vocabulary whose special tokens are part of the text.

    Raises:
        InputError: they do not fit each other.
    """
    extractor = check_feature_extractor(feature_extractor, model.config, f"model {type(model).__name__}")
    acoustic_model = AcousticModel.from_tokenizer(model, extractor, tokenizer)
    return replace(acoustic_model, vocabulary=replace(acoustic_model.vocabulary, ignored_ids=frozenset()))


def _check_ctc(model: Any) -> None:
    """Raise an error if a model is not a CTC model."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES

    name = type(model).__name__
    if name in MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES.values():
        raise InputError(f"model {name} is {SEQUENCE_TO_SEQUENCE}")
    check_model(model, "ForCTC")


def _as_ours(model: Any) -> Any:
    """Return Photism's Wav2Vec2-BERT with the weights of transformers' own; any other model is returned unchanged."""
    if not isinstance(model, transformers.Wav2Vec2BertForCTC):
        return model
    loaded = Wav2Vec2BertForCTC.from_pretrained(
        None, config=model.config, state_dict=model.state_dict(), dtype=model.dtype
    )
    return torch.nn.Module.to(loaded, model.device)  # the type annotation of transformers' own `to` is wrong


def _own_stride(mapping: Mapping[str, Any], waveform: Waveform) -> tuple[int, int]:
    """Return the samples at the start and end of a recording that are context only, at 16 kHz."""
    if mapping.get("stride") is None:
        return 0, 0
    left, right = (round(each * SAMPLING_RATE / mapping["sampling_rate"]) for each in mapping["stride"])
    if min(left, right) < 0 or left + right > len(waveform.samples):
        raise InputError(
            f"stride must be two numbers of samples, together at most those of the recording; got {mapping['stride']}"
        )
    return left, right


def _by_recording(emitted: Iterable[_Emitted]) -> Iterator[list[_Emitted]]:
    """Group the chunks of each recording."""
    parts: list[_Emitted] = []
    for part in emitted:
        parts.append(part)
        if part.chunk.is_last:
            yield parts
            parts = []
