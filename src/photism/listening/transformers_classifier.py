"""Classifiers of other architectures than ours, by transformers' own classes: the same scores alone and in a batch.

Their feature extractors make what their models are given, recording by recording. What comes out in one shape, as with
Whisper and AST, goes through the model together. Waveforms of different lengths are padded only where the model can be
kept from hearing it, and where that is faster; the others go through it with those of their own length.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from photism.audio.waveform import SAMPLING_RATE, Waveform
from photism.device import free_bytes
from photism.encoder.chunked import EXACT_TOKENS
from photism.encoder.module_copy import copy_modules, shallow_copy
from photism.encoder.onednn import onednn_linear
from photism.errors import InputError

logger = logging.getLogger(__name__)

PADDABLE = frozenset({"wav2vec2", "hubert", "wavlm", "unispeech", "unispeech-sat"})
"""Architectures whose masks keep padding from everything but the group normalisation of their first convolution.
Others smooth along the tokens without regard to their masks."""
MEMORY_SHARE = 0.5
"""Of the memory that is free, which a recording may take."""
LIVE_COPIES = 3
"""Of the first convolution's output: it, its normalisation and its activation."""


class Peer:
    """A model for audio classification with its feature extractor.

    Args:
        model: on its device, in evaluation.
        extractor: a feature extractor of transformers.
    """

    def __init__(self, model: Any, extractor: Any) -> None:
        self.model, self.extractor = model, extractor
        config = model.config
        self.takes_waveforms = hasattr(config, "conv_stride")
        self.is_paddable = config.model_type in PADDABLE and not getattr(config, "conv_pos_batch_norm", False)
        # A processor is as busy with one recording as with several, and padding would be work too.
        self.pads = self.is_paddable and model.device.type != "cpu"
        self.has_warned = False

    @property
    def longest_s(self) -> float | None:
        """What the model hears of a recording at most; None for all of it."""
        if hasattr(self.extractor, "n_samples"):  # Whisper
            return self.extractor.n_samples / SAMPLING_RATE
        if hasattr(self.extractor, "max_length"):  # AST: frames of 25 ms, every 10 ms
            return 0.015 + 0.01 * self.extractor.max_length
        return None

    def check(self, waveform: Waveform) -> None:
        """See whether this may be heard in one piece; say it, the first time, where only its beginning is heard.

        Raises:
            InputError: it is too short for the model, or would need more memory or patience than there is.
        """
        self._warn(waveform)
        if not self.takes_waveforms:
            return
        config = self.model.config
        tokens = self._tokens(len(waveform.samples))
        if tokens < getattr(config, "squeeze_factor", 1):
            raise InputError(f"a recording of {waveform.duration_s:.3f} s is too short for a {config.model_type}")
        numbers = LIVE_COPIES * config.conv_dim[0] * len(waveform.samples) / config.conv_stride[0]
        if config.model_type == "wavlm":  # the only one whose attention has a bias for every pair of tokens
            numbers += LIVE_COPIES * config.num_attention_heads * tokens**2
        too_large = numbers * self.model.dtype.itemsize > MEMORY_SHARE * free_bytes(self.model.device)
        if too_large or tokens > EXACT_TOKENS:
            raise InputError(
                f"a recording of {waveform.duration_s:.0f} s is too long to be heard in one piece by a "
                f"{config.model_type} on this machine; give windows, of 10 s for instance"
            )

    def logits(self, waveforms: Sequence[Waveform]) -> Tensor:
        """(B, C) float32, on the processor."""
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

    def _warn(self, waveform: Waveform) -> None:
        longest_s = self.longest_s
        if longest_s is not None and waveform.duration_s > longest_s and not self.has_warned:
            self.has_warned = True
            kind = self.model.config.model_type
            logger.warning("%s hears the first %g s; give windows to hear all of a longer recording", kind, longest_s)

    def _tokens(self, samples: int) -> int:
        config = self.model.config
        for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True):
            samples = (samples - kernel) // stride + 1
        return samples

    def _features(self, waveform: Waveform) -> Tensor:
        """(1, T), or (1, …) of a spectrogram."""
        extracted = self.extractor(waveform.samples, sampling_rate=SAMPLING_RATE, return_tensors="pt")
        return extracted[self.model.main_input_name].to(self.model.device, self.model.dtype)

    def _forward(self, model: Any, features: Tensor, **masks: Tensor) -> Tensor:
        """(B, …) of one length, but for what masks say -> (B, C)."""
        return model(**{model.main_input_name: features}, **masks).logits

    def _forward_padded(self, inputs: Sequence[Tensor]) -> Tensor:
        """B (1, T) of any lengths."""
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
        """(B, C, F) -> (B, C, F); frames of padding are returned as they are."""
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
