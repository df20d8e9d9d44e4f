"""Layers that are faster on a CPU than those of torch, with equal results up to rounding.

Linear layers are products of oneDNN, or of torch where `kernel_choice` found them faster. Convolutions have the memory
layout in which oneDNN is fastest: on the AMD EPYC that was measured (benchmarks/README.md), it computes with
channels-last memory up to a third faster than with contiguous channels, except for few positions: then most of what it
reads are weights, which it reorders in each call. Those with a kernel of 3×3 positions are computed by Winograd's
algorithm, which oneDNN does not have for x86, unless they are small or need gradients.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from photism.encoder import winograd
from photism.encoder.module_copy import Module, copy_modules, shallow_copy
from photism.encoder.onednn import Linear, can_use_onednn, linear
from photism.encoder.tracing import has_hooks

FEW_POSITIONS = 512
"""Positions of a batch up to which channels stay contiguous."""
WINOGRAD_POSITIONS = 512
"""Positions of a batch from which Winograd's algorithm is faster, the transforms included."""
WINOGRAD_CHANNELS = 128
"""Input and output channels from which it is faster."""


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


def onednn_copy(model: Module) -> Module:
    """Return a copy of a float32 model on a CPU that has the layers of this module, and the tensors of the model.

    The model may be used by other threads meanwhile, and stays as it is. The copy is for one call: it sees later
    changes of the values of the tensors only. Its convolutions take batched input only.

    Args:
        model: a model. It is returned itself if no layer would be replaced; and if hooks, a compiler or a `forward` of
            its own, as offloading and caches add them, belong to its modules and not to those of a copy.
    """
    if any(map(_is_observed, model.modules())) or next(_replacements(model), None) is None:
        return model
    return copy_modules(model, _faster_copy)


def _faster_copy(module: nn.Module) -> nn.Module | None:
    layer_class = _faster_class(module)
    return None if layer_class is None else shallow_copy(module, layer_class)


def _is_observed(module: nn.Module) -> bool:
    """Return whether something outside a module refers to it when it computes."""
    attributes = vars(module)
    return "forward" in attributes or attributes.get("_compiled_call_impl") is not None or has_hooks(module)


def _replacements(model: nn.Module) -> Iterator[tuple[nn.Module, type[nn.Module], type[nn.Module]]]:
    """Yield the layers that have a faster class, each with its own class and that one."""
    for module in model.modules():
        layer_class = _faster_class(module)
        if layer_class is not None:
            yield module, type(module), layer_class


def _faster_class(module: nn.Module) -> type[nn.Module] | None:
    """Return the class that computes a layer faster; None if there is none."""
    weight = getattr(module, "weight", None)
    # Weights of another type, such as quantized ones, have products of their own.
    if type(weight) is not nn.Parameter or weight.device.type != "cpu" or weight.dtype != torch.float32:
        return None
    if not torch.backends.mkldnn.is_available():
        return None
    if type(module) is nn.Linear:
        return Linear
    if not isinstance(module, nn.Conv1d | nn.Conv2d) or module.groups > 1 or module.padding_mode != "zeros":
        return None
    if type(module) is nn.Conv1d:
        return SequenceConv
    if type(module) is nn.Conv2d:
        is_pointwise = (module.kernel_size, module.stride, module.padding) == ((1, 1), (1, 1), (0, 0))
        return PointwiseConv if is_pointwise else SpatialConv
    return None


class PointwiseConv(nn.Conv2d):
    """Convolution with a kernel of one position, computed as a linear layer over the channels."""

    def forward(self, input: Tensor) -> Tensor:
        """Convolve (B, in, H, W) -> (B, out, H, W)."""
        weight = self.weight[:, :, 0, 0]  # (out, in, 1, 1) -> (out, in)
        # (B, in, H, W) -> (B, H, W, out) -> (B, out, H, W)
        return linear(input.permute(0, 2, 3, 1), weight, self.bias).permute(0, 3, 1, 2)


class SpatialConv(nn.Conv2d):
    """Two-dimensional convolution by Winograd's algorithm, or in the faster memory layout."""

    def forward(self, input: Tensor) -> Tensor:
        """Convolve (B, in, H, W) -> (B, out, H', W')."""
        if self._is_large_3x3(input):
            return winograd.conv3x3(input, self.weight, self.bias)
        return super().forward(_in_faster_layout(input))

    def _is_large_3x3(self, input: Tensor) -> bool:
        """Return whether Winograd's algorithm computes the convolution faster, gradients apart."""
        batch, _, height, width = input.shape
        has_layout = (self.kernel_size, self.stride, self.dilation) == ((3, 3), (1, 1), (1, 1))
        return (
            has_layout
            and self.padding in ((1, 1), "same")
            and batch * height * width >= WINOGRAD_POSITIONS
            and min(self.in_channels, self.out_channels) >= WINOGRAD_CHANNELS
            and not torch.is_grad_enabled()
            and can_use_onednn(input, self.weight, self.bias)
        )


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
