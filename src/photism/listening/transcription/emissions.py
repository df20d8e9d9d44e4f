"""From recordings to the log-probabilities of a CTC head's outputs in each frame, whole or in windows."""

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

from photism.audio.log_mel import HOP_SAMPLES, log_mel
from photism.audio.waveform import FRAME_SAMPLES, SAMPLING_RATE, Waveform
from photism.audio.windowing import cut_windows, kept_ranges
from photism.device import free_bytes
from photism.encoder.chunked import longest_exact
from photism.encoder.heads import Wav2Vec2BertForCTC
from photism.listening.transcription.vocabulary import Vocabulary

MASKED_EXACTLY = ("data2vec-audio", "hubert", "unispeech", "unispeech-sat", "wav2vec2", "wavlm")
"""Models of waveforms which take a mask and give with it, of a padded recording, what they give of it alone; unless
their first convolution is normalised over time, padding included."""
NORMALISED_OVER_TIME = "group"
VARIANCE_FLOOR = 1e-7  # of transformers' Wav2Vec2FeatureExtractor
WHOLE_S = 60.0
"""Of a recording that a model of waveforms hears as a whole. Its first convolutions take some 20 MB a second."""
FREE_SHARE = 0.5
"""Of the memory that is free, which they may take."""
WINDOW_S = 30.0
"""Of a longer one; Wav2Vec2-BERT takes twice that, and as a whole as much as `longest_exact` says."""
OVERLAP_S = 8.0
"""That two windows share, if it is no more than a third of a window."""


class Emissions(NamedTuple):
    """What is heard of a recording."""

    log_probs: NDArray[np.float32]  # (F, V)
    windows: int  # that the model heard it in; 1: as a whole


