"""Losses that are a sum over the positions of a prompt, in the memory of a few of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor

BLOCK_NUMBERS = 2**21
"""Of similarities and tokens in a block of positions: 8 MB in float32, and a few times that with their gradients."""

Part: TypeAlias = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""Of audio (B, P, D), text (M, P, D), weights (B, P) and a scalar: their part of the loss, a tensor without axes."""


def sum_over_positions(part: Part, audio: Tensor, text: Tensor, weights: Tensor, scalar: Tensor) -> Tensor:
    """The sum of `part` over blocks of positions, each of which is forgotten before the next.

    The gradient of a block is taken with its part, in the forward pass, and kept in place of all that led to it: it is
    as large as the tokens, where what autograd would keep is several times as large, and more by B·M·S.

    Args:
        part: of the loss; positions must not depend on one another.
        audio: (B, S, D), may require its gradient, which comes in its dtype.
        text: (M, S, D), may too.
        weights: (B, S), of the dtype that `part` computes in.
        scalar: without axes, such as a temperature; may too.

    Returns:
        The sum. It can be differentiated once.
    """
    return _SumOverPositions.apply(part, audio, text, weights, scalar)  # pyright: ignore[reportReturnType]


class _SumOverPositions(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, part: Part, audio: Tensor, text: Tensor, weights: Tensor, scalar: Tensor) -> Tensor:
        needed = [ctx.needs_input_grad[index] for index in (1, 2, 4)]
        gradients = [torch.zeros_like(each) for each, need in zip((audio, text, scalar), needed, strict=True) if need]
        total = weights.new_zeros(())
        numbers = len(audio) * len(text) + (len(audio) + len(text)) * audio.shape[2]  # a position's
        for block in torch.arange(audio.shape[1]).split(max(1, BLOCK_NUMBERS // numbers)):
            positions = slice(int(block[0]), int(block[-1]) + 1)
            inputs = [audio[:, positions], text[:, positions], scalar]
            inputs = [each.detach().requires_grad_(need) for each, need in zip(inputs, needed, strict=True)]
            with torch.enable_grad():
                loss = part(inputs[0].to(weights), inputs[1].to(weights), weights[:, positions], inputs[2])
            total += loss.detach()
            leaves = [each for each in inputs if each.requires_grad]
            of_block = torch.autograd.grad(loss, leaves) if leaves else ()
            for whole, gradient in zip(gradients, of_block, strict=True):
                (whole[:, positions] if whole.ndim else whole).add_(gradient)
        held = iter(gradients)
        ctx.gradients = [next(held) if need else None for need in needed]
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        # In place, and given away: they are as large as the tokens.
        held, ctx.gradients = ctx.gradients, ()
        if not held:
            raise RuntimeError("the loss can go backward once only")
        audio, text, scalar = (None if each is None else each.mul_(gradients[0]) for each in held)
        return None, audio, text, None, scalar
