"""Feature extractor that computes log-mel tokens, and processor that combines it with a tokenizer."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import transformers
from torch import Tensor
from torch.nn.functional import pad
from transformers import BatchFeature
from transformers.feature_extraction_sequence_utils import SequenceFeatureExtractor
from transformers.utils import PaddingStrategy, TensorType

from photism.audio.log_mel import frame_count, log_mel
from photism.audio.waveform import FRAME_SAMPLES, MAX_CHANNELS, SAMPLING_RATE, AudioSource, load_samples
from photism.errors import InputError

SAVED_AS = "SeamlessM4TFeatureExtractor"
"""Type of the extractor in `preprocessor_config.json`, with which transformers can load it too."""


class SeamlessM4TFeatureExtractor(SequenceFeatureExtractor):
    """Log-mel tokens by `log_mel`, with the name, arguments and files of the feature extractor in transformers.

    Libraries recognise a feature extractor by the name of its class, as `Wav2Vec2ProcessorWithLM` of transformers does.
    `docs/differences.md` lists what differs.

    Args:
        feature_size: number of mel filters.
        num_mel_bins: the same number, as in transformers.
        sampling_rate: rate in Hz of the samples that the features are computed from.
        padding_value: value of padding.
        stride: frames in a token, each of which begins 160 samples after the one before (10 ms at 16 kHz).
        device: where to compute; by default the CPU.
        kwargs: further entries of a `preprocessor_config.json`, among them `padding_side` ("right" or "left") and
            `return_attention_mask`.
    """

    model_input_names = ["input_features", "attention_mask"]  # noqa: RUF012 (as transformers declares it)

    def __init__(
        self,
        feature_size: int = 80,
        sampling_rate: int = SAMPLING_RATE,
        num_mel_bins: int = 80,
        padding_value: float = 0.0,
        stride: int = 2,
        *,
        device: torch.device | str | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("feature_extractor_type", None)
        self.num_mel_bins, self.stride, self.device = num_mel_bins, stride, device
        super().__init__(feature_size=feature_size, sampling_rate=sampling_rate, padding_value=padding_value, **kwargs)

    def __call__(
        self,
        raw_speech: AudioSource | Sequence[AudioSource],
        padding: bool | str | PaddingStrategy = True,
        pad_to_multiple_of: int | None = 2,
        max_length: int | None = None,
        truncation: bool = False,
        return_tensors: str | TensorType | None = None,
        sampling_rate: int | None = None,
        return_attention_mask: bool | None = None,
        do_normalize_per_mel_bins: bool | None = True,
        *,
        device: torch.device | str | None = None,
        **kwargs: Any,
    ) -> BatchFeature:
        """Compute the encoder's input for recordings.

        Args:
            raw_speech: a recording or a list of recordings: samples, or anything else that `load_waveform` takes. As in
                transformers, an array of two axes is a batch (B, T), a tensor of two axes is one recording (C, T), and
                of several channels the first is used.
            padding: True or "longest" pads to the longest recording, "max_length" to `max_length`; False or
                "do_not_pad" does not pad.
            pad_to_multiple_of: round padded lengths and `max_length` up to a multiple of this number of frames.
            max_length: number of frames that `padding` and `truncation` refer to. They are stacked to tokens
                afterwards, and what is not a whole token is dropped.
            truncation: truncate longer recordings to `max_length`, after their normalisation.
            return_tensors: "pt", "np" or "mlx"; by default NumPy arrays, in a list if their lengths differ.
            sampling_rate: sampling rate of samples in Hz; they are resampled to that of the extractor, which is the
                default. Files and mappings have their own.
            return_attention_mask: return the mask; by default as the extractor is configured.
            do_normalize_per_mel_bins: normalise each bin of each recording to mean 0 and variance 1.
            device: where to compute.
            kwargs: ignored with a warning.

        Returns:
            `input_features` float32 (B, F, num_mel_bins * stride) and `attention_mask` int32 (B, F).

        Raises:
            InputError: a recording is unreadable, an argument has no meaning, or `return_tensors` is given for
                recordings of different lengths.
        """
        if kwargs:
            warnings.warn(f"ignored unknown arguments: {', '.join(kwargs)}", stacklevel=2)
        strategy = _padding_strategy(padding, truncation, max_length, pad_to_multiple_of)
        recordings = _recordings(raw_speech)
        if sampling_rate is None and any(_is_samples(recording) for recording in recordings):
            warnings.warn(f"sampling_rate is missing; samples are taken to be at {self.sampling_rate} Hz", stacklevel=2)
        samples = [self._load(recording, sampling_rate or self.sampling_rate) for recording in recordings]

        limit = None if max_length is None else _rounded_up(max_length, pad_to_multiple_of)
        kept = [frame_count(len(each)) for each in samples]
        if truncation and limit is not None:
            kept = [min(count, limit) for count in kept]
        valid = [self._tokens(count) for count in kept]
        lengths = [self._tokens(count) for count in _padded(kept, strategy, limit, pad_to_multiple_of)]
        _check_return_tensors(return_tensors, lengths)

        features = log_mel(
            samples,
            num_mel_bins=self.num_mel_bins,
            stride=self.stride,
            normalize=bool(do_normalize_per_mel_bins),
            padding_value=self.padding_value,
            sampling_rate=self.sampling_rate,
            device=device or self.device,
        ).input_features
        features, mask = self._pad_tokens(features, valid, lengths)
        data = {"input_features": features, "attention_mask": mask}
        if not (self.return_attention_mask if return_attention_mask is None else return_attention_mask):
            del data["attention_mask"]
        return _as_batch(data, lengths, return_tensors)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings that are saved, without the device of this machine."""
        settings = super().to_dict() | {"feature_extractor_type": SAVED_AS}
        settings.pop("device", None)
        return settings

    def _load(self, recording: AudioSource, sampling_rate: int) -> np.ndarray:
        """Return the samples (T,) of a recording at the extractor's rate."""
        if not _is_samples(recording):
            return load_samples(recording, self.sampling_rate)
        return load_samples(_first_channel(recording), self.sampling_rate, sampling_rate=sampling_rate)

    def _tokens(self, frames: int) -> int:
        """Return how many whole tokens frames make; a recording has at least one."""
        return max(1, frames // self.stride)

    def _pad_tokens(self, features: Tensor, valid: list[int], lengths: list[int]) -> tuple[Tensor, Tensor]:
        """Return features (B, F, D) and their mask (B, F) with the longest of the lengths as F.

        Args:
            features: (B, F', D), padded on the right.
            valid: number of tokens of each recording.
            lengths: number of tokens of each recording with its padding; what is beyond has no meaning.
        """
        longest = max(lengths)
        features = pad(features[:, :longest], (0, 0, 0, max(0, longest - features.shape[1])), value=self.padding_value)
        device = features.device
        mask = (torch.arange(longest, device=device) < torch.tensor(valid, device=device)[:, None]).int()
        if self.padding_side == "left":
            for item, (count, length) in enumerate(zip(valid, lengths, strict=True)):
                features[item, :length] = features[item, :length].roll(length - count, 0)
                mask[item, :length] = mask[item, :length].roll(length - count)
        return features, mask


Wav2Vec2BertFeatureExtractor = SeamlessM4TFeatureExtractor
"""Name of the feature extractor by that of its model."""


class Wav2Vec2BertProcessor(transformers.Wav2Vec2BertProcessor):
    """transformers' processor with Photism's feature extractor: recordings to features, texts to labels."""

    def __init__(self, feature_extractor: Any, tokenizer: Any) -> None:
        if isinstance(feature_extractor, transformers.SeamlessM4TFeatureExtractor):
            feature_extractor = SeamlessM4TFeatureExtractor(**feature_extractor.to_dict())
        super().__init__(feature_extractor, tokenizer)


def _padding_strategy(
    padding: bool | str | PaddingStrategy, truncation: bool, max_length: int | None, multiple: int | None
) -> PaddingStrategy:
    """Return how to pad, after checking the arguments that belong together."""
    if isinstance(padding, bool):
        padding = PaddingStrategy.LONGEST if padding else PaddingStrategy.DO_NOT_PAD
    try:
        strategy = PaddingStrategy(padding)
    except ValueError:
        raise InputError(
            f'padding must be True or "longest", "max_length", or False or "do_not_pad"; got {padding!r}'
        ) from None
    if max_length is None and (truncation or strategy == PaddingStrategy.MAX_LENGTH):
        raise InputError('max_length is missing: truncation=True and padding="max_length" need it, in frames')
    for name, value in (("max_length", max_length), ("pad_to_multiple_of", multiple)):
        if value is not None and value < 1:
            raise InputError(f"{name} must be at least 1; got {value}")
    return strategy


def _padded(frames: list[int], strategy: PaddingStrategy, limit: int | None, multiple: int | None) -> list[int]:
    """Return how many frames recordings of these many frames have with their padding."""
    if strategy == PaddingStrategy.LONGEST:
        return [_rounded_up(max(frames), multiple)] * len(frames)
    if strategy == PaddingStrategy.MAX_LENGTH:
        return [max(count, limit or 0) for count in frames]
    return frames


def _as_batch(data: dict[str, Tensor], lengths: list[int], return_tensors: str | TensorType | None) -> BatchFeature:
    """Return tensors (B, F, …) as they are, as arrays, or as lists of arrays of different lengths."""
    if return_tensors == TensorType.PYTORCH:
        return BatchFeature(data)
    arrays: dict[str, Any] = {name: value.cpu().numpy() for name, value in data.items()}
    if len(set(lengths)) > 1:
        for name, value in arrays.items():
            arrays[name] = [item[:length] for item, length in zip(value, lengths, strict=True)]
    return BatchFeature(arrays, tensor_type=return_tensors)


def _check_return_tensors(return_tensors: str | TensorType | None, lengths: list[int]) -> None:
    if return_tensors is None:
        return
    names = [each.value for each in TensorType]
    if return_tensors not in names:
        raise InputError(f"return_tensors must be one of {', '.join(names)}, or None; got {return_tensors!r}")
    if len(set(lengths)) > 1:
        raise InputError(
            f"return_tensors={return_tensors!r} needs recordings of one length, but they have {min(lengths)} to "
            f"{max(lengths)} tokens; pad them or truncate them, or omit it for a list"
        )


def _rounded_up(count: int, multiple: int | None) -> int:
    return count + -count % (multiple or 1)


def _recordings(raw_speech: Any) -> Sequence[Any]:
    """Return the recordings that an argument stands for, read as transformers reads it."""
    if isinstance(raw_speech, list | tuple):
        if not raw_speech:
            raise InputError("raw_speech must have at least one recording; got none")
        return [raw_speech] if isinstance(raw_speech[0], int | float | np.number) else raw_speech
    if not isinstance(raw_speech, np.ndarray | Tensor) or raw_speech.ndim < 2:
        return [raw_speech]
    shape = tuple(raw_speech.shape)
    if raw_speech.ndim > 3:
        raise InputError(f"raw_speech must have at most three axes, recordings, channels and time; got {shape}")
    if raw_speech.ndim == 2 and isinstance(raw_speech, Tensor):
        if shape[0] > 1:
            warnings.warn(
                "a tensor of two axes is read as the channels of one recording, of which the first is used; give a "
                "list of tensors or a NumPy array for several recordings",
                stacklevel=3,
            )
        return [raw_speech]
    if raw_speech.ndim == 2 and shape[1] < FRAME_SAMPLES:
        raise InputError(
            f"raw_speech of shape {shape} is {shape[0]} recordings of {shape[1]} samples, too short for features; "
            "give [raw_speech] for the channels of one recording"
        )
    if raw_speech.ndim == 2 and 1 < shape[0] <= MAX_CHANNELS:
        warnings.warn(
            "an array of two axes is read as several recordings; give [array] for the channels of one recording",
            stacklevel=3,
        )
    return list(raw_speech)


def _is_samples(recording: Any) -> bool:
    """Return whether a recording is samples without a rate of their own."""
    return isinstance(recording, np.ndarray | Tensor | list | tuple)


def _first_channel(samples: Any) -> Any:
    """Return the first channel of samples: (T,), (C, T) or (T, C) -> (T,); the longer axis is time."""
    if isinstance(samples, list | tuple):
        return samples[0] if samples and isinstance(samples[0], list | tuple | np.ndarray | Tensor) else samples
    if samples.ndim != 2:
        return samples
    return samples[0] if samples.shape[0] <= samples.shape[1] else samples[:, 0]