@dataclass(frozen=True, eq=False)
class AcousticModel:
    """A CTC model in evaluation, and how sound is made ready for it.

    Attributes:
        model: `photism.Wav2Vec2BertForCTC`, or one of transformers' that take waveforms.
        feature_extractor: of transformers, for its settings.
        vocabulary: of its V outputs.
    """

    model: Any
    feature_extractor: Any
    vocabulary: Vocabulary

    @cached_property
    def takes_log_mel(self) -> bool:
        """Or waveforms."""
        return isinstance(self.model, Wav2Vec2BertForCTC)

    @cached_property
    def hop_samples(self) -> int:
        """From one frame of the head's to the next."""
        return self._hop * (HOP_SAMPLES * self.feature_extractor.stride if self.takes_log_mel else 1)

    @cached_property
    def reach_samples(self) -> int:
        """That a frame takes for itself, what it hears of others not counted."""
        return self.hop_samples - HOP_SAMPLES + FRAME_SAMPLES if self.takes_log_mel else self._reach

    @cached_property
    def frame_s(self) -> float:
        """From one frame of the head's to the next."""
        return self.hop_samples / SAMPLING_RATE

    @torch.no_grad()
    def hear(self, waveforms: Sequence[Waveform]) -> list[Emissions]:
        """Of recordings that are short enough to be heard as a whole, in one batch."""
        inputs = [self._inputs(waveform) for waveform in waveforms]
        lengths = [len(each) for each in inputs]
        if len(set(lengths)) == 1:
            found = list(self._log_probs(torch.stack(inputs)))
        elif self._masks_exactly:
            mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]  # (B, T)
            padded = self._log_probs(pad_sequence(inputs, batch_first=True), mask.long())
            found = [each[:count] for each, count in zip(padded, self._frames(lengths), strict=True)]
        else:
            found = [self._log_probs(each[None])[0] for each in inputs]
        return [Emissions(each, 1) for each in found]

    @torch.no_grad()
    def hear_long(
        self,
        waveform: Waveform,
        *,
        window_s: float | None = None,
        spans: Iterable[tuple[float, float]] | None = None,
        on_window: Callable[[float], None] | None = None,
    ) -> Emissions:
        """Of a recording of any length, piece by piece: features are those of the whole recording.

        Args:
            waveform: the recording.
            window_s: of a window, where a piece is longer; by default `default_window_s`.
            spans: the seconds that are heard, ascending, each by itself; between them is silence, which parts words.
                By default all.
            on_window: is told how many seconds are heard so far.
        """
        inputs = self._inputs(waveform)
        (frames,) = self._frames([len(inputs)])
        length = max(1, round((window_s or self.default_window_s) / self.frame_s))
        overlap = min(round(OVERLAP_S / self.frame_s), length // 3)
        log_probs = self._silence(frames)
        count = 0
        pieces = [(0, frames)] if spans is None else self._pieces(spans, frames)
        for start, stop in pieces:
            windows = cut_windows(stop - start, length=length, hop=length - overlap, placement="even")
            for window, kept in zip(windows, kept_ranges(windows), strict=True):
                first = start + window.start
                last = (start + window.stop - 1) * self._hop + self._reach
                heard = self._log_probs(inputs[None, first * self._hop : last])[0]
                keep_start, keep_stop = (start + int(edge) for edge in kept)
                kept_log_probs = heard[keep_start - first : keep_stop - first]
                log_probs[keep_start : keep_start + len(kept_log_probs)] = kept_log_probs
                count += 1
                if on_window is not None:
                    on_window(keep_stop * self.frame_s)
        for before, after in pairwise(pieces):
            self._part_words(log_probs, before[1], after[0])
        return Emissions(log_probs, count)

    @property
    def whole_s(self) -> float:
        """The longest recording, in seconds, that may be heard as a whole with the memory that is free now."""
        if self.takes_log_mel:
            return longest_exact(self.model.wav2vec2_bert) * self.frame_s / self._hop
        config = self.model.config
        bytes_a_second = 3 * config.conv_dim[0] * self.model.dtype.itemsize * SAMPLING_RATE / config.conv_stride[0]
        return min(WHOLE_S, FREE_SHARE * free_bytes(self.model.device) / bytes_a_second)

    @cached_property
    def default_window_s(self) -> float:
        """Of the windows of a longer one."""
        return 2 * WINDOW_S if self.takes_log_mel else WINDOW_S

    @cached_property
    def _hop(self) -> int:
        """Inputs, which are tokens of log-mel or samples, from one frame to the next."""
        config = self.model.config
        adapter = config.adapter_stride**config.num_adapter_layers if getattr(config, "add_adapter", False) else 1
        return adapter if self.takes_log_mel else adapter * math.prod(config.conv_stride)

    @cached_property
    def _reach(self) -> int:
        """Inputs that a frame takes for itself."""
        if self.takes_log_mel:
            return self._hop
        reach, step = 1, 1
        for kernel, stride in zip(self.model.config.conv_kernel, self.model.config.conv_stride, strict=True):
            reach += (kernel - 1) * step
            step *= stride
        return reach + self._hop - step

    @cached_property
    def _masks_exactly(self) -> bool:
        config = self.model.config
        masked = config.model_type in MASKED_EXACTLY
        return self.takes_log_mel or (masked and getattr(config, "feat_extract_norm", None) != NORMALISED_OVER_TIME)

    def _inputs(self, waveform: Waveform) -> Tensor:
        """Tokens of log-mel (F, D), or samples (T,), on the processor."""
        extractor = self.feature_extractor
        if self.takes_log_mel:
            settings = {"num_mel_bins": extractor.num_mel_bins, "stride": extractor.stride}
            features, mask = log_mel([waveform], padding_value=extractor.padding_value, **settings)
            return features[0, : int(mask.sum())]
        samples = waveform.samples
        if extractor.do_normalize:
            samples = (samples - samples.mean()) / np.sqrt(samples.var() + VARIANCE_FLOOR)
        return torch.tensor(samples)

    def _frames(self, lengths: Sequence[int]) -> list[int]:
        """Of the head, for as many inputs."""
        count = self.model._output_lengths if self.takes_log_mel else self.model._get_feat_extract_output_lengths
        return count(torch.tensor(lengths)).tolist()

    def _log_probs(self, inputs: Tensor, mask: Tensor | None = None) -> NDArray[np.float32]:
        """(B, T) or (B, T, D) -> (B, F, V); what is never spoken has no probability, and the others have all of it."""
        device, dtype = self.model.device, self.model.dtype
        mask = None if mask is None else mask.to(device)
        logits = self.model(inputs.to(device, dtype), attention_mask=mask).logits.float()
        logits[..., sorted(self.vocabulary.unspoken)] = -torch.inf
        return logits.log_softmax(-1).cpu().numpy()

    def _silence(self, frames: int) -> NDArray[np.float32]:
        log_probs = np.full((frames, len(self.vocabulary)), -np.inf, np.float32)
        log_probs[:, self.vocabulary.blank] = 0.0
        return log_probs

    def _part_words(self, log_probs: NDArray[np.float32], start: int, stop: int) -> None:
        """A delimiter in the middle of a silence."""
        if self.vocabulary.delimiters and stop > start:
            frame = (start + stop) // 2
            log_probs[frame] = -np.inf
            log_probs[frame, min(self.vocabulary.delimiters)] = 0.0

    def _pieces(self, spans: Iterable[tuple[float, float]], frames: int) -> list[tuple[int, int]]:
        pieces = [
            (int(start_s / self.frame_s), min(frames, math.ceil(stop_s / self.frame_s))) for start_s, stop_s in spans
        ]
        return [(start, stop) for start, stop in pieces if stop > start]
