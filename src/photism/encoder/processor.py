"""Log-mel as a feature extractor that is saved and loaded, and the processor that joins it with a tokenizer."""

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
"""What a `preprocessor_config.json` calls the extractor of Wav2Vec2-BERT, so that transformers loads ours too."""


class Wav2Vec2BertFeatureExtractor(SequenceFeatureExtractor):
    """Log-mel tokens of sounds, with transformers' settings and files (`SeamlessM4TFeatureExtractor`), by `log_mel`.

    Args:
        feature_size, num_mel_bins: mel filters, the same number.
        sampling_rate: 16000.
        padding_value: content of the positions that are padding.
        stride: frames of 10 ms in a token.
        device: where to compute; by default on the processor, or where tensors are.
        kwargs: further entries of a `preprocessor_config.json`.

    Raises:
        InputError: a rate other than 16 kHz.
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
            raise InputError(f"sampling_rate must be {SAMPLING_RATE}, which the mel filters are made for")
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
        """Turns sounds into what the encoder takes.

        Args:
            raw_speech: one sound, or a list of them: samples, or anything else that `load_waveform` takes.
            sampling_rate: of samples, in Hz; others than 16000 are resampled. None is 16000 for samples.
            padding: False for a list of arrays of different lengths.
            return_tensors: "pt" or "np"; by default lists of arrays.
            return_attention_mask: False to leave the mask out.
            do_normalize_per_mel_bins: bring each bin of each sound to mean 0 and variance 1.
            device: where to compute.

        Returns:
            `input_features` float32 (B, F, num_mel_bins * stride) and `attention_mask` int64 (B, F).

        Raises:
            InputError: a sound that cannot be read, or several in one array.
        """
        features, mask = log_mel(
            [load_waveform(sound, **self._rate(sound, sampling_rate)) for sound in _sounds(raw_speech)],
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
        """What is saved: nothing of this machine."""
        settings = super().to_dict() | {"feature_extractor_type": SAVED_AS}
        settings.pop("device", None)
        return settings

    def _rate(self, sound: AudioSource, sampling_rate: int | None) -> dict[str, Any]:
        """Samples need their rate; files, mappings and waveforms bring their own."""
        if isinstance(sound, np.ndarray | torch.Tensor | list | tuple):
            return {"sampling_rate": sampling_rate or self.sampling_rate}
        return {}


class Wav2Vec2BertProcessor(transformers.Wav2Vec2BertProcessor):
    """transformers' processor with our feature extractor: sounds to features, texts to labels."""

    def __init__(self, feature_extractor: Any, tokenizer: Any) -> None:
        if not isinstance(feature_extractor, Wav2Vec2BertFeatureExtractor):
            feature_extractor = Wav2Vec2BertFeatureExtractor(**feature_extractor.to_dict())
        super().__init__(feature_extractor, tokenizer)


def _sounds(raw_speech: AudioSource | Sequence[AudioSource]) -> Sequence[AudioSource]:
    if isinstance(raw_speech, np.ndarray | torch.Tensor):
        if raw_speech.ndim != 1:
            raise InputError(
                f"raw_speech of shape {tuple(raw_speech.shape)} may be several sounds or the channels of one; "
                "give a list of sounds"
            )
        return [raw_speech]
    if isinstance(raw_speech, list | tuple):
        if not raw_speech:
            raise InputError("raw_speech must hold at least one sound; got none")
        return [raw_speech] if isinstance(raw_speech[0], int | float) else raw_speech
    if isinstance(raw_speech, Mapping) or not isinstance(raw_speech, Sequence):
        return [raw_speech]
    return [raw_speech]
