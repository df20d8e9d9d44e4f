"""Speaker embeddings (x-vectors) of recordings of any length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from photism.audio.long_recording import LongRecording
from photism.audio.waveform import Waveform
from photism.encoder.chunked import fits_one_pass
from photism.encoder.x_vector import Wav2Vec2BertForXVector
from photism.listening.head_states import encode_recordings, stream_states
from photism.listening.vectors import Vector, unit_vectors


class XVectors:
    """X-vectors of unit length: their dot products are cosines.

    A recording in which there is nothing to hear has none: it would be as close to that of any other such recording as
    two of one voice are.

    Args:
        model: a model of x-vectors, in evaluation mode.
        extractor: its feature extractor.
        fingerprint: of the model.
    """

    refuses_silence = True

    def __init__(self, model: Wav2Vec2BertForXVector, extractor: Any, *, fingerprint: str = "") -> None:
        self.model, self.extractor, self.fingerprint = model, extractor, fingerprint
        self.width: int = model.config.xvector_output_dim

    @torch.no_grad()
    def embed(self, waveforms: Sequence[Waveform]) -> list[Vector]:
        """Return the x-vectors of waveforms of similar length."""
        fits = fits_one_pass(self.model.wav2vec2_bert, waveforms, stride=self.extractor.stride)
        groups = [waveforms] if fits else [[waveform] for waveform in waveforms]
        rows = [self.model.embed(*encode_recordings(self.model, self.extractor, group)).float() for group in groups]
        return [Vector(row) for row in unit_vectors(torch.cat(rows), self.model.dtype)]

    @torch.no_grad()
    def embed_long(self, recording: LongRecording, on_progress: Callable[[float], None]) -> Vector:
        """Return the x-vector of a recording that is read in blocks."""
        blocks = stream_states(self.model, self.extractor, recording, on_progress=on_progress)
        return Vector(unit_vectors(self.model.embed_blocks(blocks), self.model.dtype)[0])
