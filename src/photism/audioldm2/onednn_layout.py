"""Convolutions on a processor, where oneDNN is fastest at them, with the same results to rounding.

On the AMD EPYC that was measured (benchmarks/README.md) it multiplies a channel's neighbours side by side in memory
("channels last") up to a third faster than a channel's positions, but not where positions are few: there, weights are
most of what it reads, and it arranges them anew in each call.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from photism.encoder.onednn import Linear, linear

FEW_POSITIONS = 512
"""In a batch, up to which they lie side by side."""


def use_onednn(model: nn.Module) -> None:
    """Makes the linear layers and convolutions of a float32 model, of any author, those of this module.

    Its convolutions then take batches alone. Without oneDNN the model is left as it is.
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
    """A convolution of one position, which is a linear layer over the channels."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H, W)."""
        weight = self.weight[:, :, 0, 0]  # (out, in, 1, 1) -> (out, in)
        # (B, in, H, W) -> (B, H, W, out) -> (B, out, H, W)
        return linear(input.permute(0, 2, 3, 1), weight, self.bias).permute(0, 3, 1, 2)


class SpatialConv(nn.Conv2d):
    """A convolution of pictures, and of spectrograms."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H', W')."""
        return super().forward(_arranged(input))


class SequenceConv(nn.Conv1d):
    """A convolution of sequences, as that of a picture one position high, which may have its channels last."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, in, L) -> (B, out, L')."""
        picture, weight = _arranged(input.unsqueeze(2)), self.weight.unsqueeze(2)
        padding = self.padding if isinstance(self.padding, str) else (0, *self.padding)
        return conv2d(picture, weight, self.bias, (1, *self.stride), padding, (1, *self.dilation)).squeeze(2)


def _arranged(picture: Tensor) -> Tensor:
    batch, _, height, width = picture.shape
    few = batch * height * width <= FEW_POSITIONS
    return picture.contiguous(memory_format=torch.contiguous_format if few else torch.channels_last)
