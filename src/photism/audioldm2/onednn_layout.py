"""Convolutions on a CPU in the memory layout in which oneDNN is fastest, with equal results up to rounding.

On the AMD EPYC that was measured (benchmarks/README.md), oneDNN computes with channels-last memory up to a third faster
than with contiguous channels, except for few positions: then most of what it reads are weights, which it reorders in
each call.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from photism.encoder.onednn import Linear, linear

FEW_POSITIONS = 512
"""Positions of a batch up to which channels stay contiguous."""


@contextmanager
def use_onednn(model: nn.Module) -> Generator[None]:
    """Compute a float32 model on a CPU with the layers of this module until the end of the block.

    The convolutions then take batched input only. A model on another device or in another data type does not change,
    nor any without oneDNN.
    """
    replaced = list(_replacements(model))
    try:
        for module, _, layer_class in replaced:
            module.__class__ = layer_class
        yield
    finally:
        for module, own_class, _ in replaced:
            module.__class__ = own_class


def _replacements(model: nn.Module) -> Iterator[tuple[nn.Module, type[nn.Module], type[nn.Module]]]:
    """Yield the layers that have a faster class, each with its own class and that one."""
    if not torch.backends.mkldnn.is_available():
        return
    for module in model.modules():
        weight = getattr(module, "weight", None)
        # Weights of another type, such as quantized ones, have products of their own.
        if type(weight) is not nn.Parameter or weight.device.type != "cpu" or weight.dtype != torch.float32:
            continue
        if type(module) is nn.Linear:
            yield module, nn.Linear, Linear
        if not isinstance(module, nn.Conv1d | nn.Conv2d) or module.groups > 1 or module.padding_mode != "zeros":
            continue
        if type(module) is nn.Conv1d:
            yield module, nn.Conv1d, SequenceConv
        elif type(module) is nn.Conv2d:
            is_pointwise = (module.kernel_size, module.stride, module.padding) == ((1, 1), (1, 1), (0, 0))
            yield module, nn.Conv2d, PointwiseConv if is_pointwise else SpatialConv


class PointwiseConv(nn.Conv2d):
    """Convolution with a kernel of one position, computed as a linear layer over the channels."""

    def forward(self, input: Tensor) -> Tensor:
        """Convolve (B, in, H, W) -> (B, out, H, W)."""
        weight = self.weight[:, :, 0, 0]  # (out, in, 1, 1) -> (out, in)
        # (B, in, H, W) -> (B, H, W, out) -> (B, out, H, W)
        return linear(input.permute(0, 2, 3, 1), weight, self.bias).permute(0, 3, 1, 2)


class SpatialConv(nn.Conv2d):
    """Two-dimensional convolution in the faster memory layout."""

    def forward(self, input: Tensor) -> Tensor:
        """Convolve (B, in, H, W) -> (B, out, H', W')."""
        return super().forward(_in_faster_layout(input))


class SequenceConv(nn.Conv1d):
    """One-dimensional convolution, computed as a two-dimensional one of height 1, which may have channels last."""

    def forward(self, input: Tensor) -> Tensor:
        """Convolve (B, in, L) -> (B, out, L')."""
        image, weight = _in_faster_layout(input.unsqueeze(2)), self.weight.unsqueeze(2)
        padding = self.padding if isinstance(self.padding, str) else (0, *self.padding)
        return conv2d(image, weight, self.bias, (1, *self.stride), padding, (1, *self.dilation)).squeeze(2)


def _in_faster_layout(image: Tensor) -> Tensor:
    batch, _, height, width = image.shape
    few = batch * height * width <= FEW_POSITIONS
    return image.contiguous(memory_format=torch.contiguous_format if few else torch.channels_last)
