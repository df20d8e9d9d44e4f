"""Sum a loss over the positions of a prompt, block by block, so that memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor

BLOCK_NUMBERS = 2**21
"""Number of similarities and embedding values in a block: 8 MB in float32, several times that with gradients."""

BlockLoss: TypeAlias = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""Loss of a block of P positions: a function of audio (B, P, D), text (M, P, D), weights (B, P) and a scalar tensor
that returns a tensor without axes."""


def sum_over_positions(block_loss: BlockLoss, audio: Tensor, text: Tensor, weights: Tensor, scalar: Tensor) -> Tensor:
    """Sum a loss over blocks of positions, and free the intermediate results of a block before the next.

    The gradient of each block is computed in the forward pass and stored in place of its graph. It has the size of the
    embeddings; autograd would store several times that, and B·M·S similarities more.

    Args:
        block_loss: loss of a block; positions must be independent of one another.
        audio: (B, S, D); may require a gradient, which has its dtype.
        text: (M, S, D); may require a gradient.
        weights: (B, S), of the dtype to compute in.
        scalar: tensor without axes, such as a temperature; may require a gradient.

    Returns:
        The sum, which can be differentiated once.
    """
    return _SumOverPositions.apply(block_loss, audio, text, weights, scalar)  # pyright: ignore[reportReturnType]


class _SumOverPositions(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, block_loss: BlockLoss, audio: Tensor, text: Tensor, weights: Tensor, scalar: Tensor
    ) -> Tensor:
        """Sum the loss of audio (B, S, D) and text (M, S, D), and store the gradients of the inputs that need one."""
        needed = [ctx.needs_input_grad[index] for index in (1, 2, 4)]
        gradients = [torch.zeros_like(each) for each, need in zip((audio, text, scalar), needed, strict=True) if need]
        total = weights.new_zeros(())
        numbers = len(audio) * len(text) + (len(audio) + len(text)) * audio.shape[2]  # in one position
        for block in torch.arange(audio.shape[1]).split(max(1, BLOCK_NUMBERS // numbers)):
            positions = slice(int(block[0]), int(block[-1]) + 1)
            inputs = [audio[:, positions], text[:, positions], scalar]
            inputs = [each.detach().requires_grad_(need) for each, need in zip(inputs, needed, strict=True)]
            with torch.enable_grad():
                loss = block_loss(inputs[0].to(weights), inputs[1].to(weights), weights[:, positions], inputs[2])
            total += loss.detach()
            leaves = [each for each in inputs if each.requires_grad]
            block_gradients = torch.autograd.grad(loss, leaves) if leaves else ()
            for whole, gradient in zip(gradients, block_gradients, strict=True):
                (whole[:, positions] if whole.ndim else whole).add_(gradient)
        remaining = iter(gradients)
        ctx.gradients = [next(remaining) if need else None for need in needed]
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Scale the stored gradients by the gradient of the sum, and return them.

        Raises:
            RuntimeError: it was called before.
        """
        # In place, and not stored any longer: they are as large as the embeddings.
        stored, ctx.gradients = ctx.gradients, ()
        if not stored:
            raise RuntimeError("backward was called a second time; this loss can be differentiated once")
        audio, text, scalar = (None if each is None else each.mul_(gradients[0]) for each in stored)
        return None, audio, text, None, scalar
