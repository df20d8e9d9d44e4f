"""Linear layers in int8 on the CPU, with a scale for each output channel of the weights and for each token.

Quantisation is symmetric and vector-wise, as in LLM.int8() (https://arxiv.org/abs/2208.07339, section 2), without its
exception for outlier channels. The matrix product is torch's int8 GEMM, exact in int32.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from photism.encoder.conformer import PointwiseConvolution
from photism.encoder.module_copy import Module, copy_modules

LARGEST = 127  # of a symmetric int8


class Int8Linear(nn.Module):
    """A linear layer with quantised weights (out, in), without gradients."""

    weight: Tensor
    scale: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        scale = weight.detach().abs().amax(1, keepdim=True).clamp(min=torch.finfo(weight.dtype).tiny) / LARGEST
        self.register_buffer("weight", (weight.detach() / scale).round().to(torch.int8))
        self.register_buffer("scale", scale[:, 0])
        self.register_buffer("bias", None if bias is None else bias.detach())

    def forward(self, input: Tensor) -> Tensor:
        """Apply the layer: (…, in) -> (…, out)."""
        tokens = input.flatten(0, -2)
        scale = tokens.abs().amax(1, keepdim=True).clamp(min=torch.finfo(tokens.dtype).tiny) / LARGEST
        product = torch.ops.aten._int_mm((tokens / scale).round().to(torch.int8), self.weight.T)
        output = product.to(tokens.dtype).mul_(scale).mul_(self.scale)
        if self.bias is not None:
            output += self.bias
        return output.unflatten(0, input.shape[:-1])


class Int8PointwiseConvolution(Int8Linear):
    """A pointwise convolution with quantised weights, without gradients."""

    def __init__(self, convolution: PointwiseConvolution) -> None:
        super().__init__(convolution.weight.squeeze(-1), convolution.bias)

    def forward(self, input: Tensor) -> Tensor:
        """Apply the convolution: (B, C, L) -> (B, out, L)."""
        return super().forward(input.transpose(1, 2)).transpose(1, 2)


def quantize_int8(model: Module) -> Module:
    """Return a copy of a model whose linear layers and pointwise convolutions are computed in int8.

    The copy shares all other tensors with the model, which is not changed.
    """
    return copy_modules(model, _quantized)


def _quantized(module: nn.Module) -> nn.Module | None:
    if isinstance(module, PointwiseConvolution):
        return Int8PointwiseConvolution(module)
    return Int8Linear(module.weight, module.bias) if isinstance(module, nn.Linear) else None
