"""Classifiers of other architectures, by transformers' own classes, with the same scores alone and in a batch.

The feature extractor is applied to each recording by itself. Features of the same shape, as those of Whisper and AST
always are, go through the model together. Waveforms of different lengths are padded only if the model can ignore the
padding and if that is faster; otherwise each length is a batch of its own.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from photism.audio.long_recording import LongRecording, Recording
from photism.audio.waveform import SAMPLING_RATE, Waveform
from photism.device import free_bytes
from photism.encoder.chunked import MAX_EXACT_TOKENS
from photism.encoder.module_copy import copy_modules, shallow_copy
from photism.encoder.onednn import onednn_linear
from photism.errors import InputError

logger = logging.getLogger(__name__)

PADDABLE = frozenset({"wav2vec2", "hubert", "wavlm", "unispeech", "unispeech-sat"})
"""Model types whose attention mask hides padding from all but the group normalisation of their first convolution. The
convolutions of others run over padding whatever the mask is."""
MAX_FREE_FRACTION = 0.5
"""Fraction of the free memory that a recording may take."""
LIVE_COPIES = 3
"""Tensors of the size of the first convolution's output that exist at once: it, its normalisation, its activation."""


class TransformersClassifier:
    """A model of transformers for audio classification, with its feature extractor.

    Args:
        model: the model, on its device and in evaluation mode.
        extractor: its feature extractor.
    """

    def __init__(self, model: Any, extractor: Any) -> None:
        self.model, self.extractor = model, extractor
        config = model.config
        self.takes_waveforms = hasattr(config, "conv_stride")
        self.is_paddable = config.model_type in PADDABLE and not getattr(config, "conv_pos_batch_norm", False)
        # A CPU is fully used by a single recording, and padding would add work.
        self.pads = self.is_paddable and model.device.type != "cpu"
        self.has_warned = False

    @property
    def max_duration_s(self) -> float | None:
        """Longest recording that the model sees in full, in seconds; None if unlimited."""
        if hasattr(self.extractor, "n_samples"):  # Whisper
            return self.extractor.n_samples / SAMPLING_RATE
        if hasattr(self.extractor, "max_length"):  # AST: frames of 25 ms, every 10 ms
            return 0.015 + 0.01 * self.extractor.max_length
        return None

    def check(self, recording: Recording) -> None:
        """Check that a recording can be classified at once, and warn the first time that only its beginning is.

        Raises:
            InputError: the recording is too short for the model, or needs too much memory or time.
        """
        self._warn_of_cut(recording)
        if not self.takes_waveforms:
            return
        config = self.model.config
        tokens = self._tokens(recording.sample_count)
        if tokens < getattr(config, "squeeze_factor", 1):
            raise InputError(f"a recording of {recording.duration_s:.3f} s is too short for a {config.model_type}")
        numbers = LIVE_COPIES * config.conv_dim[0] * recording.sample_count / config.conv_stride[0]
        if config.model_type == "wavlm":  # the only one whose attention has a bias for every pair of tokens
            numbers += LIVE_COPIES * config.num_attention_heads * tokens**2
        too_large = numbers * self.model.dtype.itemsize > MAX_FREE_FRACTION * free_bytes(self.model.device)
        if too_large or tokens > MAX_EXACT_TOKENS:
            raise InputError(
                f"a recording of {recording.duration_s:.0f} s is too long to be classified at once by a "
                f"{config.model_type} on this machine; use windows, for example of 10 s"
            )

    def beginning(self, recording: LongRecording) -> Waveform:
        """Return the part of a long recording that the model sees, which `check` has found not to be too long."""
        return recording.beginning(self.max_duration_s or recording.duration_s)

    def logits(self, waveforms: Sequence[Waveform]) -> Tensor:
        """Return the logits (B, C) of waveforms, float32 on the CPU."""
        inputs = [self._features(waveform) for waveform in waveforms]
        if self.pads:
            return self._forward_padded(inputs).float().cpu()
        groups: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
        for index, features in enumerate(inputs):
            groups[tuple(features.shape)].append(index)
        rows: dict[int, Tensor] = {}
        model = copy_modules(self.model, onednn_linear)
        for group in groups.values():
            together = torch.cat([inputs[index] for index in group])
            rows.update(zip(group, self._forward(model, together), strict=True))
        return torch.stack([rows[index] for index in range(len(inputs))]).float().cpu()

    def _warn_of_cut(self, recording: Recording) -> None:
        max_s = self.max_duration_s
        if max_s is not None and recording.duration_s > max_s and not self.has_warned:
            self.has_warned = True
            model_type = self.model.config.model_type
            logger.warning("%s sees only the first %g s; use windows for longer recordings", model_type, max_s)

    def _tokens(self, samples: int) -> int:
        config = self.model.config
        for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True):
            samples = (samples - kernel) // stride + 1
        return samples

    def _features(self, waveform: Waveform) -> Tensor:
        """Return the features of a waveform: (1, T), or a spectrogram (1, …)."""
        extracted = self.extractor(waveform.samples, sampling_rate=SAMPLING_RATE, return_tensors="pt")
        return extracted[self.model.main_input_name].to(self.model.device, self.model.dtype)

    def _forward(self, model: Any, features: Tensor, **masks: Tensor) -> Tensor:
        """Return the logits (B, C) of features (B, …)."""
        return model(**{model.main_input_name: features}, **masks).logits

    def _forward_padded(self, inputs: Sequence[Tensor]) -> Tensor:
        """Return the logits (B, C) of B waveforms (1, T) of any lengths."""
        lengths = [features.shape[1] for features in inputs]
        longest = max(lengths)
        if min(lengths) == longest:
            return self._forward(copy_modules(self.model), torch.cat(list(inputs)))
        padded = torch.cat([pad(features, (0, longest - features.shape[1])) for features in inputs])
        mask = torch.arange(longest, device=padded.device) < torch.tensor(lengths, device=padded.device)[:, None]
        return self._forward(_with_lengths(self.model, lengths), padded, attention_mask=mask.long())


class GroupNormByLength(nn.GroupNorm):
    """Group normalisation of a padded batch, over the valid frames of each item alone."""

    lengths: Sequence[int]
    """Frames of each item that are not padding."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (B, C, F); frames of padding are returned unchanged."""
        out = input.clone()
        for index, length in enumerate(self.lengths):
            out[index : index + 1, :, :length] = super().forward(input[index : index + 1, :, :length])
        return out


def _with_lengths(model: Any, lengths: Sequence[int]) -> Any:
    """Copy the modules of a model of the wav2vec 2.0 family; its group normalisation, if any, ignores the padding.

    Args:
        model: it is not changed.
        lengths: samples of each item.
    """
    first = model.base_model.feature_extractor.conv_layers[0]
    norm = getattr(first, "layer_norm", None)
    if not isinstance(norm, nn.GroupNorm):
        return copy_modules(model)
    by_length = shallow_copy(norm, GroupNormByLength)
    kernel, stride = first.conv.kernel_size[0], first.conv.stride[0]
    by_length.lengths = [(length - kernel) // stride + 1 for length in lengths]
    return copy_modules(model, lambda module: by_length if module is norm else None)
