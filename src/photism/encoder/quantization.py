"""Linear layers in int8: weights by output channel, activations by token, as they come."""

from __future__ import annotations

from torch import nn

from photism.errors import InputError


def quantize_int8(model: nn.Module) -> None:
    """Replaces the weights of a model's linear layers, in place, for use on a processor; not for training.

    Raises:
        InputError: torchao, whose kernels do it, is not installed.
    """
    try:
        from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_
    except ImportError as error:
        raise InputError("int8 needs torchao: pip install 'photism[int8]'") from error
    quantize_(model, Int8DynamicActivationInt8WeightConfig())
