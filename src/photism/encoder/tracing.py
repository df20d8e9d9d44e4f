"""Whether a computation is traced, transformed or observed, so that it must not take shortcuts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.autograd import forward_ad
from torch.nn.modules import module as torch_module

# torch has no public names for these.
_torch: Any = torch._C  # pyright: ignore[reportPrivateUsage]
_forward_ad: Any = forward_ad
_modules: Any = torch_module
_GLOBAL_HOOKS = (
    _modules._global_forward_hooks,
    _modules._global_forward_pre_hooks,
    _modules._global_backward_hooks,
    _modules._global_backward_pre_hooks,
)


def has_values(*tensors: Tensor) -> bool:
    """Return whether computations may depend on the values of tensors.

    They may not while a graph is traced, as for `torch.compile` and `torch.export`, under the transforms of
    `torch.func` and in forward-mode differentiation, on the device "meta", and for fake tensors, which have shapes
    alone.
    """
    if torch.compiler.is_compiling() or torch.jit.is_tracing() or is_transformed():
        return False
    return not any(tensor.is_meta or isinstance(tensor, FakeTensor) for tensor in tensors)


def is_transformed() -> bool:
    """Return whether a transform of `torch.func` or forward-mode differentiation is in effect."""
    return _torch._are_functorch_transforms_active() or _forward_ad._current_level >= 0


def has_modes() -> bool:
    """Return whether a mode sees each operation, as FLOP counters do."""
    return _torch._len_torch_dispatch_stack() > 0 or _torch._len_torch_function_stack() > 0


def has_hooks(*modules: Any) -> bool:
    """Return whether hooks see the input or output of one of some modules, or of every module."""
    for module in modules:
        if module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks:
            return True
    return any(_GLOBAL_HOOKS)
