"""Batches without padding (“unpadded”, “variable length”), whose cost is the sum of the clips' lengths."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import pad

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
        index: int64 (N,), positions of the tokens among the B * F if there are `lengths`.
        mask: bool (B, F), true for a token, if padding stays between the tokens; N is B * F then.
    """

    batch: int
    frames: int
    lengths: tuple[int, ...] | None = None
    index: Tensor | None = None
    mask: Tensor | None = None

    @classmethod
    def from_mask(
        cls, batch: int, frames: int, attention_mask: Tensor | None, *, keep_padding: bool = False
    ) -> PackedBatch:
        """Read the positions of a batch's tokens from its mask.

        Padding stays between the tokens if `keep_padding`, if the mask has no values, as in a traced graph, and if the
        tokens of a clip are not next to each other: a token within a clip that is masked then keeps its position, and
        no other token depends on it.

        Args:
            batch: B.
            frames: F.
            attention_mask: (B, F), 1 for a token and 0 for padding; None for no padding.
            keep_padding: compute padding as well.

        Raises:
            InputError: the mask has another shape.
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
        if keep_padding:
            return cls(batch, frames, mask=valid)
        begins = valid & ~pad(valid, (1, -1))  # the first token of each run
        if bool((begins.sum(1) != 1).any()):
            warnings.warn(
                "attention_mask has padding between the tokens of a clip, or a clip without tokens; such a batch is "
                "computed with its padding, slowly and in memory quadratic in the length",
                stacklevel=2,
            )
            return cls(batch, frames, mask=valid)
        return cls(batch, frames, lengths, valid.flatten().nonzero()[:, 0])

    @property
    def clip_lengths(self) -> tuple[int, ...]:
        """Number of tokens in each clip."""
        return self.lengths or (self.frames,) * self.batch

    @property
    def longest(self) -> int:
        """Number of tokens in the longest clip."""
        return max(self.lengths) if self.lengths else self.frames

    def pack(self, tokens: Tensor) -> Tensor:
        """Remove the padding, or set it to 0 if it stays: (B, F, D) -> (N, D)."""
        tokens = self._clear_padding(tokens).flatten(0, 1)  # (B, F, D) -> (B * F, D)
        return tokens if self.index is None else tokens.index_select(0, self.index)

    def unpack(self, tokens: Tensor) -> Tensor:
        """Restore the padding as zeros: (N, D) -> (B, F, D)."""
        if self.index is not None:
            padded = tokens.new_zeros(self.batch * self.frames, tokens.shape[1])
            tokens = padded.index_copy(0, self.index, tokens)
        return self._clear_padding(tokens.unflatten(0, (self.batch, self.frames)))

    def split(self, tokens: Tensor) -> Sequence[Tensor]:
        """Split (N, …) tokens into clips: one (B, F, …) if all have the same length, or else (1, L, …) for each."""
        if self.lengths is None:
            return [tokens.unflatten(0, (self.batch, self.frames))]
        return [clip[None] for clip in tokens.split(self.lengths)]

    def join(self, clips: Sequence[Tensor]) -> Tensor:
        """Concatenate the clips that `split` returned: -> (N, …)."""
        parts = [clip.flatten(0, 1) for clip in clips]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    @cached_property
    def clips(self) -> Tensor:
        """Number of the clip of each token, int64 (N,); computed once for all layers, if there are `lengths`."""
        if self.lengths is None or self.index is None:
            raise ValueError("clips of one length, or with their padding, are not numbered")
        device = self.index.device
        number, lengths = torch.arange(self.batch, device=device), torch.tensor(self.lengths, device=device)
        return number.repeat_interleave(lengths, output_size=len(self.index))

    def positions(self, device: torch.device) -> Tensor:
        """Return the position of each token, counted from the first of its clip: int64 (N,)."""
        if self.lengths is not None:
            starts = torch.tensor((0, *self.lengths[:-1]), device=device).cumsum(0)
            return torch.arange(sum(self.lengths), device=device) - starts[self.clips.to(device)]
        position = torch.arange(self.frames, device=device)
        if self.mask is None:
            return position.repeat(self.batch)
        return (position - self.mask.int().argmax(1)[:, None]).flatten()

    def _clear_padding(self, tokens: Tensor) -> Tensor:
        """Set padding that stays to 0: (B, F, D) -> (B, F, D)."""
        return tokens if self.mask is None else tokens.masked_fill(~self.mask[..., None], 0)


def move_left(states: Tensor, attention_mask: Tensor) -> Tensor:
    """Move the tokens of each clip to its first positions, in their order.

    Args:
        states: (B, F, D).
        attention_mask: (B, F), 1 for a token and 0 for padding.

    Returns:
        (B, F, D), with the states of padding behind those of the tokens.
    """
    valid = attention_mask.bool()
    if has_values(valid) and not bool((valid[:, 1:] & ~valid[:, :-1]).any()):
        return states
    position = torch.arange(states.shape[1], device=valid.device)
    order = torch.where(valid, position, position + states.shape[1]).argsort(1)
    return states.gather(1, order[..., None].expand_as(states))
