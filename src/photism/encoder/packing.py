"""Batches without padding (“unpadded”, “variable length”), whose cost is the sum of the clips' lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from photism.encoder.tracing import has_values
from photism.errors import InputError


@dataclass(frozen=True)
class PackedBatch:
    """The positions of a batch's tokens: packs (B, F, D) to (N, D), clip after clip without padding, and unpacks them.

    Every layer works on (N, D). Only attention and convolution depend on where clips start and end, and `split` the
    tokens into clips.

    Attributes:
        batch: B.
        frames: F.
        lengths: tokens of each clip, or None if every clip has F tokens.
        starts: first token of each clip among its F positions if there are `lengths`; above 0 for padding on the left.
        index: int64 (N,), positions of the tokens among the B * F if there are `lengths`.
        mask: bool (B, F), true for a token, if padding stays between the tokens, since the lengths cannot be read, as
            in a traced graph; N is B * F then.
    """

    batch: int
    frames: int
    lengths: tuple[int, ...] | None = None
    starts: tuple[int, ...] = ()
    index: Tensor | None = None
    mask: Tensor | None = None

    @classmethod
    def from_mask(cls, batch: int, frames: int, attention_mask: Tensor | None) -> PackedBatch:
        """Read the positions of a batch's tokens from its mask.

        Args:
            batch: B.
            frames: F.
            attention_mask: (B, F), 1 for a token and 0 for padding, left or right; None for no padding.

        Raises:
            InputError: the mask has another shape, a clip without a token, or padding within a clip.
        """
        if attention_mask is None:
            return cls(batch, frames)
        if attention_mask.shape != (batch, frames):
            raise InputError(
                f"attention_mask must be {(batch, frames)}, one value for each token; got {tuple(attention_mask.shape)}"
            )
        valid = attention_mask.bool()
        if not has_values(valid):
            return cls(batch, frames, mask=valid)
        lengths = tuple(valid.sum(1).tolist())
        if all(length == frames for length in lengths):
            return cls(batch, frames)
        if min(lengths) == 0:
            raise InputError(f"attention_mask must have a token in each clip; clip {lengths.index(0)} has none")
        edges = (valid[:, 1:] != valid[:, :-1]).sum(1)
        if int(edges.max()) > 1:
            raise InputError(
                f"attention_mask must pad a clip at one end; clip {int(edges.argmax())} has padding within or at both"
            )
        starts = tuple(valid.int().argmax(1).tolist())
        return cls(batch, frames, lengths, starts, valid.flatten().nonzero()[:, 0])

    @property
    def clip_lengths(self) -> tuple[int, ...]:
        """Number of tokens in each clip."""
        return self.lengths or (self.frames,) * self.batch

    @property
    def longest(self) -> int:
        """Number of tokens in the longest clip."""
        return max(self.lengths) if self.lengths else self.frames

    def pack(self, tokens: Tensor) -> Tensor:
        """Remove the padding: (B, F, D) -> (N, D)."""
        tokens = tokens.flatten(0, 1)  # (B, F, D) -> (B * F, D)
        return tokens if self.index is None else tokens.index_select(0, self.index)

    def unpack(self, tokens: Tensor) -> Tensor:
        """Restore the padding as zeros: (N, D) -> (B, F, D)."""
        if self.index is not None:
            padded = tokens.new_zeros(self.batch * self.frames, tokens.shape[1])
            tokens = padded.index_copy(0, self.index, tokens)
        tokens = tokens.unflatten(0, (self.batch, self.frames))
        return tokens if self.mask is None else tokens.masked_fill(~self.mask[..., None], 0)

    def split(self, tokens: Tensor) -> Sequence[Tensor]:
        """Split (N, …) tokens into clips: one (B, F, …) if all have the same length, or else (1, L, …) for each."""
        if self.lengths is None:
            return [tokens.unflatten(0, (self.batch, self.frames))]
        return [clip[None] for clip in tokens.split(self.lengths)]

    def join(self, clips: Sequence[Tensor]) -> Tensor:
        """Concatenate the clips that `split` returned: -> (N, …)."""
        parts = [clip.flatten(0, 1) for clip in clips]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def positions(self, device: torch.device) -> Tensor:
        """Return the position of each token in its clip: int64 (N,)."""
        if self.lengths is None:
            return torch.arange(self.frames, device=device).repeat(self.batch)
        return torch.cat([torch.arange(length, device=device) for length in self.lengths])
