"""Emissions of a CTC model: the log-probabilities of its tokens in each frame, of whole recordings or in windows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import Wav2Vec2BertConfig

from photism.audio.log_mel import HOP_SAMPLES, log_mel
from photism.audio.log_mel_stream import LogMelStream
from photism.audio.long_recording import LongRecording, Recording
from photism.audio.waveform import FRAME_SAMPLES, SAMPLING_RATE, Waveform
from photism.audio.windowing import Window, cut_windows, kept_ranges, stream_slices
from photism.cancellation import check_cancelled
from photism.device import free_bytes
from photism.encoder.chunked import max_exact_tokens
from photism.finite import check_finite
from photism.listening.transcription.vocabulary import Vocabulary

EXACT_WITH_PADDING = ("data2vec-audio", "hubert", "unispeech", "unispeech-sat", "wav2vec2", "wavlm")
"""Model types whose attention mask keeps padding from changing the results, unless `NORMALISED_OVER_TIME`."""
NORMALISED_OVER_TIME = "group"
"""Value of `feat_extract_norm` with which the first convolution is normalised over time, padding included."""
VARIANCE_FLOOR = 1e-7  # of transformers' Wav2Vec2FeatureExtractor
MAX_WHOLE_S = 60.0
"""Longest recording that a model of waveforms takes at once. Its first convolutions need some 20 MB a second."""
MAX_FREE_FRACTION = 0.5
"""Fraction of the free memory that these convolutions may take."""
WINDOW_S = 30.0
"""Length of the windows of a longer recording for a model of waveforms; it is twice that for Wav2Vec2-BERT."""
OVERLAP_S = 8.0
"""Overlap of two windows, which is at most a third of a window."""


class Emissions(NamedTuple):
    """Log-probabilities (F, V) of a recording, and the number of windows they were computed in."""

    log_probs: NDArray[np.float32]
    windows: int


@dataclass(frozen=True, eq=False)
class AcousticModel:
    """A CTC model in evaluation mode with its feature extractor and vocabulary.

    Attributes:
        model: `photism.Wav2Vec2BertForCTC`, or a model of transformers that takes waveforms; also as peft or
            `torch.compile` wraps it.
        feature_extractor: feature extractor of transformers, whose settings are used.
        vocabulary: vocabulary of its V outputs.
    """

    model: Any
    feature_extractor: Any
    vocabulary: Vocabulary

    @classmethod
    def from_tokenizer(cls, model: Any, feature_extractor: Any, tokenizer: Any) -> AcousticModel:
        """Join a model with its feature extractor and the vocabulary of its tokenizer.

        Raises:
            InputError: the tokenizer does not name each output of the model.
        """
        return cls(model, feature_extractor, Vocabulary.from_tokenizer(tokenizer, model.config.vocab_size))

    @cached_property
    def takes_log_mel(self) -> bool:
        """True if the model takes log-mel tokens rather than waveforms."""
        return self.model.config.model_type == Wav2Vec2BertConfig.model_type

    @cached_property
    def hop_samples(self) -> int:
        """Samples from one frame to the next."""
        return self._hop * (HOP_SAMPLES * self.feature_extractor.stride if self.takes_log_mel else 1)

    @cached_property
    def receptive_samples(self) -> int:
        """Samples from which a frame is computed before the attention layers."""
        return self.hop_samples - HOP_SAMPLES + FRAME_SAMPLES if self.takes_log_mel else self._receptive_field

    @cached_property
    def frame_s(self) -> float:
        """Seconds from one frame to the next."""
        return self.hop_samples / SAMPLING_RATE

    @torch.no_grad()
    def emit(self, waveforms: Sequence[Waveform]) -> list[Emissions]:
        """Compute the emissions of recordings that fit into memory together, in one batch.

        A recording in which there is nothing to hear has the emissions of a silence, and 0 windows. A model would make
        words of its noise, which normalisation amplifies to the level of speech.
        """
        is_silent = [waveform.level.is_silent for waveform in waveforms]
        audible = [waveform for waveform, silent in zip(waveforms, is_silent, strict=True) if not silent]
        emissions = iter(self._emit_audible(audible) if audible else ())
        return [
            self._emit_silence(waveform) if silent else next(emissions)
            for waveform, silent in zip(waveforms, is_silent, strict=True)
        ]

    def _emit_silence(self, waveform: Waveform) -> Emissions:
        (frames,) = self._frames([len(self._inputs(waveform))])
        return Emissions(self._silence(frames), 0)

    def _emit_audible(self, waveforms: Sequence[Waveform]) -> list[Emissions]:
        inputs = [self._inputs(waveform) for waveform in waveforms]
        lengths = [len(each) for each in inputs]
        if len(set(lengths)) == 1:
            log_probs = list(self._log_probs(torch.stack(inputs)))
        elif self._is_exact_with_padding:
            mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]  # (B, T)
            padded = self._log_probs(pad_sequence(inputs, batch_first=True), mask.long())
            log_probs = [each[:count] for each, count in zip(padded, self._frames(lengths), strict=True)]
        else:
            log_probs = [self._log_probs(each[None])[0] for each in inputs]
        return [Emissions(each, 1) for each in log_probs]

    @torch.no_grad()
    def emit_long(
        self,
        recording: Recording,
        *,
        window_s: float | None = None,
        segments_s: Iterable[tuple[float, float]] | None = None,
        on_window: Callable[[float], None] | None = None,
        on_emitted: Callable[[NDArray[np.float32]], None] | None = None,
    ) -> Emissions:
        """Compute the emissions of a recording of any length in overlapping windows.

        Log-mel features are those of the whole recording. A `LongRecording` is read in blocks; the log-probabilities of
        all its frames are held.

        Args:
            recording: the recording.
            window_s: length of a window; by default `default_window_s`.
            segments_s: start and end of the segments with speech, ascending. Between them is silence, which separates
                words. By default the whole recording, if it holds any sound.
            on_window: called after each window with the seconds processed so far.
            on_emitted: called with the log-probabilities of consecutive frames, as soon as they are final.
        """
        input_count, blocks = self._input_blocks(recording)
        (frames,) = self._frames([input_count])
        if recording.level.is_silent:
            segments_s = ()
        length = max(1, round(min((window_s or self.default_window_s) / self.frame_s, frames)))
        overlap = min(round(OVERLAP_S / self.frame_s), length // 3)
        log_probs = self._silence(frames)
        segments = [(0, frames)] if segments_s is None else self._to_frames(segments_s, frames)
        windows: list[Window] = []
        kept: list[Window] = []  # frames that are used of each window
        for start, stop in segments:
            cut = cut_windows(stop - start, length=length, hop=length - overlap, placement="even")
            windows += [Window(start + first, start + last) for first, last in cut]
            kept += [Window(start + int(first), start + int(last)) for first, last in kept_ranges(cut)]
        for before, after in pairwise(segments):
            self._separate_words(log_probs, before[1], after[0])
        done = 0  # frames that were reported
        reach = self._receptive_field - self._hop  # inputs of a window beyond the start of the frame after it
        inputs = (Window(first * self._hop, last * self._hop + reach) for first, last in windows)
        for window, (start, stop), part in zip(windows, kept, stream_slices(blocks, inputs), strict=True):
            check_cancelled()
            middle = self._log_probs(part[None])[0][start - window.start : stop - window.start]
            log_probs[start : start + len(middle)] = middle
            if on_window is not None:
                on_window(stop * self.frame_s)
            if on_emitted is not None:
                on_emitted(log_probs[done:stop])
            done = stop
        if on_emitted is not None and done < frames:
            on_emitted(log_probs[done:])
        return Emissions(log_probs, len(windows))

    @property
    def max_whole_s(self) -> float:
        """Longest recording, in seconds, that may be computed at once with the memory that is free now."""
        if self.takes_log_mel:
            return max_exact_tokens(self.model.wav2vec2_bert) * self.frame_s / self._hop
        config = self.model.config
        bytes_per_s = 3 * config.conv_dim[0] * self.model.dtype.itemsize * SAMPLING_RATE / config.conv_stride[0]
        return min(MAX_WHOLE_S, MAX_FREE_FRACTION * free_bytes(self.model.device) / bytes_per_s)

    @cached_property
    def default_window_s(self) -> float:
        """Length of the windows of a longer recording, in seconds."""
        return 2 * WINDOW_S if self.takes_log_mel else WINDOW_S

    @cached_property
    def _hop(self) -> int:
        """Inputs, which are log-mel tokens or samples, from one frame to the next."""
        config = self.model.config
        adapter = config.adapter_stride**config.num_adapter_layers if getattr(config, "add_adapter", False) else 1
        return adapter if self.takes_log_mel else adapter * math.prod(config.conv_stride)

    @cached_property
    def _receptive_field(self) -> int:
        """Inputs from which a frame is computed before the attention layers."""
        if self.takes_log_mel:
            return self._hop
        field, step = 1, 1
        for kernel, stride in zip(self.model.config.conv_kernel, self.model.config.conv_stride, strict=True):
            field += (kernel - 1) * step
            step *= stride
        return field + self._hop - step

    @cached_property
    def _is_exact_with_padding(self) -> bool:
        config = self.model.config
        has_mask = config.model_type in EXACT_WITH_PADDING
        return self.takes_log_mel or (has_mask and getattr(config, "feat_extract_norm", None) != NORMALISED_OVER_TIME)

    def _inputs(self, waveform: Waveform) -> Tensor:
        """Return log-mel tokens (F, D), or samples (T,), on the CPU."""
        extractor = self.feature_extractor
        if self.takes_log_mel:
            settings = {"num_mel_bins": extractor.num_mel_bins, "stride": extractor.stride}
            features, mask = log_mel([waveform], padding_value=extractor.padding_value, **settings)
            return features[0, : int(mask.sum())]
        samples = waveform.samples
        if extractor.do_normalize:
            samples = (samples - samples.mean()) / np.sqrt(samples.var() + VARIANCE_FLOOR)
        return torch.tensor(samples)

    def _input_blocks(self, recording: Recording) -> tuple[int, Iterable[Tensor]]:
        """Return the number of inputs of a recording, and the inputs that `_inputs` would return, in blocks."""
        extractor = self.feature_extractor
        if isinstance(recording, Waveform):
            inputs = self._inputs(recording)
            return len(inputs), [inputs]
        if self.takes_log_mel:
            log_mels = LogMelStream.measure(recording, num_mel_bins=extractor.num_mel_bins, stride=extractor.stride)
            return log_mels.token_count, log_mels.blocks()
        mean, deviation = _mean_and_deviation(recording) if extractor.do_normalize else (0.0, 1.0)
        blocks = ((samples - np.float32(mean)) / np.float32(deviation) for samples in recording.blocks())
        return recording.sample_count, map(torch.from_numpy, blocks)

    def _frames(self, lengths: Sequence[int]) -> list[int]:
        """Return the number of frames for each number of inputs."""
        return self.model._get_feat_extract_output_lengths(torch.tensor(lengths)).tolist()

    def _log_probs(self, inputs: Tensor, mask: Tensor | None = None) -> NDArray[np.float32]:
        """Compute log-probabilities (B, F, V) of inputs (B, T) or (B, F, D), with probability 0 for ignored tokens."""
        device, dtype = self.model.device, self.model.dtype
        mask = None if mask is None else mask.to(device)
        logits = self.model(inputs.to(device, dtype), attention_mask=mask).logits.float()
        check_finite(logits, "logits", dtype)
        logits[..., sorted(self.vocabulary.ignored_ids)] = -torch.inf
        return logits.log_softmax(-1).cpu().numpy()

    def _silence(self, frames: int) -> NDArray[np.float32]:
        """Return log-probabilities (F, V) of blanks."""
        log_probs = np.full((frames, len(self.vocabulary)), -np.inf, np.float32)
        log_probs[:, self.vocabulary.blank_id] = 0.0
        return log_probs

    def _separate_words(self, log_probs: NDArray[np.float32], start: int, stop: int) -> None:
        """Write a delimiter into the middle of a silence, in place."""
        if self.vocabulary.delimiter_ids and stop > start:
            frame = (start + stop) // 2
            log_probs[frame] = -np.inf
            log_probs[frame, min(self.vocabulary.delimiter_ids)] = 0.0

    def _to_frames(self, segments_s: Iterable[tuple[float, float]], frames: int) -> list[tuple[int, int]]:
        segments = [
            (int(start_s / self.frame_s), min(frames, math.ceil(end_s / self.frame_s))) for start_s, end_s in segments_s
        ]
        return [(start, stop) for start, stop in segments if stop > start]


def _mean_and_deviation(recording: LongRecording) -> tuple[float, float]:
    """Return the mean and the standard deviation of the samples of a recording, as they are normalised by."""
    total = squares = 0.0
    for samples in recording.blocks():
        total += float(samples.sum(dtype=np.float64))
        squares += float(np.square(samples, dtype=np.float64).sum())
    mean = total / recording.sample_count
    variance = max(0.0, squares / recording.sample_count - mean**2)
    return mean, math.sqrt(variance + VARIANCE_FLOOR)
