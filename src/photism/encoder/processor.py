"""Feature extractor that computes log-mel tokens, and processor that combines it with a tokenizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import transformers
from transformers import BatchFeature
from transformers.feature_extraction_sequence_utils import SequenceFeatureExtractor

from photism.audio.log_mel import log_mel
from photism.audio.waveform import SAMPLING_RATE, AudioSource, load_waveform
from photism.errors import InputError

SAVED_AS = "SeamlessM4TFeatureExtractor"
"""Type of the extractor in `preprocessor_config.json`, with which transformers can load it too."""


class Wav2Vec2BertFeatureExtractor(SequenceFeatureExtractor):
    """Log-mel tokens by `log_mel`, with the settings and files of transformers' `SeamlessM4TFeatureExtractor`.

    Args:
        feature_size, num_mel_bins: number of mel filters; both must be the same.
        sampling_rate: 16000.
        padding_value: value of padding.
        stride: frames of 10 ms in a token.
        device: where to compute; by default the CPU, or the device of a tensor.
        kwargs: further entries of a `preprocessor_config.json`.

    Raises:
        InputError: the rate is not 16 kHz.
    """

    model_input_names = ("input_features", "attention_mask")

    def __init__(
        self,
        *,
        feature_size: int = 80,
        sampling_rate: int = SAMPLING_RATE,
        num_mel_bins: int = 80,
        padding_value: float = 0.0,
        stride: int = 2,
        device: torch.device | str | None = None,
        **kwargs: Any,
    ) -> None:
        if sampling_rate != SAMPLING_RATE:
            raise InputError(f"sampling_rate must be {SAMPLING_RATE}, the rate of the mel filters; got {sampling_rate}")
        kwargs.pop("feature_extractor_type", None)
        self.num_mel_bins, self.stride, self.device = num_mel_bins, stride, device
        self.return_attention_mask = True
        super().__init__(feature_size=feature_size, sampling_rate=sampling_rate, padding_value=padding_value, **kwargs)

    def __call__(
        self,
        raw_speech: AudioSource | Sequence[AudioSource],
        *,
        sampling_rate: int | None = None,
        padding: bool | str = True,
        return_tensors: str | None = None,
        return_attention_mask: bool | None = None,
        do_normalize_per_mel_bins: bool = True,
        device: torch.device | str | None = None,
    ) -> BatchFeature:
        """Compute the encoder's input for recordings.

        Args:
            raw_speech: a recording or a list of recordings: samples, or anything else that `load_waveform` takes.
            sampling_rate: sampling rate of samples in Hz; any but 16000 is resampled. By default 16000.
            padding: False for a list of arrays of different lengths.
            return_tensors: "pt" or "np"; by default lists of arrays.
            return_attention_mask: False for no mask.
            do_normalize_per_mel_bins: normalise each bin of each recording to mean 0 and variance 1.
            device: where to compute.

        Returns:
            `input_features` float32 (B, F, num_mel_bins * stride) and `attention_mask` int64 (B, F).

        Raises:
            InputError: a recording is unreadable, or an array may be several recordings.
        """
        features, mask = log_mel(
            [load_waveform(recording, **self._rate(recording, sampling_rate)) for recording in _recordings(raw_speech)],
            num_mel_bins=self.num_mel_bins,
            stride=self.stride,
            normalize=do_normalize_per_mel_bins,
            padding_value=self.padding_value,
            device=device or self.device,
        )
        lengths = mask.sum(1).tolist()
        data: dict[str, Any] = {"input_features": features, "attention_mask": mask}
        if padding in (False, "do_not_pad"):
            data = {
                key: [row[:length].cpu().numpy() for row, length in zip(value, lengths, strict=True)]
                for key, value in data.items()
            }
        elif return_tensors != "pt":
            data = {key: value.cpu().numpy() for key, value in data.items()}
        if return_attention_mask is False:
            data.pop("attention_mask")
        return BatchFeature(data, tensor_type=None if padding in (False, "do_not_pad") else return_tensors)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings that are saved, without the device of this machine."""
        settings = super().to_dict() | {"feature_extractor_type": SAVED_AS}
        settings.pop("device", None)
        return settings

    def _rate(self, recording: AudioSource, sampling_rate: int | None) -> dict[str, Any]:
        """Return the argument `sampling_rate` for samples; files, mappings and waveforms have their own."""
        if isinstance(recording, np.ndarray | torch.Tensor | list | tuple):
            return {"sampling_rate": sampling_rate or self.sampling_rate}
        return {}


class Wav2Vec2BertProcessor(transformers.Wav2Vec2BertProcessor):
    """transformers' processor with Photism's feature extractor: recordings to features, texts to labels."""

    def __init__(self, feature_extractor: Any, tokenizer: Any) -> None:
        if not isinstance(feature_extractor, Wav2Vec2BertFeatureExtractor):
            feature_extractor = Wav2Vec2BertFeatureExtractor(**feature_extractor.to_dict())
        super().__init__(feature_extractor, tokenizer)


def _recordings(raw_speech: AudioSource | Sequence[AudioSource]) -> Sequence[AudioSource]:
    if isinstance(raw_speech, np.ndarray | torch.Tensor):
        if raw_speech.ndim != 1:
            raise InputError(
                f"raw_speech of shape {tuple(raw_speech.shape)} may be several recordings or the channels of one; "
                "give a list of recordings"
            )
        return [raw_speech]
    if isinstance(raw_speech, list | tuple):
        if not raw_speech:
            raise InputError("raw_speech must have at least one recording; got none")
        return [raw_speech] if isinstance(raw_speech[0], int | float) else raw_speech
    if isinstance(raw_speech, Mapping) or not isinstance(raw_speech, Sequence):
        return [raw_speech]
    return [raw_speech]
