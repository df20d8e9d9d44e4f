"""Encoder states of recordings of any length, as a head of Wav2Vec2-BERT reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from photism.audio.log_mel import log_mel
from photism.audio.log_mel_stream import LogMelStream
from photism.audio.long_recording import LongRecording
from photism.audio.waveform import Waveform
from photism.cancellation import check_cancelled
from photism.encoder.chunked import StateStream, encode_chunked, encode_stream, max_exact_tokens
from photism.encoder.heads import encode


def extract_features(model: Any, extractor: Any, waveforms: Sequence[Waveform]) -> tuple[Tensor, Tensor]:
    """Return log-mel tokens (B, F, D) in the model's dtype and their mask (B, F), on its device.

    Args:
        model: a Wav2Vec2-BERT with a head.
        extractor: its feature extractor.
        waveforms: B recordings.
    """
    features, mask = log_mel(
        waveforms,
        num_mel_bins=extractor.num_mel_bins,
        stride=extractor.stride,
        padding_value=extractor.padding_value,
        device=model.device,
    )
    return features.to(model.dtype), mask


def encode_windows(model: Any, features: Tensor) -> Tensor:
    """Return the states (1, F, D) that a head reads of one recording, encoded in overlapping windows.

    Args:
        model: a Wav2Vec2-BERT with a head, which may read a weighted sum of the layers.
        features: log-mel tokens (1, F, ·) of the recording, without padding.
    """
    states, _ = encode_chunked(
        model.wav2vec2_bert, features, encode=lambda window: encode(model, window, None, None, None)[0]
    )
    return states


def stream_states(
    model: Any, extractor: Any, recording: LongRecording, *, on_progress: Callable[[float], None] | None = None
) -> StateStream:
    """Return the states that a head reads of a recording that is read block by block.

    Args:
        model: a Wav2Vec2-BERT with a head.
        extractor: its feature extractor.
        recording: the recording.
        on_progress: called after each window with the seconds that are encoded.
    """
    log_mels = LogMelStream.measure(
        recording, num_mel_bins=extractor.num_mel_bins, stride=extractor.stride, device=model.device
    )
    return encode_stream(
        model.wav2vec2_bert,
        log_mels,
        encode=lambda window: encode(model, window, None, None, None)[0],
        on_progress=on_progress,
    )


def encode_recordings(model: Any, extractor: Any, waveforms: Sequence[Waveform]) -> tuple[Tensor, Tensor]:
    """Return the states (B, F, D) that a head reads, and the number of valid tokens of each recording, int64 (B,).

    Args:
        model: a Wav2Vec2-BERT with a head.
        extractor: its feature extractor.
        waveforms: recordings that fit into memory together, or a single one of any length.
    """
    check_cancelled()
    features, mask = extract_features(model, extractor, waveforms)
    lengths = mask.sum(1)
    if len(waveforms) > 1 or features.shape[1] <= max_exact_tokens(model.wav2vec2_bert):
        return encode(model, features, mask, None, None)[0], lengths
    return encode_windows(model, features[:, : int(lengths)]), lengths
