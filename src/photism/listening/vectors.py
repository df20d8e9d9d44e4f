"""Vectors of recordings: what a model has to compute for `AudioEmbedder`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from photism.audio.long_recording import LongRecording
from photism.audio.waveform import Waveform
from photism.display.short_repr import short_repr
from photism.finite import check_finite
from photism.listening.zero_shot import RankedCaption


@dataclass(frozen=True)
class Vector:
    """Vector of a recording or window.

    Attributes:
        values: float32 (D,) of unit length.
        known: whether the model knows the sound; None if it cannot tell.
        captions: the nearest captions, nearest first, if a model of prompts ranks them.
    """

    values: NDArray[np.float32]
    known: bool | None = None
    captions: tuple[RankedCaption, ...] = ()

    def __repr__(self) -> str:
        return short_repr(self)


class VectorModel(Protocol):
    """A model that computes vectors, which do not depend on the batch."""

    width: int
    """D, width of a vector."""
    fingerprint: str
    """16 hexadecimal digits: of all that determines a vector, but for device and dtype."""
    refuses_silence: bool
    """Whether a recording in which there is nothing to hear has no vector."""

    def embed(self, waveforms: Sequence[Waveform]) -> list[Vector]:
        """Return the vectors of waveforms of similar length."""
        ...

    def embed_long(self, recording: LongRecording, on_progress: Callable[[float], None]) -> Vector:
        """Return the vector of a recording that is read in blocks; the callback takes the seconds processed so far."""
        ...


def unit_vectors(embeddings: Tensor, dtype: torch.dtype) -> NDArray[np.float32]:
    """Scale embeddings (B, D) to unit length, as float32 on the CPU.

    Raises:
        NotFiniteError: one is not finite, from a model of this dtype, or its length overflows or is 0.
    """
    embeddings = embeddings.float()
    lengths = embeddings.norm(dim=1, keepdim=True)
    check_finite(lengths, "embeddings", dtype)
    check_finite(lengths.log(), "logarithms of the lengths of the embeddings", dtype)  # of 0, which has no direction
    return normalize(embeddings, dim=1).cpu().numpy()
