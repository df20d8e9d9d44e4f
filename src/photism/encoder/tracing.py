"""Whether the values of tensors can be read."""

from __future__ import annotations

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor


def has_values(*tensors: Tensor) -> bool:
    """Return whether computations may depend on the values of tensors.

    They may not while a graph is traced, as for `torch.compile` and `torch.export`, on the device "meta", and for fake
    tensors, which have shapes alone.
    """
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return False
    return not any(tensor.is_meta or isinstance(tensor, FakeTensor) for tensor in tensors)
