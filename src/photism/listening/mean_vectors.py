"""Vectors that are the mean over time of a layer of Wav2Vec2-BERT."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from photism.audio.feature_settings import FeatureSettings
from photism.audio.log_mel import log_mel
from photism.audio.log_mel_stream import LogMelStream
from photism.audio.long_recording import LongRecording
from photism.audio.waveform import Waveform
from photism.encoder.chunked import encode_chunked, encode_stream, fits_one_pass
from photism.encoder.model import Wav2Vec2BertModel
from photism.listening.vectors import Vector, unit_vectors
from photism.settings import SettingError


class MeanVectors:
    """Means over the tokens of a recording of an encoder's last states, scaled to unit length.

    Args:
        encoder: encoder without an adapter, in evaluation mode.
        features: log-mel features that it expects.
        fingerprint: of the encoder.
    """

    refuses_silence = False

    def __init__(self, encoder: Wav2Vec2BertModel, features: FeatureSettings, *, fingerprint: str = "") -> None:
        self.encoder, self.features, self.fingerprint = encoder, features, fingerprint
        self.width: int = encoder.config.hidden_size

    @torch.no_grad()
    def embed(self, waveforms: Sequence[Waveform]) -> list[Vector]:
        """Return the vectors of waveforms of similar length."""
        fits = fits_one_pass(self.encoder, waveforms, stride=self.features.stride)
        groups = [waveforms] if fits else [[waveform] for waveform in waveforms]
        means = torch.cat([self._means(group) for group in groups])
        return [Vector(row) for row in unit_vectors(means, self.encoder.dtype)]

    @torch.no_grad()
    def embed_long(self, recording: LongRecording, on_progress: Callable[[float], None]) -> Vector:
        """Return the vector of a recording that is read in blocks."""
        log_mels = LogMelStream.measure(
            recording,
            num_mel_bins=self.features.num_mel_bins,
            stride=self.features.stride,
            device=self.encoder.device,
        )
        blocks = encode_stream(self.encoder, log_mels, on_progress=on_progress)
        return Vector(unit_vectors(_mean_of_blocks(blocks), self.encoder.dtype)[0])

    def _means(self, waveforms: Sequence[Waveform]) -> Tensor:
        """Return the means (B, D) of waveforms that fit into memory together, or of a single one of any length."""
        features, mask = log_mel(
            waveforms,
            num_mel_bins=self.features.num_mel_bins,
            stride=self.features.stride,
            device=self.encoder.device,
        )
        if len(waveforms) == 1:
            return encode_chunked(self.encoder, features[:, : int(mask.sum())]).last_hidden_state.float().mean(1)
        states = self.encoder(features.to(self.encoder.dtype), attention_mask=mask).last_hidden_state.float()
        return states.sum(1) / mask.sum(1, keepdim=True)  # states are zero at padding


def layer_index(layer: int, *, count: int) -> int:
    """Return the index of a layer, counted from 0.

    Args:
        layer: index of `hidden_states` as transformers counts them: 0 enters the first layer; from the end if negative.
        count: number of layers.

    Raises:
        SettingError: there is no such layer.
    """
    if not -count - 1 <= layer <= count:
        raise SettingError("layer", f"must be from {-count - 1} to {count} for this model; got {layer}")
    return layer % (count + 1)


def _mean_of_blocks(blocks: Iterable[Tensor]) -> Tensor:
    """Return the mean (1, D) over all tokens of states (1, f, D) that come in blocks."""
    total, count = torch.zeros(1, dtype=torch.float64), 0
    for block in blocks:
        total = total + block.float().sum(1).cpu().double()
        count += block.shape[1]
    return total / count
