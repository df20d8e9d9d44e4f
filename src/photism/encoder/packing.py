"""Where the tokens of a batch lie: without its padding, so that a batch costs the sum of its lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from photism.errors import InputError


@dataclass(frozen=True)
class Layout:
    """How (B, F) tokens become (N, D) ones, clip after clip, and back.

    Every layer works on (N, D). Only attention and convolution need to know where a clip begins and ends: they ask for
    its `segments`.

    Attributes:
        batch: B.
        frames: F.
        lengths: of each clip in tokens, where they differ; None where every clip fills its F tokens.
        starts: of each clip among its F tokens, where `lengths` are given: above 0 where padding is on the left.
        index: int64 (N,), places of the tokens among the B * F, where `lengths` are given.
        mask: bool (B, F), true for a token, where padding stays among the tokens since a traced graph cannot depend on
            the lengths; N is B * F then.
    """

    batch: int
    frames: int
    lengths: tuple[int, ...] | None = None
    starts: tuple[int, ...] = ()
    index: Tensor | None = None
    mask: Tensor | None = None

    @classmethod
    def of(cls, batch: int, frames: int, attention_mask: Tensor | None) -> Layout:
        """The layout of a batch.

        Args:
            batch: B.
            frames: F.
            attention_mask: (B, F), 1 for a token and 0 for padding, left or right; None where there is none.

        Raises:
            InputError: the mask has another shape, a clip without a token, or padding within a clip.
        """
        if attention_mask is None:
            return cls(batch, frames)
        if attention_mask.shape != (batch, frames):
            raise InputError(
                f"attention_mask must be {(batch, frames)}, a number for each token; got {tuple(attention_mask.shape)}"
            )
        valid = attention_mask.bool()
        if torch.compiler.is_compiling():
            return cls(batch, frames, mask=valid)
        lengths = tuple(valid.sum(1).tolist())
        if all(length == frames for length in lengths):
            return cls(batch, frames)
        if min(lengths) == 0:
            raise InputError(f"attention_mask must leave each clip a token; clip {lengths.index(0)} has none")
        edges = (valid[:, 1:] != valid[:, :-1]).sum(1)
        if int(edges.max()) > 1:
            raise InputError(
                f"attention_mask must pad a clip at one end; clip {int(edges.argmax())} has padding within or at both"
            )
        starts = tuple(valid.int().argmax(1).tolist())
        return cls(batch, frames, lengths, starts, valid.flatten().nonzero()[:, 0])

    @property
    def clip_lengths(self) -> tuple[int, ...]:
        """Tokens of each clip."""
        return self.lengths or (self.frames,) * self.batch

    def pack(self, tokens: Tensor) -> Tensor:
        """(B, F, D) -> (N, D)."""
        tokens = tokens.flatten(0, 1)
        return tokens if self.index is None else tokens.index_select(0, self.index)

    def unpack(self, tokens: Tensor) -> Tensor:
        """(N, D) -> (B, F, D), zero where there is padding."""
        if self.index is not None:
            padded = tokens.new_zeros(self.batch * self.frames, tokens.shape[1])
            tokens = padded.index_copy(0, self.index, tokens)
        tokens = tokens.unflatten(0, (self.batch, self.frames))
        return tokens if self.mask is None else tokens.masked_fill(~self.mask[..., None], 0)

    def segments(self, tokens: Tensor) -> Sequence[Tensor]:
        """(N, …) -> clips of one length together: one (B, F, …), or (1, L, …) for each clip."""
        if self.lengths is None:
            return [tokens.unflatten(0, (self.batch, self.frames))]
        return [clip[None] for clip in tokens.split(self.lengths)]

    def join(self, segments: Sequence[Tensor]) -> Tensor:
        """What `segments` parted: -> (N, …)."""
        parts = [segment.flatten(0, 1) for segment in segments]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def positions(self, device: torch.device) -> Tensor:
        """Each token's place in its clip: int64 (N,)."""
        return torch.cat([torch.arange(length, device=device) for length in self.clip_lengths])
