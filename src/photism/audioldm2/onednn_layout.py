"""Convolutions on a CPU in the memory layout in which oneDNN is fastest, with equal results up to rounding.

On the AMD EPYC that was measured (benchmarks/README.md), oneDNN computes with channels-last memory up to a third faster
than with contiguous channels, except for few positions: then most of what it reads are weights, which it reorders in
each call.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from photism.encoder.onednn import Linear, linear

FEW_POSITIONS = 512
"""Positions of a batch up to which channels stay contiguous."""


def use_onednn(model: nn.Module) -> None:
    """Replace the linear layers and convolutions of a float32 model by those of this module, in place.

    The convolutions then take batched input only. Without oneDNN the model does not change.
    """
    if not torch.backends.mkldnn.is_available():
        return
    for module in model.modules():
        if type(module) is nn.Linear:
            module.__class__ = Linear
        if not isinstance(module, nn.Conv1d | nn.Conv2d) or module.groups > 1 or module.padding_mode != "zeros":
            continue
        if type(module) is nn.Conv1d:
            module.__class__ = SequenceConv
        elif type(module) is nn.Conv2d:
            is_pointwise = (module.kernel_size, module.stride, module.padding) == ((1, 1), (1, 1), (0, 0))
            module.__class__ = PointwiseConv if is_pointwise else SpatialConv


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
